// SPDX-License-Identifier: Apache-2.0
#include "sim/server/listener.hpp"

#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>

namespace conduit::sim {
namespace {

std::unexpected<Error> failed(std::string_view action, std::string_view where)
{
    return fail(ErrorKind::failed, fmt::format("cannot {} {}: {}", action, where, std::strerror(errno)),
                "Name a free address of this machine, with port 0 for any free port.");
}

Result<socklen_t> to_sockaddr(const HostPort& address, sockaddr_storage& out)
{
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    if (::inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr) == 1) {
        std::memcpy(&out, &v4, sizeof v4);
        return socklen_t{sizeof v4};
    }
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    if (::inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr) == 1) {
        std::memcpy(&out, &v6, sizeof v6);
        return socklen_t{sizeof v6};
    }
    return fail(ErrorKind::usage, fmt::format("'{}' is not an IP address to listen on", address.host),
                "Write it as 127.0.0.1:0 or [::1]:0.");
}

sockaddr* generic(sockaddr_storage& address)
{
    return static_cast<sockaddr*>(static_cast<void*>(&address));
}

} // namespace

Result<ListenSocket> ListenSocket::open(const ListenSpec& spec)
{
    ListenSocket out;
    const auto where = spec.fd >= 0 ? fmt::format("descriptor {}", spec.fd)
                                    : fmt::format("{}:{}", spec.address.host, spec.address.port);
    if (spec.fd >= 0) {
        out.fd_ = UniqueFd{spec.fd};
    } else {
        sockaddr_storage wanted{};
        TRY_ASSIGN(const auto length, to_sockaddr(spec.address, wanted));
        out.fd_ = UniqueFd{::socket(wanted.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        const int one = 1;
        if (!out.fd_ || ::setsockopt(out.fd(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
            ::bind(out.fd(), generic(wanted), length) != 0 || ::listen(out.fd(), SOMAXCONN) != 0)
            return failed("listen on", where);
    }
    out.length_ = sizeof out.address_;
    if (::getsockname(out.fd(), generic(out.address_), &out.length_) != 0)
        return failed("use", where);
    return out;
}

std::string ListenSocket::url() const
{
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (address_.ss_family == AF_INET6) {
        sockaddr_in6 v6{};
        std::memcpy(&v6, &address_, sizeof v6);
        ::inet_ntop(AF_INET6, &v6.sin6_addr, text.data(), text.size());
        return fmt::format("http://[{}]:{}", text.data(), ntohs(v6.sin6_port));
    }
    sockaddr_in v4{};
    std::memcpy(&v4, &address_, sizeof v4);
    ::inet_ntop(AF_INET, &v4.sin_addr, text.data(), text.size());
    return fmt::format("http://{}:{}", text.data(), ntohs(v4.sin_port));
}

Result<> ListenSocket::refuse()
{
    // shutdown() works on the socket itself, close() would only take our descriptor away. A port that the
    // system chose is let go by it and has to be bound again; a port that was named stays, hence EINVAL.
    const int one = 1;
    if (::shutdown(fd(), SHUT_RDWR) != 0 && errno != ENOTCONN)
        return failed("close", url());
    ::setsockopt(fd(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (::bind(fd(), generic(address_), length_) != 0 && errno != EINVAL)
        return failed("keep the port of", url());
    return {};
}

Result<> ListenSocket::listen_again()
{
    if (::listen(fd(), SOMAXCONN) != 0)
        return failed("listen again on", url());
    return {};
}

} // namespace conduit::sim
