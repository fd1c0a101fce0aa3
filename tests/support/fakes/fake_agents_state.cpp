// SPDX-License-Identifier: Apache-2.0
// The control state of the fake agents: patches as the real store takes them, kept in a file when processes
// share it.
#include "tests/support/fakes/fake_agents.hpp"

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

namespace conduit::test {

void FakeAgents::keep_in(fs::path file)
{
    file_ = std::move(file);
    load();
}

void FakeAgents::load()
{
    const auto text = file_.empty() ? Result<std::string>(std::string()) : read_file(file_);
    if (!text || text->empty())
        return;
    const Json kept = parse_json(*text).value();
    revision = kept["revision"].get<std::uint64_t>();
    overrides.clear();
    for (const auto& [path, o] : kept["overrides"].items()) {
        auto& to = overrides[path];
        to = {o["value"], o["actor"], o["reason"], o["operation"], {}, o["revision"], {}};
        if (const auto set_at = parse_time(json_string_or(o, "set_at", "")))
            to.set_at = *set_at;
        if (const auto until = parse_time(json_string_or(o, "expires_at", "")))
            to.expires_at = *until;
    }
    operations_.clear();
    for (const auto& [operation, at] : kept["operations"].items())
        operations_[operation] = at.get<std::uint64_t>();
}

void FakeAgents::save() const
{
    if (file_.empty())
        return;
    Json items = Json::object();
    for (const auto& [path, o] : overrides)
        items[path] = state_item(path, o);
    const Json kept{{"revision", revision}, {"overrides", items}, {"operations", operations_}};
    if (!write_file(file_, dump_json(kept)))
        std::abort();
}

std::string FakeAgents::dump() const
{
    Json out = Json::object();
    for (const auto& [path, o] : overrides)
        out[path] = {{"value", *o.value}, {"ends", o.expires_at.has_value()}};
    return canonical_json(out);
}

void FakeAgents::expire_due()
{
    std::erase_if(overrides, [&](const auto& item) {
        const bool due = item.second.expires_at && *item.second.expires_at <= clock_.now();
        revision += due ? 1U : 0U;
        return due;
    });
}

Json FakeAgents::state_item(const std::string& path, const Override& o) const
{
    return {{"path", path},
            {"value", *o.value},
            {"actor", o.actor},
            {"reason", o.reason},
            {"operation", o.operation},
            {"set_at", format_time(o.set_at.value_or(clock_.now()))},
            {"expires_at", o.expires_at ? Json(format_time(*o.expires_at)) : Json()},
            {"revision", o.revision}};
}

Result<> FakeAgents::check_patch(const Json& body) const
{
    for (const auto& [path, expected] : body["expect"].items()) {
        const auto found = overrides.find(path);
        const Json now = found == overrides.end() ? Json() : *found->second.value;
        if (now != expected)
            return Error{ErrorKind::stale, path + " was changed meanwhile"}
                .with_detail("path", path)
                .with_detail("actor", found == overrides.end() ? "" : found->second.actor);
    }
    for (const auto& [path, value] : body["set"].items())
        if (effective(path)->is_null())
            return fail(ErrorKind::not_found, "unknown path " + path);
    return {};
}

Result<JsonBox> FakeAgents::patch(const Json& body)
{
    const auto operation = json_string_or(body, "operation", "");
    const auto said = [&](std::uint64_t at, bool changed) {
        auto out = state_json();
        out["revision"] = at;
        out["applied_revision"] = at;
        out["changed"] = changed;
        return JsonBox(std::move(out));
    };
    if (const auto seen = operations_.find(operation); !operation.empty() && seen != operations_.end())
        return said(seen->second, false);
    TRY(check_patch(body));
    ++revision;
    for (const auto& [path, value] : body["set"].items()) {
        Override o{value,
                   json_string_or(body, "actor", ""),
                   json_string_or(body, "reason", ""),
                   operation,
                   {},
                   revision,
                   clock_.now()};
        const auto all = json_number_or(body, "expires_in_ms", 0);
        const auto* each = json_find(body, "expires_each_ms");
        if (const auto ms = each == nullptr ? all : json_number_or(*each, path, all); ms > 0)
            o.expires_at = clock_.now() + Duration{static_cast<std::int64_t>(ms)};
        overrides[path] = o;
    }
    for (const auto& path : body["unset"])
        overrides.erase(path.get<std::string>());
    if (!operation.empty())
        operations_[operation] = revision;
    save();
    if (std::exchange(lose_next_patch_reply, false))
        return fail(ErrorKind::unknown, "no whole answer from http://fake-1/admin/v1/state");
    return said(revision, true);
}

Json FakeAgents::state_json() const
{
    Json items = Json::array();
    for (const auto& [path, o] : overrides)
        items.push_back(state_item(path, o));
    return {{"revision", revision}, {"items", std::move(items)}};
}

} // namespace conduit::test
