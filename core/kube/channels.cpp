// SPDX-License-Identifier: Apache-2.0
#include "core/kube/channels.hpp"

#include "core/json.hpp"
#include "core/kube/api.hpp"
#include "core/text.hpp"
#include "core/url.hpp"

#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kube {
namespace {

constexpr JsonLimits k_status_limits{1U << 20U, 32};
constexpr std::size_t k_max_error = 4096;
constexpr int k_max_code = 255;

std::optional<int> exit_code_of(const Json& status)
{
    const auto* details = json_find(status, "details");
    const auto* causes = details != nullptr ? json_find(*details, "causes") : nullptr;
    if (causes == nullptr || !causes->is_array())
        return std::nullopt;
    for (const auto& cause : *causes) {
        if (json_string_or(cause, "reason", "") != "ExitCode")
            continue;
        const auto text = json_string_or(cause, "message", "");
        int code = 0;
        const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), code);
        if (ec == std::errc{} && end == text.data() + text.size() && code >= 0 && code <= k_max_code)
            return code;
    }
    return std::nullopt;
}

} // namespace

std::string channel_frame(ExecChannel channel, std::string_view bytes)
{
    std::string frame;
    frame.reserve(bytes.size() + 1);
    frame += static_cast<char>(channel);
    frame += bytes;
    return frame;
}

std::string resize_frame(TerminalSize size)
{
    return channel_frame(ExecChannel::resize,
                         fmt::format("{{\"Width\":{},\"Height\":{}}}", size.columns, size.rows));
}

std::string close_frame(ExecChannel channel)
{
    return {static_cast<char>(ExecChannel::close), static_cast<char>(channel)};
}

Result<std::optional<ExecFrame>> parse_exec_frame(std::string_view message)
{
    if (message.empty())
        return std::optional<ExecFrame>{};
    const auto number = static_cast<std::uint8_t>(message.front());
    const auto channel = static_cast<ExecChannel>(number);
    switch (channel) {
    case ExecChannel::out:
    case ExecChannel::err:
    case ExecChannel::status:
        if (message.size() == 1) // how a server opens a channel
            return std::optional<ExecFrame>{};
        return std::optional(ExecFrame{channel, message.substr(1)});
    case ExecChannel::close:
        return std::optional<ExecFrame>{};
    default:
        return fail(ErrorKind::unknown, fmt::format("the API server sent on channel {}", number));
    }
}

Result<RemoteEnd> parse_exec_status(std::string_view document)
{
    const auto status = parse_json(document, k_status_limits);
    if (!status || json_string_or(*status, "status", "").empty())
        return fail(ErrorKind::unknown, "the API server ended the command without saying how");
    if (json_string_or(*status, "status", "") == "Success")
        return RemoteEnd{0};
    if (json_string_or(*status, "reason", "") == "NonZeroExitCode")
        if (const auto code = exit_code_of(*status))
            return RemoteEnd{*code};
    auto message = printable(trim(json_string_or(*status, "message", "")));
    if (message.empty())
        return fail(ErrorKind::unknown, "the command failed, and the API server did not say how");
    return fail(ErrorKind::failed, fmt::format("the command could not be run: {}", message));
}

Result<std::string_view> PortFrames::behind_port(Head& head, std::string_view bytes) const
{
    while (head.bytes.size() < 2 && !bytes.empty()) {
        head.bytes += bytes.front();
        bytes.remove_prefix(1);
        if (head.bytes.size() < 2)
            continue;
        const auto low = static_cast<std::uint8_t>(head.bytes[0]);
        const auto high = static_cast<std::uint8_t>(head.bytes[1]);
        if (const int port = low + (high * 256); port != port_)
            return fail(ErrorKind::unknown,
                        fmt::format("the API server answered for port {}, not {}", port, port_));
    }
    return bytes;
}

Result<std::string_view> PortFrames::feed(std::string_view message)
{
    if (message.empty())
        return std::string_view{};
    const auto channel = static_cast<std::uint8_t>(message.front());
    if (channel > 1)
        return fail(ErrorKind::unknown, fmt::format("the API server sent on channel {}", channel));
    TRY_ASSIGN(const auto bytes, behind_port(channel == 0 ? data_ : errors_, message.substr(1)));
    if (channel == 0)
        return bytes;
    if (error_.size() < k_max_error)
        error_ += printable(trim(bytes.substr(0, k_max_error)));
    return std::string_view{};
}

std::string port_frame(std::string_view bytes)
{
    return channel_frame(ExecChannel::in, bytes);
}

std::string exec_path(const ExecCall& call, bool in, bool err)
{
    auto path = resource_path({.plural = "pods"}, call.name_space, call.pod, "exec");
    path += fmt::format("?stdout=true&stdin={}&stderr={}&tty={}", in, err && !call.tty, call.tty);
    if (!call.container.empty())
        path += "&container=" + percent_encode(call.container);
    for (const auto& word : call.command) // in their order: no map
        path += "&command=" + percent_encode(word);
    return path;
}

std::string port_path(const PortCall& call)
{
    return resource_path({.plural = "pods"}, call.name_space, call.pod, "portforward") +
           fmt::format("?ports={}", call.port);
}

} // namespace conduit::kube
