// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/events.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

std::optional<WallTime> time_at(const Json& object, std::string_view key)
{
    const auto text = json_string_or(object, key, "");
    const auto time = parse_time(text);
    return text.empty() || !time ? std::nullopt : std::optional(*time);
}

bool is_about(const std::string& name, const std::string& object)
{
    return object.empty() || name == object || name.starts_with(object + "-");
}

} // namespace

// lastTimestamp is null in events of the newer form.
ReleaseEvent event_of(const Json& event)
{
    const auto& about = member(event, "involvedObject");
    const auto& series = member(event, "series");
    ReleaseEvent out{.warning = json_string_or(event, "type", "") == "Warning",
                     .kind = json_string_or(about, "kind", ""),
                     .object = json_string_or(about, "name", ""),
                     .reason = printable(json_string_or(event, "reason", "")),
                     .message = printable(trim(json_string_or(event, "message", "")))};
    const auto made = time_at(member(event, "metadata"), "creationTimestamp").value_or(WallTime{});
    const auto single = time_at(event, "eventTime").value_or(made);
    out.first = time_at(event, "firstTimestamp").value_or(single);
    out.last = time_at(series, "lastObservedTime")
                   .value_or(time_at(event, "lastTimestamp").value_or(std::max(out.first, single)));
    out.count = static_cast<std::int64_t>(
        std::max(1.0, json_number_or(series, "count", json_number_or(event, "count", 1))));
    return out;
}

Result<std::vector<ReleaseEvent>> events(WorkloadApi& workloads, const std::string& object, Deadline deadline)
{
    std::vector<ReleaseEvent> out;
    TRY(workloads.api().list(
        kube::resource_path({.plural = "events"}, workloads.name_space()), {},
        [&](const Json& item) {
            if (auto event = event_of(item); is_about(event.object, object))
                out.push_back(std::move(event));
        },
        [&] { out.clear(); }, deadline));
    std::ranges::stable_sort(out, {}, &ReleaseEvent::last);
    return out;
}

} // namespace conduit::kubernetes
