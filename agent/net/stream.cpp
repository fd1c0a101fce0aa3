// SPDX-License-Identifier: Apache-2.0
#include "agent/net/stream.hpp"

#include "agent/net/stream_impl.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <netinet/in.h>
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

Stream::Stream(Loop& loop, int fd) : Timed(loop), Watched(loop), impl_(std::make_unique<Impl>())
{
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    impl_->fd = UniqueFd(fd);
    if (!watch(fd)) // no memory for the epoll set: an operation must not wait for an event that never comes
        cancelled_ = true;
}

Stream::~Stream()
{
    unwatch();
}

bool Stream::start_read(char* data, std::size_t size)
{
    read_result_ = {};
    read_into_ = data;
    read_size_ = size;
    if (cancelled_)
        read_result_.status = IoStatus::cancelled;
    return cancelled_ || (readable_ && step_read());
}

// True: read_result_ is final. False: the socket has nothing, and an event will tell when it has.
bool Stream::step_read()
{
    if (read_size_ == 0) {
        readable_ = readable_now();
        return readable_;
    }
    if (impl_->ssl) {
        read_result_ = tls_read(*impl_, read_into_, read_size_);
        bytes_in_ += read_result_.bytes;
        readable_ = read_result_.status != IoStatus::ok || read_result_.bytes > 0;
        return readable_;
    }
    for (;;) {
        const ssize_t got = ::recv(impl_->fd.get(), read_into_, read_size_, 0);
        if (got > 0) {
            const auto bytes = static_cast<std::size_t>(got);
            bytes_in_ += bytes;
            read_result_ = {IoStatus::ok, bytes, 0};
            readable_ = bytes == read_size_ || ended_; // less than asked for: the socket is empty
            return true;
        }
        if (got == 0) {
            read_result_ = {IoStatus::eof, 0, 0};
            return true;
        }
        if (errno == EINTR)
            continue;
        if (would_block(errno)) {
            readable_ = false;
            return false;
        }
        read_result_ = from_errno(errno);
        return true;
    }
}

Stream::Write Stream::write(std::span<const std::string_view> pieces)
{
    piece_first_ = 0;
    piece_count_ = 0;
    for (std::string_view piece : pieces)
        if (!piece.empty() && piece_count_ < k_max_pieces)
            pieces_[piece_count_++] = {const_cast<char*>(piece.data()), piece.size()}; // NOLINT
    return {*this};
}

Stream::Write Stream::write(std::string_view piece)
{
    return write(std::span(&piece, 1));
}

