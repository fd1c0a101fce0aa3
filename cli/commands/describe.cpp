// SPDX-License-Identifier: Apache-2.0
// `describe`: one workload or one instance, on one screen.
#include "cli/commands/all.hpp"
#include "cli/commands/instances.hpp"
#include "cli/commands/releases.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct DescribeOptions {
    std::string name;
};

std::string text_of(const Json& value)
{
    if (value.is_string())
        return printable(value.get<std::string>());
    return value.is_null() ? "-" : dump_json(value);
}

// "requests cpu 250m, memory 512Mi"
std::string pairs_text(const Json& object)
{
    std::string out;
    for (const auto& [key, value] : object.items())
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", key, text_of(value));
    return out.empty() ? "-" : out;
}

const Json& items_of(const Json& data, std::string_view key)
{
    static const Json k_none = Json::array();
    const auto* found = json_find(data, key);
    return found != nullptr && found->is_array() ? *found : k_none;
}

void add_container(const Json& one, std::string& out)
{
    out +=
        fmt::format("Container {}: {}\n", json_string_or(one, "name", ""), json_string_or(one, "image", ""));
    for (const auto& digest : items_of(one, "digests"))
        out += fmt::format("  runs       {}\n", text_of(digest));
    if (const auto digest = json_string_or(one, "digest", ""); !digest.empty())
        out += fmt::format("  runs       {}\n", digest);
    for (const auto* key : {"state", "last"})
        if (const auto* state = json_find(one, key))
            out += fmt::format("  {:<10} {}\n", key, pairs_text(*state));
    for (const auto* key : {"requests", "limits", "probes"})
        if (const auto* found = json_find(one, key); found != nullptr && !found->empty())
            out += fmt::format("  {:<10} {}\n", key, pairs_text(*found));
    for (const auto& mount : items_of(one, "mounts"))
        out += fmt::format("  mounts     {} {} at {}\n", json_string_or(mount, "from", ""),
                           json_string_or(mount, "name", ""), json_string_or(mount, "path", ""));
}

std::string screen_of(const Json& data)
{
    std::string out;
    for (const auto& [key, value] : data.items())
        if (!value.is_array() && !(value.is_string() && value.get<std::string>().empty()))
            out += fmt::format("{:<18} {}\n", key, value.is_object() ? pairs_text(value) : text_of(value));
    for (const auto& container : items_of(data, "containers"))
        add_container(container, out);
    for (const auto& one : items_of(data, "conditions"))
        out += fmt::format("Condition {}: {} {} {}\n", json_string_or(one, "type", ""),
                           json_string_or(one, "status", ""), json_string_or(one, "reason", ""),
                           json_string_or(one, "message", ""));
    for (const auto& one : items_of(data, "instances"))
        out += fmt::format(
            "Instance {}: {}, {} restarts{}\n", json_string_or(one, "name", ""),
            json_string_or(one, "state", ""), json_number_or(one, "restarts", 0),
            json_string_or(one, "problem", "").empty() ? "" : "; " + json_string_or(one, "problem", ""));
    for (const auto& one : items_of(data, "events"))
        out += fmt::format("Event {} {} {} {} (x{}): {}\n", json_string_or(one, "at", ""),
                           json_string_or(one, "type", ""), json_string_or(one, "object", ""),
                           json_string_or(one, "reason", ""), json_number_or(one, "count", 1),
                           json_string_or(one, "message", ""));
    return out;
}

// Of processes there is less to tell.
Result<JsonBox> described_here(App& app, const std::string& name)
{
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    const auto deadline = app.deadline(k_read_timeout);
    TRY_ASSIGN(const auto workloads, orchestrator->workloads(deadline));
    TRY_ASSIGN(const auto instances, orchestrator->instances("", deadline));
    TRY_ASSIGN(const auto events, orchestrator->events(deadline));
    Json data;
    std::vector<std::string> names;
    Json members = Json::array();
    for (const auto& one : instances) {
        names.push_back(one.name);
        if (one.name == name)
            data = instance_json(one);
        if (one.workload == name)
            members.push_back(instance_json(one));
    }
    for (const auto& one : workloads) {
        names.push_back(one.name);
        if (one.name == name)
            data = {{"name", one.name},
                    {"wanted", one.wanted},
                    {"ready", one.ready},
                    {"running", one.running},
                    {"instances", members}};
    }
    if (data.is_null())
        return fail(ErrorKind::not_found, unknown_name("workload or instance", name, names),
                    "List them: conduitctl ps");
    Json seen = Json::array();
    for (const auto& event : events)
        if (event.object == name || event.object.starts_with(name + "-"))
            seen.push_back({{"at", format_time(event.at)},
                            {"type", "normal"},
                            {"object", event.object},
                            {"reason", event.reason},
                            {"count", 1},
                            {"message", event.message}});
    data["events"] = std::move(seen);
    return JsonBox(std::move(data));
}

Result<Report> describe_run(App& app, const DescribeOptions& o)
{
    TRY_ASSIGN(const Context* context, app.context());
    JsonBox data;
    if (context->orchestrator == OrchestratorKind::local) {
        TRY_ASSIGN(data, described_here(app, o.name));
    } else {
        TRY_ASSIGN(Releases * releases, app.releases());
        TRY_ASSIGN(data, releases->describe(o.name, app.deadline(20s)));
    }
    Report report;
    report.text = screen_of(*data);
    report.data = std::move(data);
    return report;
}

} // namespace

Noun describe()
{
    return standalone<DescribeOptions>(
        Group::instances,
        {.name = "describe",
         .summary = "Show all that is known of a workload or an instance",
         .text = "State and reasons, images with the digests that run, resources, probes, what is mounted by "
                 "name, conditions, autoscaler, disruption budget and recent events. Values of the "
                 "environment are never shown.",
         .examples = {"conduitctl describe agent", "conduitctl describe agent-7d9f8c6b5-x2x7q"},
         .also = also_refused(),
         .covers = {"A-apx-5"},
         .backends = {"orchestrator"}},
        [](Flags& f, DescribeOptions& o) {
            f.arg("NAME", o.name, "A workload or an instance").complete(workload_completer());
        },
        describe_run);
}

} // namespace conduit::commands
