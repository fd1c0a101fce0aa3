// SPDX-License-Identifier: Apache-2.0
#include "agent/server/listen.hpp"

#include <arpa/inet.h>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace conduit::agent {

namespace {

Error socket_error(const HostPort& address, std::string_view action)
{
    return Error{ErrorKind::failed,
                 fmt::format("cannot {} {}:{}: {}", action, address.host, address.port, std::strerror(errno)),
                 "Choose another address in 'listen', or stop the program that holds it."};
}

} // namespace

Result<UniqueFd> listen_on(const HostPort& address, int inherited)
{
    if (inherited >= 0) {
        int listening = 0;
        socklen_t size = sizeof listening;
        if (getsockopt(inherited, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) != 0 || listening == 0)
            return fail(ErrorKind::failed,
                        fmt::format("the inherited descriptor {} is not a listening socket", inherited),
                        "Unset LISTEN_FDS, or pass listening sockets as descriptors 3 and 4.");
        fcntl(inherited, F_SETFD, FD_CLOEXEC);
        fcntl(inherited, F_SETFL, fcntl(inherited, F_GETFL) | O_NONBLOCK);
        return UniqueFd(inherited);
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    addrinfo* found = nullptr;
    const std::string port = std::to_string(address.port);
    if (getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(), port.c_str(), &hints, &found) != 0)
        return fail(ErrorKind::failed, fmt::format("cannot resolve {} to listen on it", address.host),
                    "Use an address of this machine, such as 127.0.0.1 or 0.0.0.0.");
    const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> guard(found, freeaddrinfo);
    UniqueFd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd)
        return socket_error(address, "open a socket for");
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (::bind(fd.get(), found->ai_addr, found->ai_addrlen) != 0 || ::listen(fd.get(), 4096) != 0)
        return socket_error(address, "listen on");
    return fd;
}

std::string url_of_socket(int fd, bool tls)
{
    const std::string_view scheme = tls ? "https" : "http";
    sockaddr_storage storage{};
    socklen_t size = sizeof storage;
    if (getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0)
        return {};
    char text[INET6_ADDRSTRLEN] = {};
    if (storage.ss_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
        if (IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
            return fmt::format("{}://[::1]:{}", scheme, ntohs(v6->sin6_port));
        inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        return fmt::format("{}://[{}]:{}", scheme, text, ntohs(v6->sin6_port));
    }
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
    if (v4->sin_addr.s_addr == INADDR_ANY)
        return fmt::format("{}://127.0.0.1:{}", scheme, ntohs(v4->sin_port));
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return fmt::format("{}://{}:{}", scheme, text, ntohs(v4->sin_port));
}

} // namespace conduit::agent
