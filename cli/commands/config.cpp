// SPDX-License-Identifier: Apache-2.0
// `config`: the service's configuration, as paths of the control state over the base file.
#include "cli/commands/all.hpp"
#include "cli/commands/support.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct PathOptions {
    std::string path;
};

Result<Report> show(App& app, const PathOptions& o)
{
    Report report;
    if (o.path.empty()) {
        TRY_ASSIGN(report.data, get(app, "/admin/v1/config"));
        report.text = dump_yaml(*report.data);
        return report;
    }
    TRY_ASSIGN(const auto values, read_paths(app, {o.path}));
    const auto& value = values.at(o.path);
    report.data = Json{{"name", o.path}, {"value", *value.effective}, {"override", *value.override_}};
    return report;
}

// YAML's scalars decide the type: 50 is a number, "50" a text, true a boolean.
Result<Json> parse_value(const std::string& text)
{
    TRY_ASSIGN(const auto node, parse_yaml(text, "the value"));
    return node.to_json();
}

struct SetOptions {
    std::string path;
    std::string value;
    ops::ChangeOptions change;
};

ControlChange config_change(std::string verb, const std::string& path)
{
    ControlChange change;
    change.verb = std::move(verb);
    change.scope = split(path, '/').front();
    change.resource = path;
    change.confirm_name = path;
    return change;
}

Result<Report> set(App& app, const SetOptions& o)
{
    TRY_ASSIGN(const auto value, parse_value(o.value));
    TRY(read_paths(app, {o.path}));
    auto change = config_change("config set", o.path);
    change.summary = fmt::format("set {} to {}", o.path, dump_json(value));
    change.fields = {{o.path, value}};
    return change_control(app, std::move(change), o.change);
}

struct UnsetOptions {
    std::string path;
    ops::ChangeOptions change;
};

Result<Report> unset(App& app, const UnsetOptions& o)
{
    TRY(read_paths(app, {o.path}));
    auto change = config_change("config unset", o.path);
    change.summary = "let the base configuration decide " + o.path;
    change.fields = {{o.path, Json()}};
    return change_control(app, std::move(change), o.change);
}

// Epochs count what was done once (pool and circuit resets, cache clears); they configure nothing.
bool is_epoch(std::string_view path)
{
    return path.ends_with("_epoch") || path == "cache/clear" || path == "pool/realtime_drain";
}

// What the run-time overrides make different from the base file.
Result<Report> diff(App& app)
{
    TRY_ASSIGN(const auto state, get(app, "/admin/v1/state"));
    Json items = Json::array();
    for (const auto& item : state->value("items", Json::array()))
        if (!is_epoch(json_string_or(item, "path", "")))
            items.push_back(item);
    auto report = list_report(items, {{.head = "PATH", .field = "path"},
                                      {.head = "VALUE", .field = "value"},
                                      {.head = "BY", .field = "actor"},
                                      {.head = "UNTIL", .field = "expires_at"},
                                      {.head = "REASON", .field = "reason", .wide_only = true},
                                      {.head = "AGE", .field = "set_at", .format = Column::Format::age}});
    report.name_field = "path";
    report.verdict = (*report.data)["items"].empty() ? ErrorKind::ok : ErrorKind::differs;
    return report;
}

struct ApplyOptions {
    std::string file;
    ops::ChangeOptions change;
};

// A YAML map of path: value; all of them in one revision, nothing else is touched.
Result<Report> apply(App& app, const ApplyOptions& o)
{
    TRY_ASSIGN(const auto content, read_file(o.file, 1U << 20U));
    TRY_ASSIGN(const auto document, parse_yaml(content, o.file));
    if (!document.is_map() || document.keys().empty())
        return document.error("a map of path: value is expected");
    ControlChange change;
    for (const auto& path : document.keys())
        change.fields.emplace_back(path, document.get(path).to_json());
    TRY(read_paths(app, document.keys()));
    change.verb = "config apply";
    change.scope = "config";
    change.resource = "config";
    change.confirm_name = "config";
    change.summary = fmt::format("{} settings of {}", change.fields.size(), o.file);
    return change_control(app, std::move(change), o.change);
}

} // namespace

Noun config()
{
    return {
        .name = "config",
        .summary = "The service's configuration and its overrides",
        .group = Group::tool,
        .verbs = {
            verb<PathOptions>(
                {.name = "get",
                 .summary = "Show one setting, or the configuration in effect",
                 .examples = {"conduitctl config get", "conduitctl config get providers/openai/weight"},
                 .backends = {"agent"}},
                [](Flags& f, PathOptions& o) { f.arg("PATH", o.path, "Path of the setting").optional(); },
                show),
            verb<SetOptions>(
                {.name = "set",
                 .summary = "Override one setting at run time",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::exact,
                 .examples = {"conduitctl config set providers/openai/weight 50 --for 1h"},
                 .covers = {"A-prov-weights-1"},
                 .backends = {"agent"}},
                [](Flags& f, SetOptions& o) {
                    f.arg("PATH", o.path, "Path of the setting");
                    f.arg("VALUE", o.value, "Value, as YAML: 50, true, 15m, \"text\"");
                    change_flags(f, o.change);
                },
                set),
            verb<UnsetOptions>(
                {.name = "unset",
                 .summary = "Drop an override; the base file decides again",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::exact,
                 .examples = {"conduitctl config unset providers/openai/weight"},
                 .omitted = {{ErrorKind::rolled_back, "taking an override away cannot fail at a replica"}},
                 .backends = {"agent"}},
                [](Flags& f, UnsetOptions& o) {
                    f.arg("PATH", o.path, "Path of the setting");
                    change_flags(f, o.change);
                },
                unset),
            verb({.name = "diff",
                  .summary = "List what overrides make different from the file",
                  .text = "Exit 14 when there is a difference.",
                  .examples = {"conduitctl config diff"},
                  .also = {ErrorKind::differs},
                  .backends = {"agent"}},
                 diff),
            verb<ApplyOptions>(
                {.name = "apply",
                 .summary = "Override the settings of a file, all at once",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::exact,
                 .examples = {"conduitctl config apply overrides.yaml"},
                 .backends = {"agent"}},
                [](Flags& f, ApplyOptions& o) {
                    f.arg("FILE", o.file, "YAML map of path: value");
                    change_flags(f, o.change);
                },
                apply),
        }};
}

} // namespace conduit::commands