bool Stream::start_write()
{
    write_result_ = {};
    if (cancelled_)
        write_result_.status = IoStatus::cancelled;
    return cancelled_ || (writable_ && step_write());
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

// True: write_result_ is final. False: the socket is full.
bool Stream::step_write()
{
    if (connecting_)
        return finish_connect();
    if (impl_->ssl)
        return step_write_tls();
    while (piece_first_ < piece_count_) {
        msghdr message{};
        message.msg_iov = pieces_ + piece_first_;
        message.msg_iovlen = piece_count_ - piece_first_;
        const ssize_t sent = ::sendmsg(impl_->fd.get(), &message, MSG_NOSIGNAL);
        if (sent >= 0) {
            advance(static_cast<std::size_t>(sent));
        } else if (would_block(errno)) {
            writable_ = false;
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

bool Stream::step_write_tls()
{
    while (piece_first_ < piece_count_) {
        const iovec& piece = pieces_[piece_first_];
        const IoResult step = tls_write(*impl_, static_cast<const char*>(piece.iov_base), piece.iov_len);
        if (step.status != IoStatus::ok) {
            write_result_.status = step.status;
            write_result_.error = step.error;
            return true;
        }
        if (step.bytes == 0) {
            writable_ = false;
            return false;
        }
        advance(step.bytes);
    }
    return true;
}

void Stream::on_events(std::uint32_t events)
{
    ended_ = ended_ || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    // TLS may want to read in order to write, and the other way round.
    const bool both = impl_->ssl != nullptr;
    readable_ = readable_ || both || ended_ || (events & EPOLLIN) != 0;
    writable_ = writable_ || both || (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    std::coroutine_handle<> reader, writer;
    if (writer_ && writable_ && step_write())
        writer = std::exchange(writer_, nullptr);
    if (reader_ && readable_ && step_read())
        reader = std::exchange(reader_, nullptr);
    if (reader && writer) { // whoever goes first may end the connection that both belong to
        loop_.resume_soon(writer);
        writer = nullptr;
    }
    if (const auto ready = reader ? reader : writer)
        ready.resume();
}

void Stream::end_read(IoStatus status, int error)
{
    if (!reader_)
        return;
    read_result_ = {status, 0, error};
    loop_.resume_soon(std::exchange(reader_, nullptr));
}

void Stream::end_write(IoStatus status, int error)
{
    if (!writer_)
        return;
    write_result_.status = status;
    write_result_.error = error;
    loop_.resume_soon(std::exchange(writer_, nullptr));
}

void Stream::on_tick(SteadyTime now)
{
    if (now >= deadline_)
        end_read(IoStatus::timeout, ETIMEDOUT);
    if (now >= write_deadline_)
        end_write(IoStatus::timeout, ETIMEDOUT);
}

void Stream::cancel()
{
    cancelled_ = true;
    end_read(IoStatus::cancelled);
    end_write(IoStatus::cancelled);
}

void Stream::interrupt_read()
{
    end_read(IoStatus::cancelled);
}

void Stream::shutdown_send()
{
    if (impl_->ssl)
        SSL_shutdown(impl_->ssl.get());
    ::shutdown(impl_->fd.get(), SHUT_WR);
}

void Stream::reset_on_close()
{
    const linger now{1, 0};
    setsockopt(impl_->fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

bool Stream::peer_closed()
{
    char byte = 0;
    const ssize_t got = ::recv(impl_->fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (got < 0)
        return !would_block(errno) && errno != EINTR;
    return got == 0 || !impl_->ssl; // TLS may have sent a session ticket
}

bool Stream::readable_now()
{
    // Session tickets make the socket readable and are no answer; before the handshake has ended they cannot
    // come, and looking for data would carry the handshake on.
    if (impl_->ssl && SSL_is_init_finished(impl_->ssl.get()) == 1)
        return tls_has_data(*impl_);
    pollfd watched{impl_->fd.get(), POLLIN, 0};
    return ::poll(&watched, 1, 0) > 0;
}

std::string Stream::peer() const
{
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (getpeername(impl_->fd.get(), reinterpret_cast<sockaddr*>(&storage), &size) != 0)
        return {};
    char text[INET6_ADDRSTRLEN] = {};
    if (storage.ss_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        return std::string(text) + ":" + std::to_string(ntohs(v6->sin6_port));
    }
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(ntohs(v4->sin_port));
}

bool Stream::finish_connect()
{
    pollfd watched{impl_->fd.get(), POLLOUT, 0};
    if (::poll(&watched, 1, 0) == 0) { // the event of a socket that was not yet on its way
        writable_ = false;
        return false;
    }
    connecting_ = false;
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(impl_->fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0)
        write_result_ = {IoStatus::failed, 0, error};
    return true;
}

Task<std::unique_ptr<Stream>> Stream::connect(Loop& loop, Loop::Address address, SteadyTime deadline,
                                              int& error)
{
    sockaddr_storage storage{};
    std::memcpy(&storage, address.bytes, address.size);
    const int fd = ::socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        error = errno;
        co_return nullptr;
    }
    UniqueFd owned(fd);
    const int begun = ::connect(fd, reinterpret_cast<const sockaddr*>(&storage), address.size);
    if (begun != 0 && errno != EINPROGRESS) {
        error = errno;
        co_return nullptr;
    }
    auto stream = std::make_unique<Stream>(loop, owned.release());
    stream->connecting_ = begun != 0;
    stream->set_write_deadline(deadline);
    const IoResult connected = co_await stream->write(std::span<const std::string_view>{});
    if (!connected) {
        error = connected.error != 0 ? connected.error : ETIMEDOUT;
        co_return nullptr;
    }
    co_return std::move(stream);
}

} // namespace conduit::agent
