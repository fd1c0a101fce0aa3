// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/port_call.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace conduit::commands {
namespace {

constexpr std::size_t k_most = 16U << 20U;
constexpr int k_look = 200; // ms: for a stop

std::string name_of(const PortCall& call)
{
    return fmt::format("{}:{}{}", call.instance, call.port, call.path);
}

// Everything until the other side ends.
Result<std::string> read_all(int fd, const PortCall& call, const Cancel& cancel, Deadline deadline)
{
    std::string out;
    std::array<char, 65'536> buffer{};
    for (;;) {
        if (cancel.requested())
            return fail(ErrorKind::interrupted, "interrupted");
        if (deadline.passed())
            return fail(ErrorKind::unreachable, fmt::format("{} did not answer in time", name_of(call)));
        pollfd one{.fd = fd, .events = POLLIN, .revents = 0};
        if (::poll(&one, 1, static_cast<int>(std::min<std::int64_t>(k_look, deadline.left().count()))) <= 0)
            continue;
        const auto got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return out;
        out.append(buffer.data(), static_cast<std::size_t>(got));
        if (out.size() > k_most)
            return fail(ErrorKind::failed, fmt::format("{} answers with more than 16 MiB", name_of(call)));
    }
}

} // namespace

Result<std::string> get_over_port(InstanceStreams& streams, const PortCall& call, const Cancel& cancel,
                                  Deadline deadline)
{
    if (!call.path.starts_with('/') || call.path.find_first_of(" \r\n") != std::string::npos)
        return fail(ErrorKind::usage, fmt::format("'{}' is no path", printable(call.path)),
                    "Write it like /metrics.");
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return fail(ErrorKind::failed, "no pair of sockets can be had");
    const UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    TRY_ASSIGN(const auto stream,
               streams.open_port(call.instance, call.port, std::move(theirs), cancel, deadline));
    const auto request =
        fmt::format("GET {} HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n", call.path);
    if (::send(ours.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size()))
        return fail(ErrorKind::unreachable, fmt::format("{} takes no request", name_of(call)));
    TRY_ASSIGN(auto answer, read_all(ours.get(), call, cancel, deadline));
    if (answer.empty()) {
        const auto fault = stream->fault();
        return Error{ErrorKind::unreachable, fmt::format("nobody answers at {}", name_of(call)),
                     "Check the port: conduitctl describe " + call.instance}
            .with_cause(fault ? fault->message : "");
    }
    const auto head = answer.find("\r\n\r\n");
    const auto status = std::string_view(answer).substr(0, answer.find('\r'));
    if (!answer.starts_with("HTTP/1.") || head == std::string::npos)
        return fail(ErrorKind::failed, fmt::format("{} speaks no HTTP", name_of(call)));
    if (status.size() < 12 || status.substr(9, 3) != "200")
        return fail(ErrorKind::failed,
                    fmt::format("{} answers {}", name_of(call), printable(status.substr(9))));
    return answer.substr(head + 4);
}

} // namespace conduit::commands
