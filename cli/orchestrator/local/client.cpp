// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/client.hpp"

#include "cli/orchestrator/local/channel.hpp"
#include "cli/orchestrator/local/sockets.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <sys/socket.h>

namespace conduit::local {
namespace {

constexpr std::size_t k_answer_limit = 8U << 20U;

Error no_answer(const Layout& layout, std::string_view why)
{
    return Error{ErrorKind::unknown, fmt::format("the supervisor of {} {}", layout.dir.string(), why)}
        .with_hint("Run `conduitctl local status` to see how things stand.");
}

Result<> send_line(int fd, const Layout& layout, std::string_view bytes)
{
    while (!bytes.empty()) {
        const auto n = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return no_answer(layout, "hung up");
        bytes.remove_prefix(static_cast<std::size_t>(n));
    }
    return {};
}

// False: the deadline passed, or a stop was asked for.
bool readable(int fd, Deadline deadline, const Cancel* cancel)
{
    // A signal that comes just before poll() does not wake it.
    const std::int64_t longest = cancel == nullptr ? 60'000 : 100;
    while (!deadline.passed() && (cancel == nullptr || !cancel->requested())) {
        pollfd wait{fd, POLLIN, 0};
        const auto left = std::min<std::int64_t>(deadline.left().count() + 1, longest);
        if (::poll(&wait, 1, static_cast<int>(left)) > 0)
            return true;
    }
    return false;
}

} // namespace

Result<Json> ask_supervisor(const Layout& layout, const Json& request, Deadline deadline,
                            const AskHooks& hooks)
{
    TRY_ASSIGN(const UniqueFd fd, connect_unix(layout.socket()));
    TRY(send_line(fd.get(), layout, dump_json(request) + "\n"));
    if (hooks.on_sent)
        hooks.on_sent();
    std::string in;
    std::array<char, 16'384> buffer{};
    for (;;) {
        for (auto end = in.find('\n'); end != std::string::npos; end = in.find('\n')) {
            TRY_ASSIGN(const Json line, parse_json(in.substr(0, end)));
            in.erase(0, end + 1);
            if (const auto* result = json_find(line, "result"))
                return *result;
            if (const auto* error = json_find(line, "error"))
                return error_from_json(*error);
            if (const auto* event = json_find(line, "progress"); event != nullptr && hooks.progress)
                hooks.progress(*event);
        }
        if (in.size() > k_answer_limit)
            return no_answer(layout, "said too much");
        const bool waited = readable(fd.get(), deadline, hooks.cancel);
        if (!waited && hooks.cancel != nullptr && hooks.cancel->requested())
            return fail(
                ErrorKind::interrupted,
                fmt::format("interrupted while talking to the supervisor of {}", layout.dir.string()));
        if (!waited)
            return no_answer(layout, "did not answer in time");
        const auto n = ::recv(fd.get(), buffer.data(), buffer.size(), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return no_answer(layout, "hung up");
        in.append(buffer.data(), static_cast<std::size_t>(n));
    }
}

} // namespace conduit::local
