// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/instances.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {

Result<fs::path> local_dir(App& app, const std::string& flag)
{
    if (!flag.empty())
        return fs::absolute(expand_home(flag, app.paths().home.string())).lexically_normal();
    TRY_ASSIGN(const Context* context, app.context());
    if (context->orchestrator != OrchestratorKind::local)
        return fail(ErrorKind::usage, fmt::format("context {} is not a local one", context->name),
                    "Name a local context with -C, or a folder with --dir.");
    return context->dir.empty() ? app.paths().data_dir : context->dir;
}

Json instance_json(const Instance& instance)
{
    Json item{{"name", instance.name},
              {"workload", instance.workload},
              {"state", state_name(instance.state)},
              {"ready", instance.ready},
              {"restarts", instance.restarts},
              {"ref", instance.ref},
              {"admin_url", instance.admin_url},
              {"revision", instance.revision}};
    item["started_at"] = instance.started_at ? Json(format_time(*instance.started_at)) : Json();
    item["last_exit"] = nullptr;
    if (instance.last_exit)
        item["last_exit"] =
            Json{{"code", instance.last_exit->code}, {"at", format_time(instance.last_exit->at)}};
    return item;
}

std::vector<Column> instance_columns()
{
    using enum Column::Format;
    return {{.head = "NAME", .field = "name"},
            {.head = "WORKLOAD", .field = "workload"},
            {.head = "STATE", .field = "state"},
            {.head = "READY", .field = "ready", .format = yes_no},
            {.head = "RESTARTS", .field = "restarts", .format = integer, .align = Column::Align::right},
            {.head = "REF", .field = "ref"},
            {.head = "ADMIN", .field = "admin_url", .wide_only = true},
            {.head = "REVISION", .field = "revision", .wide_only = true},
            {.head = "LAST-EXIT", .field = "last_exit.code", .wide_only = true},
            {.head = "AGE", .field = "started_at", .format = age}};
}

namespace {

// What stands after --workload on the line; "" when nothing does.
std::string workload_among(std::span<const std::string> words)
{
    constexpr std::string_view k_flag = "--workload";
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i].starts_with("--workload="))
            return words[i].substr(k_flag.size() + 1);
        if (words[i] == k_flag && i + 1 < words.size())
            return words[i + 1];
    }
    return {};
}

} // namespace

Completer instance_completer()
{
    return {.key = "instances",
            .fetch = [](App& app, std::span<const std::string> words) -> Result<std::vector<Candidate>> {
                TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
                TRY_ASSIGN(const auto instances,
                           orchestrator->instances(workload_among(words), app.deadline(2s)));
                std::vector<Candidate> result;
                for (const auto& instance : instances)
                    result.push_back({instance.name, std::string(state_name(instance.state))});
                return result;
            },
            .by_words = true};
}

Completer workload_completer()
{
    return {.key = "workloads",
            .fetch = [](App& app, std::span<const std::string>) -> Result<std::vector<Candidate>> {
                TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
                TRY_ASSIGN(const auto workloads, orchestrator->workloads(app.deadline(2s)));
                std::vector<Candidate> result;
                for (const auto& workload : workloads)
                    result.push_back(
                        {workload.name, fmt::format("{}/{} ready", workload.ready, workload.wanted)});
                return result;
            }};
}

} // namespace conduit::commands
