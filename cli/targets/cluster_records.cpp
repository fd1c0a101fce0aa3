// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/cluster_records.hpp"

#include "cli/ops/journal_file.hpp"
#include "core/kube/lease_time.hpp"
#include "core/text.hpp"
#include "core/url.hpp"

#include <algorithm>
#include <chrono>
#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>
#include <vector>

namespace conduit {
namespace {

constexpr Duration k_call{5'000};
constexpr Duration k_beat{30'000};
constexpr std::size_t k_kept = 200;
constexpr auto k_life = std::chrono::hours{24 * 30};
constexpr std::string_view k_kind = "conduit.dev/record";
constexpr std::string_view k_reversal_label = "conduit.dev/reversal";
constexpr std::string_view k_reversal = "reversal.json";
const kube::Resource k_maps{.plural = "configmaps"};
const kube::Resource k_leases{.group = "coordination.k8s.io", .plural = "leases"};
const std::string k_lease = "conduit-reversals";

std::string map_name(const std::string& operation)
{
    return "conduit-op-" + to_lower(operation);
}

bool begun(ops::Phase phase)
{
    using enum ops::Phase;
    return phase != plan && phase != refused && phase != dry_run && phase != torn;
}

// Of any host's clock and sequence; the line says both again.
std::string key_of(const ops::Entry& entry)
{
    return fmt::format("{}.{}.{}", entry.time.time_since_epoch().count(), entry.seq,
                       ops::phase_name(entry.phase));
}

const Json& part(const Json& object, std::string_view key)
{
    static const Json k_none = Json::object();
    const auto* found = json_find(object, key);
    return found != nullptr && found->is_object() ? *found : k_none;
}

bool labelled(const Json& map, std::string_view label)
{
    return json_find(part(part(map, "metadata"), "labels"), label) != nullptr;
}

Result<> each_record(const ClusterRecords::Place& place, std::string_view label,
                     const std::function<void(const Json& map)>& take, const std::function<void()>& restart)
{
    TRY(place.api->list(
        kube::resource_path(k_maps, place.name_space), {{"labelSelector", std::string(label)}},
        [&](const Json& map) {
            if (labelled(map, label))
                take(map);
        },
        restart, Deadline(k_call)));
    return {};
}

// In a list, whose answer tells the server's time even where there is no lease yet.
Result<kube::Answer> ask_lease(const ClusterRecords::Place& place)
{
    const kube::Query query{{"fieldSelector", "metadata.name=" + k_lease}};
    const auto path = kube::resource_path(k_leases, place.name_space) + "?" + query_string(query);
    return place.api->ask({.path = path}, Deadline(k_call));
}

} // namespace

Result<> ClusterRecords::put(const std::string& operation, const Json& patch)
{
    TRY_ASSIGN(const auto place, reach_());
    const auto path = kube::resource_path(k_maps, place.name_space, map_name(operation));
    kube::WriteOptions options;
    auto written = place.api->patch(path, kube::PatchType::merge, patch, options, Deadline(k_call));
    if (written)
        return {};
    if (written.error().kind != ErrorKind::not_found)
        return std::move(written).error();
    Json whole = patch;
    whole["apiVersion"] = "v1";
    whole["kind"] = "ConfigMap";
    whole["metadata"]["name"] = map_name(operation);
    whole["metadata"]["labels"][k_kind] = "operation";
    whole["metadata"]["labels"]["app.kubernetes.io/managed-by"] = "conduitctl";
    TRY(place.api->create(kube::resource_path(k_maps, place.name_space), whole, options, Deadline(k_call)));
    return {};
}

Result<> ClusterRecords::append(const ops::Entry& entry, std::string_view line)
{
    if (!begun(entry.phase))
        return {};
    if (given_up_)
        return *given_up_;
    auto written = put(entry.id, Json{{"data", {{key_of(entry), line}}}});
    if (!written)
        given_up_ = written.error();
    else if (entry.phase == ops::Phase::end && entry.id.ends_with('0')) // one operation in 32
        (void)prune().has_value();
    return written;
}

Result<std::vector<ops::Entry>> ClusterRecords::read(std::string_view id_prefix, std::size_t limit)
{
    TRY_ASSIGN(const auto place, reach_());
    const auto wanted = map_name(std::string(id_prefix));
    std::vector<ops::Entry> found;
    TRY(each_record(
        place, k_kind,
        [&](const Json& map) {
            const auto name = json_string_or(part(map, "metadata"), "name", "");
            if (!name.starts_with(wanted))
                return;
            for (const auto& [key, text] : part(map, "data").items()) {
                if (key == k_reversal || !text.is_string())
                    continue;
                auto line = ops::journal_file::read_line(text.get_ref<const std::string&>());
                // Whoever may write ConfigMaps may write here: an entry that is not of its operation is none.
                if (line && line->hash_ok && map_name(line->entry.id) == name)
                    found.push_back(std::move(line->entry));
            }
        },
        [&] { found.clear(); }));
    std::ranges::sort(found, {}, [](const ops::Entry& e) { return std::tuple(e.time, e.seq); });
    if (found.size() > limit)
        found.erase(found.begin(), found.end() - static_cast<std::ptrdiff_t>(limit));
    return found;
}

Result<> ClusterRecords::add(const ops::Reversal& reversal)
{
    auto written =
        put(reversal.operation, Json{{"metadata", {{"labels", {{k_reversal_label, reversal.state}}}}},
                                     {"data", {{k_reversal, ops::write_reversal(reversal)}}}});
    if (!written)
        return Error(std::move(written).error()).prefixed("the reversal cannot be recorded");
    return {};
}

Result<> ClusterRecords::remove(const std::string& operation)
{
    TRY_ASSIGN(const auto place, reach_());
    const auto path = kube::resource_path(k_maps, place.name_space, map_name(operation));
    const auto now = place.api->get(path, Deadline(k_call));
    if (!now)
        return now.error().kind == ErrorKind::not_found ? Result<>() : Result<>(now.error());
    if (!labelled(**now, k_reversal_label))
        return {};
    TRY(place.api->patch(
        path, kube::PatchType::merge,
        Json{{"metadata", {{"labels", {{k_reversal_label, nullptr}}}}}, {"data", {{k_reversal, nullptr}}}},
        {}, Deadline(k_call)));
    return {};
}

Result<std::vector<ops::Reversal>> ClusterRecords::list()
{
    TRY_ASSIGN(const auto place, reach_());
    std::vector<ops::Reversal> found;
    TRY(each_record(
        place, k_reversal_label,
        [&](const Json& map) {
            auto one = ops::read_reversal(json_string_or(part(map, "data"), k_reversal, ""));
            const auto name = json_string_or(part(map, "metadata"), "name", "");
            const bool own = one && map_name(one->operation) == name;
            if (own)
                found.push_back(*std::move(one));
            else
                found.push_back(ops::damaged_reversal(
                    name, one ? Error{ErrorKind::failed, "it names another operation"} : one.error()));
        },
        [&] { found.clear(); }));
    ops::sort_reversals(found);
    return found;
}

bool ClusterRecords::answered()
{
    const auto place = reach_();
    if (!place)
        return false;
    const auto answer = ask_lease(*place);
    const auto document = answer ? parse_json(answer->body) : Result<Json>(answer.error());
    const auto* items = document ? json_find(*document, "items") : nullptr;
    if (items == nullptr || !items->is_array() || items->empty())
        return false;
    const auto at = parse_time(json_string_or(part(items->front(), "spec"), "renewTime", ""));
    const auto now = place->api->clock().now();
    return at && now + kube::clock_ahead(*answer, now) - *at <= ops::k_reversal_heartbeat;
}

Result<> ClusterRecords::beat()
{
    TRY_ASSIGN(const auto place, reach_());
    auto& clock = place.api->clock();
    if (beaten_ && clock.steady() - *beaten_ < k_beat)
        return {};
    TRY_ASSIGN(const auto answer, ask_lease(place));
    const auto now = clock.now() + kube::clock_ahead(answer, clock.now());
    const Json lease{{"apiVersion", "coordination.k8s.io/v1"},
                     {"kind", "Lease"},
                     {"metadata", {{"name", k_lease}}},
                     {"spec", {{"holderIdentity", "reversals serve"}, {"renewTime", kube::micro_time(now)}}}};
    TRY(place.api->patch(kube::resource_path(k_leases, place.name_space, k_lease), kube::PatchType::apply,
                         lease, {.field_manager = "conduitctl-reversals", .force = true}, Deadline(k_call)));
    beaten_ = clock.steady();
    return {};
}

Result<> ClusterRecords::prune()
{
    TRY_ASSIGN(const auto place, reach_());
    std::vector<std::pair<std::string, std::string>> ended; // when it was made, name
    TRY(each_record(
        place, k_kind,
        [&](const Json& map) {
            const auto& meta = part(map, "metadata");
            if (!labelled(map, k_reversal_label))
                ended.emplace_back(json_string_or(meta, "creationTimestamp", ""),
                                   json_string_or(meta, "name", ""));
        },
        [&] { ended.clear(); }));
    std::ranges::sort(ended, std::greater{});
    const auto oldest = format_time(place.api->clock().now() - k_life);
    for (std::size_t i = 0; i < ended.size(); ++i)
        if (i >= k_kept || ended[i].first < oldest)
            TRY(place.api->remove(kube::resource_path(k_maps, place.name_space, ended[i].second),
                                  Json::object(), Deadline(k_call)));
    return {};
}

} // namespace conduit
