// SPDX-License-Identifier: Apache-2.0
// `config`: the service's configuration. Paths with a slash are the agents' control state over their base
// file; everything else are keys of ConfigMaps, where the context is a cluster
// (cli/commands/config_maps.hpp).
#include "cli/commands/all.hpp"
#include "cli/commands/config_maps.hpp"
#include "cli/commands/support.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

// "providers/openai/weight" is the agents'; a ConfigMap's key has no slash, its value may.
bool is_agent_path(const std::string& word)
{
    return word.substr(0, word.find('=')).contains('/');
}

struct PathOptions {
    std::string path;
    std::string map;
};

Result<Report> show(App& app, const PathOptions& o)
{
    TRY_ASSIGN(const bool maps, keeps_maps(app));
    if (!o.map.empty() || (maps && !is_agent_path(o.path)))
        return get_maps(app, o.path, o.map);
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

struct EditOptions {
    std::vector<std::string> words;
    std::string map;
    bool create = false;
    RestartFlags restart;
    ops::ChangeOptions change;
};

MapEdit map_edit(const EditOptions& o)
{
    return {.words = o.words, .map = o.map, .create = o.create, .restart = o.restart, .change = o.change};
}

ControlChange config_change(std::string verb, const std::string& path)
{
    ControlChange change;
    change.verb = std::move(verb);
    change.scope = split(path, '/').front();
    change.resource = path;
    change.confirm_name = path;
    return change;
}

Error no_setting()
{
    return {ErrorKind::usage, "SETTING is missing", "See: conduitctl config set --help"};
}

Result<Report> set(App& app, const EditOptions& o)
{
    if (o.words.empty())
        return no_setting();
    const auto& path = o.words.front();
    if (!is_agent_path(path))
        return set_maps(app, map_edit(o));
    if (o.words.size() != 2)
        return fail(ErrorKind::usage, fmt::format("{} takes one value", path),
                    fmt::format("Write it as: conduitctl config set {} VALUE", path));
    TRY_ASSIGN(const auto value, parse_value(o.words[1]));
    TRY(read_paths(app, {path}));
    auto change = config_change("config set", path);
    change.summary = fmt::format("set {} to {}", path, dump_json(value));
    change.fields = {{path, value}};
    return change_control(app, std::move(change), o.change);
}

Result<Report> unset(App& app, const EditOptions& o)
{
    if (o.words.empty())
        return no_setting();
    const auto& path = o.words.front();
    if (!is_agent_path(path))
        return unset_maps(app, map_edit(o));
    if (o.words.size() != 1)
        return fail(ErrorKind::usage, "one path at a time",
                    fmt::format("Write it as: conduitctl config unset {}", path));
    TRY(read_paths(app, {path}));
    auto change = config_change("config unset", path);
    change.summary = "let the base configuration decide " + path;
    change.fields = {{path, Json()}};
    return change_control(app, std::move(change), o.change);
}

// Epochs count what was done once (pool and circuit resets, cache clears); they configure nothing.
bool is_epoch(std::string_view path)
{
    return path.ends_with("_epoch") || path == "cache/clear" || path == "pool/realtime_drain";
}

struct FileOptions {
    std::string file;
    std::string option; // the same, as -f
    std::vector<std::string> maps;
    std::string selector;
};

struct ApplyOptions : FileOptions {
    bool overwrite = false;
    RestartFlags restart;
    ops::ChangeOptions change;
};

Result<MapFile> map_file(const FileOptions& o)
{
    if (!o.file.empty() && !o.option.empty())
        return fail(ErrorKind::usage, "one file at a time", "Name it once, as FILE or with -f FILE.");
    return MapFile{.file = o.file.empty() ? o.option : o.file,
                   .maps = o.maps,
                   .selector = o.selector,
                   .overwrite = false,
                   .restart = {},
                   .change = {}};
}

// Without a file: what the run-time overrides make different from the base file.
Result<Report> diff(App& app, const FileOptions& o)
{
    TRY_ASSIGN(const auto file, map_file(o));
    if (!file.file.empty())
        return diff_maps(app, file);
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

// ConfigMaps, or a YAML map of path: value of the agents; these in one revision, nothing else is touched.
Result<Report> apply(App& app, const ApplyOptions& o)
{
    TRY_ASSIGN(auto file, map_file(o));
    file.overwrite = o.overwrite;
    file.restart = o.restart;
    file.change = o.change;
    if (file.file.empty())
        return fail(ErrorKind::usage, "no file is named", "Write it as: conduitctl config apply FILE");
    TRY_ASSIGN(const bool maps, holds_maps(file.file));
    if (maps || !o.maps.empty())
        return apply_maps(app, file);
    TRY_ASSIGN(const auto content, read_file(file.file, 1U << 20U));
    TRY_ASSIGN(const auto document, parse_yaml(content, file.file));
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
    change.summary = fmt::format("{} settings of {}", change.fields.size(), file.file);
    return change_control(app, std::move(change), o.change);
}

void edit_flags(Flags& f, EditOptions& o)
{
    f.opt("--map", o.map, "The ConfigMap, where several have the key").value("NAME");
    restart_flags(f, o.restart);
    change_flags(f, o.change);
}

void file_flags(Flags& f, FileOptions& o)
{
    f.opt("--file,-f", o.option, "ConfigMaps as YAML or JSON, or the text of one key").value("FILE");
    f.opt("--map", o.maps, "Only this ConfigMap; may be given again").value("NAME");
    f.opt("--selector", o.selector, "Only ConfigMaps of the file with these labels").value("LABEL=VALUE");
}

constexpr auto k_set_text =
    "Two forms. KEY=VALUE writes keys of a ConfigMap, in a context of a cluster; KEY:a.b=VALUE writes one "
    "value "
    "within a key whose text is YAML, JSON, .env or .properties, where it stands. PATH VALUE overrides a "
    "setting of the agents at run time.\n\n"
    "Who reads a ConfigMap as environment or by subPath has the old value until it is started anew. Without "
    "--restart the verdict is then unverified (11) and says who that is; with it these are replaced one "
    "after "
    "the other, and the verdict is about them. Files of a mounted ConfigMap follow by themselves within "
    "about "
    "two minutes.";

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
                 .text =
                     "In a context of a cluster the keys of its ConfigMaps, and of one key also where the "
                     "workloads' environment has it. What looks like a secret is hidden. A path with a slash "
                     "is "
                     "a setting of the agents.",
                 .examples = {"conduitctl config get", "conduitctl config get TTS_CACHE_TTL",
                              "conduitctl config get --map redis-config",
                              "conduitctl config get providers/openai/weight"},
                 .covers = {"C-rb-cache-4", "C-tune-cache-1", "C-env-2", "C-env-3", "C-env-4", "C-env-5",
                            "C-env-6", "C-env-7", "C-env-8"},
                 .backends = {"agent", "kubernetes"}},
                [](Flags& f, PathOptions& o) {
                    f.arg("PATH", o.path, "Key of a ConfigMap, or path of the agents' setting").optional();
                    f.opt("--map", o.map, "Only this ConfigMap").value("NAME");
                },
                show),
            verb<EditOptions>(
                {.name = "set",
                 .summary = "Write settings, or override one at run time",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::exact,
                 .text = k_set_text,
                 .examples = {"conduitctl config set providers/openai/weight 50 --for 1h",
                              "conduitctl config set TTS_CACHE_TTL=7200 --restart",
                              "conduitctl config set --map conduit-audio-config "
                              "audio.yaml:AudioService.Providers.OpenAI.Enabled=false --restart-files"},
                 .covers = {"A-prov-weights-1", "A-prov-disable-1", "A-tune-timeout-1", "A-tune-timeout-2",
                            "A-tune-batch-1", "A-tune-batch-2", "C-tune-cache-2", "C-tune-cache-3",
                            "C-tune-cache-4", "C-tune-cache-5", "C-tune-cache-6", "C-tune-tts-1",
                            "C-tune-tts-2", "C-tune-tts-3", "C-tune-tts-4", "A-ts-lat-10"},
                 .backends = {"agent", "kubernetes"}},
                [](Flags& f, EditOptions& o) {
                    f.rest("SETTING", o.words,
                           "KEY=VALUE, or PATH VALUE; value as YAML: 50, true, 15m, \"text\"");
                    f.flag("--create", o.create, "Make the ConfigMap when it is not there");
                    edit_flags(f, o);
                },
                set),
            verb<EditOptions>(
                {.name = "unset",
                 .summary = "Take out keys, or drop an override",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::exact,
                 .text = "Of a PATH of the agents the override goes, and the base file decides again.",
                 .examples = {"conduitctl config unset providers/openai/weight",
                              "conduitctl config unset TTS_CACHE_STRATEGY --map tts-cache-config --restart"},
                 .omitted = {{ErrorKind::rolled_back, "taking an override away cannot fail at a replica"}},
                 .backends = {"agent", "kubernetes"}},
                [](Flags& f, EditOptions& o) {
                    f.rest("SETTING", o.words, "Key of a ConfigMap, or path of the agents' setting");
                    edit_flags(f, o);
                },
                unset),
            verb<FileOptions>(
                {.name = "diff",
                 .summary = "Show how settings differ from a file",
                 .text =
                     "With -f, ConfigMaps: what config apply would write, and which of it somebody else has "
                     "changed since a file was applied. Without, what overrides of the agents make different "
                     "from their file. Exit 14 when there is a difference.",
                 .examples = {"conduitctl config diff", "conduitctl config diff -f audio-config.yaml"},
                 .also = {ErrorKind::differs},
                 .backends = {"agent", "kubernetes"}},
                file_flags, diff),
            verb<ApplyOptions>(
                {.name = "apply",
                 .summary = "Write the settings of a file, all at once",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::exact,
                 .text = "ConfigMaps: their data only, and only what differs; a key that no file put there "
                         "is left "
                         "alone, and one that somebody else has changed since is refused (--overwrite). "
                         "Nothing is "
                         "written unless every text is what its key's name says. Any other YAML is a map of "
                         "path: "
                         "value of the agents' overrides, or with --map the text of one key.",
                 .examples = {"conduitctl config apply overrides.yaml",
                              "conduitctl config apply -f audio-config.yaml --restart",
                              "conduitctl config apply -f export.yaml --selector app=audio-service"},
                 .backends = {"agent", "kubernetes"}},
                [](Flags& f, ApplyOptions& o) {
                    f.arg("FILE", o.file, "The file; or -f").optional();
                    file_flags(f, o);
                    f.flag("--overwrite", o.overwrite, "Also what somebody else has changed since");
                    restart_flags(f, o.restart);
                    change_flags(f, o.change);
                },
                apply),
        }};
}

} // namespace conduit::commands
