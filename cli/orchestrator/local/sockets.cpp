// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/sockets.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace conduit::local {
namespace {

constexpr int k_backlog = 4096;

// A path longer than sun_path is reached through its folder's descriptor.
struct UnixAddress {
    sockaddr_un address{};
    UniqueFd folder;
};

Result<UnixAddress> unix_address(const fs::path& path)
{
    UnixAddress result;
    result.address.sun_family = AF_UNIX;
    std::string text = path.string();
    if (text.size() >= sizeof result.address.sun_path) {
        result.folder = UniqueFd(::open(path.parent_path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!result.folder)
            return file_error("open", path.parent_path(), errno);
        text = fmt::format("/proc/self/fd/{}/{}", result.folder.get(), path.filename().string());
    }
    if (text.size() >= sizeof result.address.sun_path)
        return fail(ErrorKind::failed, fmt::format("the name of {} is too long for a socket", path.string()));
    std::memcpy(result.address.sun_path, text.c_str(), text.size() + 1);
    return result;
}

const sockaddr* generic(const sockaddr_un& address)
{
    return reinterpret_cast<const sockaddr*>(&address);
}

} // namespace

std::string Listener::url() const
{
    return fmt::format("http://127.0.0.1:{}", port);
}

Result<Listener> listen_loopback(std::uint16_t port)
{
    Listener result{UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), 0};
    if (!result.fd)
        return fail(ErrorKind::failed, fmt::format("cannot make a socket: {}", std::strerror(errno)));
    const int on = 1;
    ::setsockopt(result.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(result.fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(result.fd.get(), k_backlog) != 0) {
        const int reason = errno;
        auto error = Error{ErrorKind::failed,
                           fmt::format("cannot listen on 127.0.0.1:{}: {}", port, std::strerror(reason))};
        if (reason == EADDRINUSE)
            error.hint =
                fmt::format("Run `ss -ltnp 'sport = :{}'` to see who listens there, or choose another "
                            "port with `conduitctl local up --port`.",
                            port);
        return error;
    }
    socklen_t size = sizeof address;
    if (::getsockname(result.fd.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return fail(ErrorKind::failed, fmt::format("cannot read a socket's port: {}", std::strerror(errno)));
    result.port = ntohs(address.sin_port);
    return result;
}

void listen_again(const Listener& listener)
{
    if (listener.fd)
        ::listen(listener.fd.get(), k_backlog);
}

Result<UniqueFd> listen_unix(const fs::path& path)
{
    TRY(remove_file(path));
    TRY_ASSIGN(const UnixAddress at, unix_address(path));
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd)
        return file_error("make", path, errno);
    const mode_t before = ::umask(0177);
    const int bound = ::bind(fd.get(), generic(at.address), sizeof at.address);
    const int reason = errno;
    ::umask(before);
    if (bound != 0)
        return file_error("listen on", path, reason);
    if (::listen(fd.get(), 64) != 0)
        return file_error("listen on", path, errno);
    return fd;
}

Result<UniqueFd> connect_unix(const fs::path& path)
{
    const auto at = unix_address(path);
    if (!at && at.error().kind == ErrorKind::not_found)
        return fail(ErrorKind::unreachable, fmt::format("no supervisor answers at {}", path.string()));
    if (!at)
        return at.error();
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd)
        return file_error("make a socket for", path, errno);
    if (::connect(fd.get(), generic(at->address), sizeof at->address) != 0) {
        if (errno == EACCES || errno == EPERM)
            return file_error("connect to", path, errno);
        return Error{ErrorKind::unreachable, fmt::format("no supervisor answers at {}", path.string())}
            .with_cause(std::strerror(errno));
    }
    if (!peer_is_me(fd.get()))
        return fail(ErrorKind::auth, fmt::format("{} is served by another user", path.string()));
    return fd;
}

bool peer_is_me(int fd)
{
    ucred peer{};
    socklen_t size = sizeof peer;
    return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == ::geteuid();
}

} // namespace conduit::local
