// SPDX-License-Identifier: Apache-2.0
// The control state itself: read, effective values, the one general write, history.
#include "agent/admin/call.hpp"
#include "agent/control/last_state.hpp"
#include "core/text.hpp"

#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

AdminResponse with_etag(AdminResponse response, std::uint64_t revision)
{
    response.headers.emplace_back("ETag", fmt::format("\"{}\"", revision));
    return response;
}

Result<AdminResponse> state(AdminServices&, const Call& call)
{
    return with_etag(json_response(state_json(call.snapshot->state)), call.snapshot->revision);
}

Result<AdminResponse> effective(AdminServices&, const Call& call)
{
    Json values = Json::object();
    Json overrides = Json::object();
    const auto [first, last] = call.query.equal_range("path");
    if (first == last)
        return fail(ErrorKind::usage, "no path was named", "Add ?path=providers/NAME/weight.");
    for (auto it = first; it != last; ++it) {
        TRY_ASSIGN(values[it->second], effective_value(*call.snapshot, it->second));
        const auto found = call.snapshot->state.overrides.find(it->second);
        overrides[it->second] = found == call.snapshot->state.overrides.end() ? Json() : *found->second.value;
    }
    return with_etag(json_response({{"revision", call.snapshot->revision},
                                    {"values", std::move(values)},
                                    {"overrides", std::move(overrides)}}),
                     call.snapshot->revision);
}

Result<std::uint64_t> parse_etag(std::string_view text)
{
    auto digits = trim(text);
    if (digits.size() >= 2 && digits.front() == '"' && digits.back() == '"')
        digits = digits.substr(1, digits.size() - 2);
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || ec != std::errc{} || end != digits.data() + digits.size())
        return fail(ErrorKind::usage, fmt::format("If-Match must be a revision, not {}", printable(text)),
                    "Send the ETag of GET /admin/v1/state, for example If-Match: \"42\".");
    return value;
}

Result<std::optional<std::uint64_t>> whole_number(const Json& body, std::string_view key)
{
    const auto* value = json_find(body, key);
    if (value == nullptr || value->is_null())
        return std::nullopt;
    if (!value->is_number_unsigned())
        return fail(ErrorKind::usage, fmt::format("body.{}: a number of 0 or more is expected", key));
    return value->get<std::uint64_t>();
}

// A number too large for the clock stays too large for the store, which refuses it.
Duration bounded(std::uint64_t milliseconds)
{
    constexpr std::uint64_t longest = 366ULL * 24 * 3600 * 1000;
    return Duration(static_cast<std::int64_t>(std::min(milliseconds, longest)));
}

Result<StatePatch> read_patch(const Call& call)
{
    const auto& body = *call.body;
    StatePatch patch;
    if (const auto* set = json_find(body, "set"); set != nullptr)
        for (const auto& [path, value] : set->items())
            patch.set[path] = value;
    if (const auto* unset = json_find(body, "unset"); unset != nullptr)
        patch.unset = unset->get<std::vector<std::string>>();
    if (const auto* expect = json_find(body, "expect"); expect != nullptr)
        for (const auto& [path, value] : expect->items())
            patch.expect[path] = value;
    patch.actor = json_string_or(body, "actor", "");
    if (patch.actor.empty())
        patch.actor = call.actor;
    patch.reason = json_string_or(body, "reason", "");
    patch.operation = json_string_or(body, "operation", "");
    TRY_ASSIGN(patch.fence, whole_number(body, "fence"));
    patch.fence_scope = json_string_or(body, "fence_scope", "");
    TRY_ASSIGN(const auto expires_in, whole_number(body, "expires_in_ms"));
    if (expires_in)
        patch.expires_in = bounded(*expires_in);
    if (const auto* each = json_find(body, "expires_each_ms"); each != nullptr)
        for (const auto& [path, _] : each->items()) {
            TRY_ASSIGN(const auto lasting, whole_number(*each, path));
            if (lasting)
                patch.expires_each[path] = bounded(*lasting);
        }
    if (const auto match = call.request.header("if-match"); !match.empty()) {
        TRY_ASSIGN(patch.if_revision, parse_etag(match));
    }
    return patch;
}

Result<AdminResponse> patch_state(AdminServices& services, const Call& call)
{
    TRY_ASSIGN(auto patch, read_patch(call));
    TRY_ASSIGN(const auto after,
               services.controller.patch(std::move(patch), json_bool_or(*call.body, "force", false)));
    auto body = state_json(after);
    body["applied_revision"] = services.controller.status().applied_revision;
    body["changed"] = after.changed;
    return with_etag(json_response(body), after.revision);
}

Result<AdminResponse> history(AdminServices& services, const Call& call)
{
    TRY_ASSIGN(const auto limit, call.number("limit", 100, 10'000));
    TRY_ASSIGN(const auto entries, services.controller.store().history(limit, call.text("operation")));
    Json items = Json::array();
    for (const auto& entry : entries)
        items.push_back({{"revision", entry.revision},
                         {"time", format_time(entry.time)},
                         {"actor", entry.actor},
                         {"reason", entry.reason},
                         {"operation", entry.operation},
                         {"kind", entry.kind},
                         {"changes", *entry.changes}});
    return json_response({{"items", std::move(items)}});
}

constexpr std::array k_routes{
    Route{"GET", "/admin/v1/state", Scope::viewer, "Every override", "", "", "State", state},
    Route{"GET", "/admin/v1/state/effective", Scope::viewer, "Effective values of the named paths",
          "path:string", "", "Effective", effective},
    Route{"PATCH", "/admin/v1/state", Scope::operator_,
          "Set and unset overrides, all or none, if what is expected still holds", "", "Patch", "Patched",
          patch_state},
    Route{"GET", "/admin/v1/history", Scope::viewer, "Changes of the control state, newest first",
          "limit:integer, operation:string", "", "History", history},
};

} // namespace

std::span<const Route> state_routes()
{
    return k_routes;
}

} // namespace conduit::agent
