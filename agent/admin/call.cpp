// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/call.hpp"

#include "core/text.hpp"

#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

int http_status(ErrorKind kind)
{
    switch (kind) {
    case ErrorKind::usage:
        return 400;
    case ErrorKind::auth:
        return 401;
    case ErrorKind::not_found:
        return 404;
    case ErrorKind::refused:
        return 409;
    case ErrorKind::stale:
        return 412;
    case ErrorKind::unreachable:
        return 503;
    default:
        return 500;
    }
}

// Details travel as texts; what is JSON inside is shown as JSON.
Json detail_json(const std::string& key, const std::string& value)
{
    if (key == "revision" || key == "expected" || key == "found" || key == "fence")
        if (auto parsed = parse_json(value))
            return *std::move(parsed);
    return value;
}

} // namespace

std::string Call::text(const std::string& name, const std::string& otherwise) const
{
    const auto it = query.find(name);
    return it == query.end() ? otherwise : it->second;
}

Result<std::size_t> Call::number(const std::string& name, std::size_t otherwise, std::size_t most) const
{
    const auto it = query.find(name);
    if (it == query.end())
        return otherwise;
    std::size_t value = 0;
    const auto& digits = it->second;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || ec != std::errc{} || end != digits.data() + digits.size() || value == 0 ||
        value > most)
        return fail(ErrorKind::usage,
                    fmt::format("'{}' must be from 1 to {}, not '{}'", name, most, printable(digits)));
    return value;
}

AdminResponse json_response(const Json& body, int status)
{
    AdminResponse response;
    response.status = status;
    response.body = dump_json(body) + "\n";
    return response;
}

AdminResponse error_response(const Error& error)
{
    const int status = http_status(error.kind);
    Json details = Json::object();
    for (const auto& [key, value] : error.details)
        details[key] = detail_json(key, value);
    if (!error.cause.empty())
        details["cause"] = error.cause;
    const auto code = status == 500 ? std::string_view("internal") : kind_name(error.kind);
    return json_response({{"error",
                           {{"code", code},
                            {"message", error.message},
                            {"hint", error.hint},
                            {"details", std::move(details)}}}},
                         status);
}

Json control_json(const ControlStatus& status)
{
    return {{"revision", status.revision},
            {"applied_revision", status.applied_revision},
            {"store_ok", status.store_ok},
            {"store_error", status.store_error},
            {"store_age_ms", status.store_age.count()},
            {"from_disk", status.from_disk},
            {"skipped", status.skipped}};
}

Result<const ProviderConfig*> known_provider(const Call& call)
{
    const auto name = call.param("provider");
    if (const auto* provider = find_provider(call.snapshot->config, name); provider != nullptr)
        return provider;
    std::vector<std::string> names;
    for (const auto& provider : call.snapshot->config.providers)
        names.push_back(provider.name);
    return fail(ErrorKind::not_found, unknown_name("provider", printable(name), names));
}

Result<Json> change(AdminServices& services, const Call& call, std::map<std::string, JsonBox> set,
                    std::vector<std::string> unset)
{
    StatePatch patch;
    patch.set = std::move(set);
    patch.unset = std::move(unset);
    patch.actor = call.actor;
    patch.reason = json_string_or(*call.body, "reason", call.text("reason"));
    const auto lasting = json_string_or(*call.body, "for", call.text("for"));
    if (!lasting.empty()) {
        TRY_ASSIGN(patch.expires_in, parse_duration(lasting));
    }
    const bool force = json_bool_or(*call.body, "force", call.text("force") == "true");
    TRY_ASSIGN(const auto state, services.controller.patch(std::move(patch), force));
    return Json{{"ok", true},
                {"revision", state.revision},
                {"applied_revision", services.controller.status().applied_revision},
                {"changed", state.changed}};
}

} // namespace conduit::agent
