// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/support.hpp"

#include "cli/targets/config_file.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

FromAll sort_answers(std::vector<ReplicaAnswer> answers)
{
    FromAll out;
    for (auto& answer : answers)
        if (answer.body)
            out.bodies.emplace_back(answer.replica.name, *std::move(answer.body));
        else
            out.failed.emplace_back(answer.replica.name, std::move(answer.body).error());
    return out;
}

Result<FromAll> ask_everybody(App& app, const AgentCall& call, Duration timeout)
{
    TRY_ASSIGN(Agents * agents, app.agents());
    const auto deadline = app.deadline(timeout);
    TRY(agents->replicas(deadline));
    auto all = sort_answers(agents->ask_all(call, deadline));
    if (all.bodies.empty() && !all.failed.empty())
        return all.failed.front().second;
    return all;
}

Result<std::vector<Candidate>> fetch_providers(App& app, std::span<const std::string>)
{
    TRY_ASSIGN(const auto body, get(app, "/admin/v1/providers"));
    std::vector<Candidate> out;
    if (const auto* items = json_find(*body, "items"); items != nullptr)
        for (const auto& item : *items)
            out.push_back(
                {json_string_or(item, "name", ""),
                 fmt::format("{}, weight {}", json_bool_or(item, "enabled", true) ? "enabled" : "disabled",
                             json_number_or(item, "weight", 0))});
    return out;
}

Result<std::vector<Candidate>> fetch_instances(App& app, std::span<const std::string>)
{
    TRY_ASSIGN(Agents * agents, app.agents());
    TRY_ASSIGN(const auto replicas, agents->replicas(app.deadline(k_read_timeout)));
    std::vector<Candidate> out;
    for (const auto& replica : replicas)
        out.push_back({replica.name, replica.url});
    return out;
}

Result<std::vector<Candidate>> fetch_operations(App& app, std::span<const std::string>)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(const auto records, operations->journal().operations({.limit = 30}));
    std::vector<Candidate> out;
    for (const auto& record : records)
        out.push_back({record.id, fmt::format("{} {}", record.verdict(), join(record.first().command, " "))});
    return out;
}

Result<std::vector<Candidate>> fetch_keys(App& app, std::span<const std::string>)
{
    TRY_ASSIGN(const auto body, get(app, "/admin/v1/limits"));
    std::vector<Candidate> out;
    if (const auto* keys = json_find(*body, "keys"); keys != nullptr)
        for (const auto& key : *keys)
            out.push_back({json_string_or(key, "id", ""), json_string_or(key, "limit", "")});
    return out;
}

} // namespace

const Completer k_providers{"providers", fetch_providers, true};
const Completer k_instances{"instances", fetch_instances, true};
const Completer k_operations{"operations", fetch_operations, false};
const Completer k_key_ids{"keys", fetch_keys, true};

Result<JsonBox> get(App& app, std::string path, std::multimap<std::string, std::string> query)
{
    TRY_ASSIGN(Agents * agents, app.agents());
    return agents->ask({.path = std::move(path), .query = std::move(query)}, app.deadline(k_read_timeout));
}

Result<JsonBox> post(App& app, std::string path, Json body, Duration timeout)
{
    TRY_ASSIGN(Agents * agents, app.agents());
    return agents->ask({.method = "POST", .path = std::move(path), .body = std::move(body)},
                       app.deadline(timeout));
}

Result<FromAll> get_all(App& app, std::string path, std::multimap<std::string, std::string> query)
{
    return ask_everybody(app, {.path = std::move(path), .query = std::move(query)}, k_read_timeout);
}

Result<FromAll> post_all(App& app, std::string path, Json body, Duration timeout)
{
    return ask_everybody(app, {.method = "POST", .path = std::move(path), .body = std::move(body)}, timeout);
}

Result<std::vector<std::string>> provider_names(App& app)
{
    TRY_ASSIGN(const auto candidates, fetch_providers(app, {}));
    std::vector<std::string> names;
    for (const auto& candidate : candidates)
        names.push_back(candidate.value);
    return names;
}

