// SPDX-License-Identifier: Apache-2.0
#include "core/kube/discovery.hpp"

#include "core/hash.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <utility>

namespace conduit::kube {
namespace {

constexpr std::size_t k_largest = 16U << 20U;
// Everything in one answer where the server can (1.26 and later), else its plain list.
constexpr auto k_accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
                          "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
                          "application/json";

std::string joined(const std::string& group, const std::string& version)
{
    return group.empty() ? version : group + "/" + version;
}

const Json& list_at(const Json& object, std::string_view key)
{
    static const Json k_none = Json::array();
    const auto* found = json_find(object, key);
    return found != nullptr && found->is_array() ? *found : k_none;
}

std::string text_at(const Json& object, std::string_view key)
{
    return json_string_or(object, key, "");
}

Served kind_at(const Json& kind, bool namespaced)
{
    return {text_at(kind, "group"), text_at(kind, "version"), text_at(kind, "kind"), namespaced};
}

std::pair<std::string, std::string> parts_of(std::string_view group_version)
{
    const auto slash = group_version.find('/');
    if (slash == std::string_view::npos)
        return {"", std::string(group_version)};
    return {std::string(group_version.substr(0, slash)), std::string(group_version.substr(slash + 1))};
}

std::string path_of(std::string_view group_version)
{
    return fmt::format("{}/{}", group_version.contains('/') ? "/apis" : "/api", group_version);
}

} // namespace

// kind APIGroupDiscoveryList: groups with their versions, and these with their resources.
void Discovery::take_aggregated(const Json& list)
{
    for (const auto& group : list_at(list, "items")) {
        const auto* meta = json_find(group, "metadata");
        const auto name = meta == nullptr ? std::string() : text_at(*meta, "name");
        for (const auto& version : list_at(group, "versions")) {
            const auto group_version = joined(name, text_at(version, "version"));
            known_.versions->push_back(group_version);
            if (text_at(version, "freshness") == "Stale") // its server is away: asked for itself when needed
                continue;
            auto& resources = known_.resources[group_version];
            for (const auto& resource : list_at(version, "resources")) {
                const auto plural = text_at(resource, "resource");
                const bool namespaced = text_at(resource, "scope") == "Namespaced";
                if (const auto* kind = json_find(resource, "responseKind"))
                    resources[plural] = kind_at(*kind, namespaced);
                for (const auto& sub : list_at(resource, "subresources"))
                    if (const auto* kind = json_find(sub, "responseKind"))
                        resources[plural + "/" + text_at(sub, "subresource")] = kind_at(*kind, namespaced);
            }
        }
    }
}

Result<> Discovery::ask_versions(Deadline deadline)
{
    known_ = {.versions = std::vector<std::string>{}, .resources = {}, .since = api_.clock().now()};
    from_file_ = false;
    for (const auto* path : {"/api", "/apis"}) {
        const auto answer = api_.ask({.path = path, .accept = k_accept}, deadline);
        auto list = answer ? parse_json(answer->body, {k_largest, 64}) : Result<Json>(answer.error());
        if (!list) {
            known_ = {};
            return std::move(list).error().prefixed("what the API server serves");
        }
        if (text_at(*list, "kind") == "APIGroupDiscoveryList")
            take_aggregated(*list);
        for (const auto& version : list_at(*list, "versions")) // of /api
            if (version.is_string())
                known_.versions->push_back(version.get<std::string>());
        for (const auto& group : list_at(*list, "groups"))
            for (const auto& version : list_at(group, "versions"))
                known_.versions->push_back(text_at(version, "groupVersion"));
    }
    save();
    return {};
}

// Null: the version is not served.
Result<const Discovery::Resources*> Discovery::resources(std::string_view group_version, Deadline deadline)
{
    if (const auto found = known_.resources.find(group_version); found != known_.resources.end())
        return &found->second;
    if (!known_.versions)
        TRY(ask_versions(deadline));
    if (const auto found = known_.resources.find(group_version); found != known_.resources.end())
        return &found->second;
    if (std::ranges::find(*known_.versions, group_version) == known_.versions->end())
        return nullptr;
    auto list = api_.get(path_of(group_version), deadline);
    if (!list && list.error().kind == ErrorKind::not_found)
        return nullptr;
    if (!list)
        return std::move(list).error();
    const auto [group, version] = parts_of(group_version);
    Resources found;
    for (const auto& one : list_at(**list, "resources")) {
        const bool own_kind = !text_at(one, "version").empty(); // else the list's
        found[text_at(one, "name")] = {own_kind ? text_at(one, "group") : group,
                                       own_kind ? text_at(one, "version") : version, text_at(one, "kind"),
                                       json_bool_or(one, "namespaced", true)};
    }
    const auto& kept = known_.resources[std::string(group_version)] = std::move(found);
    save();
    return &kept;
}

Result<std::optional<Served>> Discovery::look(std::string_view group_version, std::string_view name,
                                              Deadline deadline)
{
    TRY_ASSIGN(const auto* all, resources(group_version, deadline));
    if (all == nullptr)
        return std::optional<Served>{};
    const auto found = all->find(name);
    return found == all->end() ? std::optional<Served>{} : std::optional(found->second);
}

Result<std::optional<Resource>> Discovery::first_of(std::span<const std::string_view> group_versions,
                                                    std::string_view plural, Deadline deadline)
{
    for (const auto group_version : group_versions) {
        TRY_ASSIGN(const auto served, look(group_version, plural, deadline));
        const auto [group, version] = parts_of(group_version);
        if (served)
            return std::optional(Resource{.group = group,
                                          .version = version,
                                          .plural = std::string(plural),
                                          .namespaced = served->namespaced});
    }
    return std::optional<Resource>{};
}

bool Discovery::forget()
{
    if (!std::exchange(from_file_, false))
        return false;
    known_ = {};
    return true;
}

Result<std::optional<Served>> Discovery::find(std::string_view group_version, std::string_view name,
                                              Deadline deadline)
{
    const std::lock_guard lock(mutex_);
    load();
    auto found = look(group_version, name, deadline);
    if (found && !*found && forget())
        found = look(group_version, name, deadline);
    return found;
}

Result<Resource> Discovery::prefer(std::span<const std::string_view> group_versions, std::string_view plural,
                                   Deadline deadline)
{
    const std::lock_guard lock(mutex_);
    load();
    auto found = first_of(group_versions, plural, deadline);
    if (found && !*found && forget())
        found = first_of(group_versions, plural, deadline);
    if (!found)
        return std::move(found).error();
    if (*found)
        return **found;
    const std::vector<std::string> asked(group_versions.begin(), group_versions.end());
    return fail(ErrorKind::not_found, fmt::format("the API server at {} serves {} in none of {}",
                                                  api_.transport().server(), plural, join(asked, ", ")));
}

fs::path Discovery::file() const
{
    const auto name = sha256_hex(api_.transport().server()).substr(0, 20);
    return cache_ / fmt::format("discovery-{}.json", name);
}

void Discovery::load()
{
    if (std::exchange(loaded_, true) || cache_.empty())
        return;
    const auto text = read_file(file(), k_largest);
    const auto kept = text ? parse_json(*text) : Result<Json>(text.error());
    if (!kept || text_at(*kept, "server") != api_.transport().server())
        return;
    const auto since = parse_time(text_at(*kept, "since"));
    const auto now = api_.clock().now();
    if (!since || *since > now || now - *since > life_)
        return;
    Known known{.versions = std::vector<std::string>{}, .resources = {}, .since = *since};
    for (const auto& version : list_at(*kept, "versions"))
        if (version.is_string())
            known.versions->push_back(version.get<std::string>());
    const auto* resources = json_find(*kept, "resources");
    if (known.versions->empty() || resources == nullptr || !resources->is_object())
        return;
    for (const auto& [version, list] : resources->items()) {
        auto& of_version = known.resources[version];
        if (list.is_object())
            for (const auto& [name, one] : list.items())
                of_version[name] = kind_at(one, json_bool_or(one, "namespaced", true));
    }
    known_ = std::move(known);
    from_file_ = true;
}

// That nothing can be kept costs a question more, nothing else.
void Discovery::save() const
{
    if (cache_.empty())
        return;
    Json resources = Json::object();
    for (const auto& [version, list] : known_.resources) {
        auto& of_version = resources[version] = Json::object();
        for (const auto& [name, one] : list)
            of_version[name] = Json{{"group", one.group},
                                    {"version", one.version},
                                    {"kind", one.kind},
                                    {"namespaced", one.namespaced}};
    }
    const Json kept{{"server", api_.transport().server()},
                    {"since", format_time(known_.since)},
                    {"versions", *known_.versions},
                    {"resources", std::move(resources)}};
    if (make_dirs(cache_))
        (void)write_file(file(), dump_json(kept)).has_value();
}

} // namespace conduit::kube
