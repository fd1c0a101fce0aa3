// SPDX-License-Identifier: Apache-2.0
#include "agent/control/cluster/leases.hpp"

#include "core/hash.hpp"
#include "core/kube/lease_time.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr Duration k_call{2'000};
constexpr Duration k_forgotten = std::chrono::hours{1};
constexpr const char* k_label = "conduit.dev/control";
const kube::Resource k_leases{.group = "coordination.k8s.io", .plural = "leases"};

template <class T> T number_of(const Json& notes, std::string_view key)
{
    const auto text = json_string_or(notes, key, "0");
    T value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

ReplicaInfo info_of(const Json& lease)
{
    static const Json k_none = Json::object();
    const auto at = [](const Json& json, std::string_view key) -> const Json& {
        const auto* found = json_find(json, key);
        return found == nullptr ? k_none : *found;
    };
    const auto& notes = at(at(lease, "metadata"), "annotations");
    ReplicaInfo info;
    info.name = json_string_or(at(lease, "spec"), "holderIdentity", "");
    info.admin_url = json_string_or(notes, "conduit.dev/admin-url", "");
    info.pid = number_of<std::int64_t>(notes, "conduit.dev/pid");
    info.applied_revision = number_of<std::uint64_t>(notes, "conduit.dev/applied-revision");
    info.version = json_string_or(notes, "conduit.dev/version", "");
    info.seen_at = parse_time(json_string_or(at(lease, "spec"), "renewTime", "")).value_or(WallTime{});
    return info;
}

} // namespace

std::string ReplicaLeases::path_of(const std::string& replica) const
{
    const auto id =
        sha256_hex(group_ + "/" + replica).substr(0, 16); // a name may have what an object's may not
    return kube::resource_path(k_leases, name_space_, "conduit-replica-" + id);
}

Result<> ReplicaLeases::beat(const ReplicaInfo& r)
{
    const auto path = path_of(r.name);
    const Json lease{{"apiVersion", "coordination.k8s.io/v1"},
                     {"kind", "Lease"},
                     {"metadata",
                      {{"name", path.substr(path.rfind('/') + 1)},
                       {"namespace", name_space_},
                       {"labels", {{k_label, group_}, {"app.kubernetes.io/managed-by", "conduit-agent"}}},
                       {"annotations",
                        {{"conduit.dev/admin-url", r.admin_url},
                         {"conduit.dev/pid", std::to_string(r.pid)},
                         {"conduit.dev/applied-revision", std::to_string(r.applied_revision)},
                         {"conduit.dev/version", r.version}}}}},
                     {"spec", {{"holderIdentity", r.name}, {"renewTime", kube::micro_time(clock_.now())}}}};
    const kube::WriteOptions options{.field_manager = "conduit-agent", .force = true};
    TRY(api_.patch(path, kube::PatchType::apply, lease, options, Deadline(k_call)));
    return {};
}

Result<> ReplicaLeases::end(const ReplicaInfo& replica)
{
    const auto path = path_of(replica.name);
    const auto lease = api_.get(path, Deadline(k_call));
    if (!lease && lease.error().kind == ErrorKind::not_found)
        return {};
    if (!lease)
        return lease.error();
    if (info_of(**lease).pid != replica.pid)
        return {};
    const auto* meta = json_find(**lease, "metadata");
    const Json now{{"preconditions", {{"resourceVersion", json_string_or(*meta, "resourceVersion", "")}}}};
    const auto removed = api_.remove(path, now, Deadline(k_call));
    if (!removed && removed.error().kind != ErrorKind::not_found && removed.error().kind != ErrorKind::stale)
        return removed.error();
    return {};
}

Result<std::vector<ReplicaInfo>> ReplicaLeases::alive(Duration seen_within)
{
    std::vector<ReplicaInfo> all;
    std::vector<std::string> forgotten;
    const auto now = clock_.now();
    TRY(api_.list(
        kube::resource_path(k_leases, name_space_),
        {{"labelSelector", fmt::format("{}={}", k_label, group_)}},
        [&](const Json& lease) {
            auto info = info_of(lease);
            if (info.seen_at >= now - seen_within)
                all.push_back(std::move(info));
            else if (info.seen_at < now - k_forgotten)
                forgotten.push_back(info.name);
        },
        [&] { all.clear(); }, Deadline(k_call)));
    for (const auto& name : forgotten) // left behind by what was killed; whoever is first takes them away
        (void)api_.remove(path_of(name), Json::object(), Deadline(k_call)).has_value();
    std::ranges::sort(all, {}, &ReplicaInfo::name);
    return all;
}

} // namespace conduit::agent
