// SPDX-License-Identifier: Apache-2.0
#include "agent/net/stream.hpp"

#include "agent/net/stream_impl.hpp"

#include <cerrno>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

namespace conduit::agent {

namespace {

bool would_block(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK;
}

IoResult from_errno(int error)
{
    if (error == ECONNRESET || error == EPIPE)
        return {IoStatus::eof, 0, error};
    return {IoStatus::failed, 0, error};
}

} // namespace

Stream::Stream(Loop& loop, int fd) : Timed(loop), impl_(std::make_unique<Impl>(loop.impl().io))
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    error_code ec;
    impl_->socket.assign(asio::ip::tcp::v4(), fd, ec);
    if (ec)
        ::close(fd);
    else
        impl_->socket.native_non_blocking(true, ec);
}

Stream::~Stream()
{
    error_code ignored;
    impl_->socket.close(ignored);
}

Stream::Read Stream::read(char* data, std::size_t size, bool likely)
{
    read_result_ = {};
    reading_ = true;
    // What TLS has decrypted already shows on no socket.
    const bool held = impl_->ssl && !cancelled_ && SSL_has_pending(impl_->ssl.get()) == 1;
    if (!likely && !cancelled_ && !held)
        return {*this, data, size};
    if (held && size == 0) {
        reading_ = !tls_has_data(*impl_);
        return {*this, data, size};
    }
    if (!cancelled_ && size > 0 && try_read(data, size))
        reading_ = false;
    return {*this, data, size};
}

bool Stream::Read::await_ready()
{
    if (stream.cancelled_)
        stream.read_result_ = {IoStatus::cancelled, 0, 0};
    else if (stream.reading_)
        return false;
    stream.reading_ = false;
    return true;
}

void Stream::Read::await_suspend(std::coroutine_handle<> handle)
{
    stream.wait_read(handle, data, size);
}

IoResult Stream::Read::await_resume()
{
    stream.reading_ = false;
    return stream.read_result_;
}

bool Stream::try_read(char* data, std::size_t size)
{
    if (impl_->ssl) {
        read_result_ = tls_read(*impl_, data, size);
        bytes_in_ += read_result_.bytes;
        return !(read_result_.status == IoStatus::ok && read_result_.bytes == 0);
    }
    for (;;) {
        const ssize_t got = ::recv(impl_->socket.native_handle(), data, size, 0);
        if (got > 0) {
            bytes_in_ += static_cast<std::size_t>(got);
            read_result_ = {IoStatus::ok, static_cast<std::size_t>(got), 0};
            return true;
        }
        if (got == 0) {
            read_result_ = {IoStatus::eof, 0, 0};
            return true;
        }
        if (errno == EINTR)
            continue;
        if (would_block(errno))
            return false;
        read_result_ = from_errno(errno);
        return true;
    }
}

void Stream::wait_read(std::coroutine_handle<> handle, char* data, std::size_t size)
{
    if (!impl_->ssl && size > 0) { // Asio's own read needs no change of the epoll set
        impl_->socket.async_read_some(
            asio::buffer(data, size), [this, handle, data, size](error_code ec, std::size_t got) {
                if (!ec) {
                    bytes_in_ += got;
                    read_result_ = {IoStatus::ok, got, 0};
                    handle.resume();
                } else if (ec == asio::error::operation_aborted) {
                    read_ready(handle, data, size);
                } else {
                    read_result_ =
                        ec == asio::error::eof ? IoResult{IoStatus::eof, 0, 0} : from_errno(ec.value());
                    handle.resume();
                }
            });
        return;
    }
    const auto direction = impl_->ssl && impl_->read_wants_write ? asio::ip::tcp::socket::wait_write
                                                                 : asio::ip::tcp::socket::wait_read;
    impl_->socket.async_wait(direction, [this, handle, data, size](error_code ec) {
        if (!ec && size == 0) {
            read_result_ = {IoStatus::ok, 0, 0};
            handle.resume();
        } else if (!ec && try_read(data, size)) {
            handle.resume();
        } else {
            read_ready(handle, data, size);
        }
    });
}

// A wait that ended without data: given up, or to be waited for once more.
void Stream::read_ready(std::coroutine_handle<> handle, char* data, std::size_t size)
{
    if (cancelled_ || read_interrupted_) {
        read_interrupted_ = false;
        read_result_ = {IoStatus::cancelled, 0, 0};
    } else if (read_timed_out_) {
        read_timed_out_ = false;
        read_result_ = {IoStatus::timeout, 0, ETIMEDOUT};
    } else {
        wait_read(handle, data, size);
        return;
    }
    handle.resume();
}

Stream::Write Stream::write(std::span<const std::string_view> pieces)
{
    piece_first_ = 0;
    piece_count_ = 0;
    for (std::string_view piece : pieces)
        if (!piece.empty() && piece_count_ < k_max_pieces)
            pieces_[piece_count_++] = {const_cast<char*>(piece.data()), piece.size()}; // NOLINT
    write_result_ = {};
    return {*this};
}

Stream::Write Stream::write(std::string_view piece)
{
    return write(std::span(&piece, 1));
}

bool Stream::Write::await_ready()
{
    if (stream.cancelled_) {
        stream.write_result_ = {IoStatus::cancelled, 0, 0};
        return true;
    }
    return stream.try_write();
}

void Stream::Write::await_suspend(std::coroutine_handle<> handle)
{
    stream.writing_ = true;
    stream.wait_write(handle);
}

IoResult Stream::Write::await_resume()
{
    stream.writing_ = false;
    return stream.write_result_;
}

