// SPDX-License-Identifier: Apache-2.0
#include "core/redis/connection.hpp"

#include "core/redis/socket.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

namespace conduit::redis {
namespace {

constexpr std::size_t k_piece = 64U << 10U;
constexpr Duration k_stop_look{50};
constexpr int k_most_pieces = 16; // between two looks at what came, so that a flood meets the reader's limits

Error unreachable(const Address& address, std::string_view why)
{
    return {ErrorKind::unreachable, fmt::format("cannot reach Redis at {}: {}", address.text, why)};
}

struct FreeAddresses {
    void operator()(addrinfo* list) const { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> look_up(const Address& address)
{
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG;
    addrinfo* found = nullptr;
    const auto port = std::to_string(address.port);
    if (const int fault = ::getaddrinfo(address.host.c_str(), port.c_str(), &hints, &found); fault != 0)
        return unreachable(address, ::gai_strerror(fault));
    return Addresses(found);
}

// True: something is possible. False: the time is over, or somebody wants an end.
bool wait_for(int fd, short events, Deadline deadline, const Cancel* stop)
{
    for (;;) {
        pollfd ready{fd, events, 0};
        const auto left =
            stop == nullptr ? deadline.left() : std::min<Duration>(deadline.left(), k_stop_look);
        if (::poll(&ready, 1, static_cast<int>(std::min<std::int64_t>(left.count() + 1, 60'000))) > 0)
            return true;
        if (deadline.passed() || (stop != nullptr && stop->requested()))
            return false;
    }
}

Result<UniqueFd> connect_to(const Address& address, int family, const sockaddr* to, socklen_t size,
                            Deadline deadline, const Cancel* stop)
{
    UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd)
        return unreachable(address, std::strerror(errno));
    if (family != AF_UNIX) {
        const int on = 1;
        ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ::setsockopt(fd.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    }
    if (::connect(fd.get(), to, size) == 0)
        return fd;
    if (errno == EAGAIN) // a unix socket whose queue is full
        return unreachable(address, "it takes no more connections");
    if (errno != EINPROGRESS)
        return unreachable(address, std::strerror(errno));
    if (!wait_for(fd.get(), POLLOUT, deadline, stop))
        return unreachable(address, "no answer in time");
    int error = 0;
    socklen_t length = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length);
    if (error != 0)
        return unreachable(address, std::strerror(error));
    return fd;
}

Result<UniqueFd> connect_to(const Address& address, Deadline deadline, const Cancel* stop)
{
    if (!address.socket.empty()) {
        sockaddr_un to{};
        to.sun_family = AF_UNIX;
        const auto path = address.socket.string();
        if (path.size() >= sizeof to.sun_path)
            return unreachable(address, "the path of the socket is too long");
        std::memcpy(static_cast<char*>(to.sun_path), path.c_str(), path.size() + 1);
        return connect_to(address, AF_UNIX, reinterpret_cast<const sockaddr*>(&to), sizeof to, deadline,
                          stop); // NOLINT
    }
    TRY_ASSIGN(const auto found, look_up(address));
    Error last = unreachable(address, "the name has no address");
    for (const auto* one = found.get(); one != nullptr && !deadline.passed(); one = one->ai_next) {
        auto fd = connect_to(address, one->ai_family, one->ai_addr, one->ai_addrlen, deadline, stop);
        if (fd)
            return fd;
        last = std::move(fd).error();
    }
    return last;
}

} // namespace

Connection::Connection(std::unique_ptr<Socket> socket, Address address, const Cancel* stop)
    : socket_(std::move(socket)), address_(std::move(address)), stop_(stop)
{
}

Connection::~Connection() = default;

Result<std::unique_ptr<Connection>> Connection::open_at(const Address& address, const Identity& identity,
                                                        const Settings& settings, Deadline deadline,
                                                        const Cancel* stop)
{
    deadline = deadline.sooner(settings.connect_timeout);
    auto socket = std::make_unique<Socket>();
    TRY_ASSIGN(socket->fd, connect_to(address, deadline, stop));
    std::unique_ptr<Connection> connection(new Connection(std::move(socket), address, stop));
    if (settings.tls.on) {
        TRY(start_tls(*connection->socket_, settings.tls, address.host));
        for (;;) {
            TRY_ASSIGN(const bool done, tls_handshake(*connection->socket_, address.text));
            if (done)
                break;
            TRY(connection->wait(false, deadline));
        }
    }
    TRY(connection->log_in(identity, settings.database, deadline));
    return connection;
}

// PING too, so that a server that hangs, or loads its data, is not taken for one that can be used.
Result<> Connection::log_in(const Identity& identity, unsigned database, Deadline deadline)
{
    if (!identity.password.empty()) {
        TRY_ASSIGN(const auto answer, identity.username.empty()
                                          ? call({"AUTH", identity.password}, deadline)
                                          : call({"AUTH", identity.username, identity.password}, deadline));
        if (answer.is_error())
            return reply_error(answer, fmt::format("Redis at {} does not let us in", address_.text));
    }
    if (database != 0) {
        TRY_ASSIGN(const auto answer, call({"SELECT", std::to_string(database)}, deadline));
        if (answer.is_error())
            return reply_error(answer, fmt::format("database {} of Redis at {}", database, address_.text));
    }
    TRY_ASSIGN(const auto pong, call({"PING"}, deadline));
    if (pong.is_error())
        return reply_error(pong, fmt::format("Redis at {}", address_.text));
    if (pong.text != "PONG")
        return fail(ErrorKind::failed, fmt::format("what listens at {} is no Redis server", address_.text));
    return {};
}

int Connection::fd() const
{
    return socket_->fd.get();
}

short Connection::events(bool sending) const
{
    return static_cast<short>(POLLIN | (sending || socket_->wants_write ? POLLOUT : 0));
}

Result<> Connection::wait(bool sending, Deadline deadline)
{
    if (!sending && tls_has_pending(*socket_))
        return {};
    if (!wait_for(socket_->fd.get(), events(sending), deadline, stop_))
        return fail(ErrorKind::unreachable, fmt::format("Redis at {} did not answer in time", address_.text));
    return {};
}

Result<std::size_t> Connection::send_some(std::string_view bytes)
{
    std::size_t sent = 0;
    while (sent < bytes.size()) {
        const auto rest = bytes.substr(sent);
        if (socket_->ssl) {
            const auto moved = tls_send(*socket_, rest);
            if (moved.state == Moved::State::wait)
                return sent;
            if (moved.state != Moved::State::ok)
                return unreachable(address_, moved.reason);
            sent += moved.bytes;
            continue;
        }
        const auto done = ::send(socket_->fd.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
        if (done >= 0)
            sent += static_cast<std::size_t>(done);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return sent;
        else if (errno != EINTR)
            return unreachable(address_, std::strerror(errno));
    }
    return sent;
}

Result<bool> Connection::receive_some()
{
    std::array<char, k_piece> piece; // NOLINT(cppcoreguidelines-pro-type-member-init): filled by the read
    bool any = false;
    for (int i = 0; i < k_most_pieces; ++i) {
        if (socket_->ssl) {
            const auto moved = tls_receive(*socket_, piece);
            if (moved.state == Moved::State::wait || (moved.state != Moved::State::ok && any))
                return any; // the end comes after what came before it
            if (moved.state != Moved::State::ok)
                return unreachable(address_, moved.reason);
            reader_.feed({piece.data(), moved.bytes});
            any = true;
            continue;
        }
        const auto got = ::recv(socket_->fd.get(), piece.data(), piece.size(), 0);
        if (got > 0) {
            reader_.feed({piece.data(), static_cast<std::size_t>(got)});
            any = true;
            if (static_cast<std::size_t>(got) < piece.size())
                return any;
        } else if (any) {
            return any;
        } else if (got == 0) {
            return unreachable(address_, "the server closed the connection");
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            return any;
        } else if (errno != EINTR) {
            return unreachable(address_, std::strerror(errno));
        }
    }
    return any;
}

bool Connection::pending() const
{
    return tls_has_pending(*socket_);
}

Result<> Connection::send_all(std::string_view bytes, Deadline deadline)
{
    for (;;) {
        TRY_ASSIGN(const auto sent, send_some(bytes));
        bytes.remove_prefix(sent);
        if (bytes.empty())
            return {};
        TRY(wait(true, deadline));
        TRY(receive_some()); // a server whose answers nobody takes stops reading
    }
}

Result<Reply> Connection::call(std::string_view command, Deadline deadline)
{
    TRY_ASSIGN(auto replies, pipeline(command, 1, deadline));
    return std::move(replies.front());
}

Result<std::vector<Reply>> Connection::pipeline(std::string_view commands, std::size_t count,
                                                Deadline deadline)
{
    TRY(send_all(commands, deadline));
    std::vector<Reply> replies;
    while (replies.size() < count) {
        TRY_ASSIGN(auto reply, next());
        if (reply) {
            replies.push_back(*std::move(reply));
            continue;
        }
        TRY(wait(false, deadline));
        TRY(receive_some());
    }
    return replies;
}

} // namespace conduit::redis