Result<JsonBox> provider_item(App& app, const std::string& name)
{
    TRY_ASSIGN(const auto body, get(app, "/admin/v1/providers"));
    return item_of(*body, name);
}

Result<JsonBox> item_of(const Json& providers, const std::string& name)
{
    std::vector<std::string> names;
    if (const auto* items = json_find(providers, "items"); items != nullptr)
        for (const auto& item : *items) {
            if (json_string_or(item, "name", "") == name)
                return JsonBox(item);
            names.push_back(json_string_or(item, "name", ""));
        }
    return fail(ErrorKind::not_found, unknown_name("provider", name, names),
                "List them: conduitctl provider ls");
}

Result<std::map<std::string, PathValue>> read_paths(App& app, const std::vector<std::string>& paths)
{
    std::multimap<std::string, std::string> query;
    for (const auto& path : paths)
        query.emplace("path", path);
    TRY_ASSIGN(const auto body, get(app, "/admin/v1/state/effective", query));
    std::map<std::string, PathValue> out;
    const auto* values = json_find(*body, "values");
    const auto* overrides = json_find(*body, "overrides");
    for (const auto& path : paths) {
        const auto* value = values != nullptr ? json_find(*values, path) : nullptr;
        if (value == nullptr)
            return fail(ErrorKind::unknown, fmt::format("the agent does not say what '{}' is", path));
        const auto* over = overrides != nullptr ? json_find(*overrides, path) : nullptr;
        out[path] = {over != nullptr ? *over : Json(), *value};
    }
    return out;
}

void drain_flag(Flags& flags, std::optional<Duration>& drain, std::string_view help)
{
    flags.opt("--drain", drain, help).implies("30s");
}

ops::ChangeOptions waiting_for(ops::ChangeOptions options, const std::optional<Duration>& drain,
                               std::size_t times)
{
    constexpr Duration more{30'000};
    if (drain)
        options.timeout = std::max(
            options.timeout, (*drain + more) * static_cast<std::int64_t>(std::max<std::size_t>(times, 1)));
    return options;
}

Json drain_json(const std::optional<Duration>& drain)
{
    return drain ? Json(format_duration(std::max(*drain, Duration{1}))) : Json();
}

Result<Report> change_control(App& app, ControlChange change, const ops::ChangeOptions& options)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(ops::Target * target,
               operations->target(change.file_fields.empty() ? "agent" : "agent-and-file"));
    ops::Intent intent;
    intent.target = target;
    intent.verb = std::move(change.verb);
    intent.scope = std::move(change.scope);
    intent.summary = change.summary;
    intent.confirm_name = std::move(change.confirm_name);
    intent.tier = change.tier;
    intent.undo = change.reversible ? ops::UndoKind::exact : ops::UndoKind::none;
    intent.lines = std::move(change.lines);
    intent.watch = std::move(change.watch);
    intent.rollback = change.rollback;
    ops::Step step;
    step.resource = std::move(change.resource);
    step.summary = std::move(change.shown);
    step.verify = std::move(change.verify);
    step.undo = std::move(change.undo);
    step.reversible = change.reversible;
    for (auto& [path, value] : change.fields)
        step.fields.push_back({.path = path, .after = std::move(value)});
    intent.steps.push_back(std::move(step));
    if (!change.file_fields.empty()) {
        ops::Step file;
        file.n = 2;
        file.resource = "configuration file";
        file.verify = "every replica has read the file";
        file.undo = "the value before it is put back";
        for (auto& [place, value] : change.file_fields)
            file.fields.push_back({.path = std::string(k_file_field) + place, .after = std::move(value)});
        intent.steps.push_back(std::move(file));
    }
    return operations->change(intent, options);
}

Report list_report(Json items, std::vector<Column> columns)
{
    Report report;
    report.data = Json{{"items", std::move(items)}};
    report.columns = std::move(columns);
    return report;
}

} // namespace conduit::commands