void Stream::advance(std::size_t sent)
{
    bytes_out_ += sent;
    write_result_.bytes += sent;
    while (sent > 0) {
        iovec& piece = pieces_[piece_first_];
        const std::size_t here = std::min(sent, piece.iov_len);
        piece.iov_base = static_cast<char*>(piece.iov_base) + here;
        piece.iov_len -= here;
        sent -= here;
        if (piece.iov_len == 0)
            ++piece_first_;
    }
}

bool Stream::try_write()
{
    if (impl_->ssl)
        return try_write_tls();
    while (piece_first_ < piece_count_) {
        msghdr message{};
        message.msg_iov = pieces_ + piece_first_;
        message.msg_iovlen = piece_count_ - piece_first_;
        const ssize_t sent = ::sendmsg(impl_->socket.native_handle(), &message, MSG_NOSIGNAL);
        if (sent >= 0) {
            advance(static_cast<std::size_t>(sent));
        } else if (would_block(errno)) {
            return false;
        } else if (errno != EINTR) {
            const std::size_t before = write_result_.bytes;
            write_result_ = from_errno(errno);
            write_result_.bytes = before;
            return true;
        }
    }
    return true;
}

bool Stream::try_write_tls()
{
    while (piece_first_ < piece_count_) {
        const iovec& piece = pieces_[piece_first_];
        const IoResult step = tls_write(*impl_, static_cast<const char*>(piece.iov_base), piece.iov_len);
        if (step.status != IoStatus::ok) {
            write_result_.status = step.status;
            write_result_.error = step.error;
            return true;
        }
        if (step.bytes == 0)
            return false;
        advance(step.bytes);
    }
    return true;
}

void Stream::wait_write(std::coroutine_handle<> handle)
{
    const auto direction = impl_->ssl && impl_->write_wants_read ? asio::ip::tcp::socket::wait_read
                                                                 : asio::ip::tcp::socket::wait_write;
    impl_->socket.async_wait(direction, [this, handle](error_code ec) {
        if (cancelled_)
            write_result_.status = IoStatus::cancelled;
        else if (write_timed_out_)
            write_result_.status = IoStatus::timeout;
        else if (ec || !try_write()) {
            wait_write(handle);
            return;
        }
        write_timed_out_ = false;
        handle.resume();
    });
}

void Stream::on_tick(SteadyTime now)
{
    const bool read_late = reading_ && now >= deadline_;
    const bool write_late = writing_ && now >= write_deadline_;
    if (!read_late && !write_late)
        return;
    read_timed_out_ = read_late;
    write_timed_out_ = write_late;
    error_code ignored;
    impl_->socket.cancel(ignored);
}

void Stream::cancel()
{
    cancelled_ = true;
    error_code ignored;
    if (reading_ || writing_)
        impl_->socket.cancel(ignored);
}

void Stream::interrupt_read()
{
    if (!reading_)
        return;
    read_interrupted_ = true;
    error_code ignored;
    impl_->socket.cancel(ignored);
}

void Stream::shutdown_send()
{
    error_code ignored;
    if (impl_->ssl)
        SSL_shutdown(impl_->ssl.get());
    impl_->socket.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
}

void Stream::reset_on_close()
{
    const linger now{1, 0};
    setsockopt(impl_->socket.native_handle(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

bool Stream::peer_closed()
{
    char byte = 0;
    const ssize_t got = ::recv(impl_->socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0)
        return !would_block(errno) && errno != EINTR;
    return got == 0 || !impl_->ssl; // TLS may have sent a session ticket
}

bool Stream::peer_gone()
{
    pollfd watched{impl_->socket.native_handle(), POLLRDHUP, 0};
    return ::poll(&watched, 1, 0) > 0 && (watched.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

bool Stream::readable_now()
{
    if (impl_->ssl) // session tickets make the socket readable and are no answer
        return tls_has_data(*impl_);
    pollfd watched{impl_->socket.native_handle(), POLLIN, 0};
    return ::poll(&watched, 1, 0) > 0;
}

std::string Stream::peer() const
{
    error_code ec;
    const auto endpoint = impl_->socket.remote_endpoint(ec);
    return ec ? std::string() : endpoint.address().to_string() + ":" + std::to_string(endpoint.port());
}

namespace {

struct Connecting {
    asio::ip::tcp::socket& socket;
    asio::ip::tcp::endpoint endpoint;
    error_code result;
    bool await_ready() const { return false; }
    void await_suspend(std::coroutine_handle<> handle)
    {
        socket.async_connect(endpoint, [this, handle](error_code ec) {
            result = ec;
            handle.resume();
        });
    }
    void await_resume() const {}
};

// Cancels a connect that takes too long.
struct ConnectTimer final : Timed {
    ConnectTimer(Loop& loop, asio::ip::tcp::socket& s, SteadyTime d) : Timed(loop), socket(s), deadline(d) {}
    void on_tick(SteadyTime now) override
    {
        error_code ignored;
        if (now >= deadline)
            socket.close(ignored);
    }
    asio::ip::tcp::socket& socket;
    SteadyTime deadline;
};

} // namespace

Task<std::unique_ptr<Stream>> Stream::connect(Loop& loop, Loop::Address address, SteadyTime deadline,
                                              int& error)
{
    asio::ip::tcp::socket socket(loop.impl().io);
    Connecting connecting{socket, {}, {}};
    connecting.endpoint.resize(address.size);
    std::memcpy(connecting.endpoint.data(), address.bytes, address.size);
    {
        ConnectTimer timer(loop, socket, deadline);
        co_await connecting;
    }
    if (connecting.result) {
        error = connecting.result == asio::error::operation_aborted ? ETIMEDOUT : connecting.result.value();
        co_return nullptr;
    }
    error_code ec;
    const int fd = socket.release(ec);
    if (ec) {
        error = ec.value();
        co_return nullptr;
    }
    co_return std::make_unique<Stream>(loop, fd);
}

} // namespace conduit::agent
