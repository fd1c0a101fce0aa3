// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/config_maps.hpp"

#include "cli/commands/support.hpp"
#include "cli/config/documents.hpp"
#include "cli/config/masking.hpp"
#include "cli/orchestrator/settings.hpp"
#include "cli/targets/settings_target.hpp"
#include "core/process.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit::commands {
namespace {

constexpr std::size_t k_widest = 60; // of a value in a table

struct Edit {
    std::string key;
    std::optional<std::string> path;  // within the key's text
    std::optional<std::string> value; // of unset: none
    std::string name() const { return path ? key + ":" + *path : key; }
};

Result<Edit> parse_edit(const std::string& word, bool with_value)
{
    Edit edit;
    const auto equals = with_value ? word.find('=') : std::string::npos;
    if (with_value && (equals == std::string::npos || equals == 0))
        return fail(ErrorKind::usage, fmt::format("'{}' is not KEY=VALUE", printable(word)),
                    "Write it as: conduitctl config set TTS_CACHE_TTL=3600");
    edit.key = word.substr(0, equals);
    if (with_value)
        edit.value = word.substr(equals + 1);
    if (const auto colon = edit.key.find(':'); colon != std::string::npos) {
        edit.path = edit.key.substr(colon + 1);
        edit.key.resize(colon);
    }
    const bool good = !edit.key.empty() && edit.key.find_first_not_of("abcdefghijklmnopqrstuvwxyz"
                                                                      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                                      "0123456789-_.") == std::string::npos;
    if (!good || edit.key.size() > 253 || (edit.path && edit.path->empty()))
        return fail(ErrorKind::usage, fmt::format("'{}' is no key of a ConfigMap", printable(edit.name())),
                    "A key has letters, digits, '-', '_' and '.'; a value within its text is KEY:a.b.");
    return edit;
}

// What stands in a command line is seen by everybody on the host, and a ConfigMap by everybody in the
// cluster.
Result<> check_no_secret(const Edit& edit, const std::string& map)
{
    const auto last = edit.path ? edit.path->substr(edit.path->rfind('.') + 1) : edit.key;
    if (!names_secret(last) && !holds_secret(edit.value.value_or("")))
        return {};
    return fail(
        ErrorKind::refused, fmt::format("the value of {} looks like a secret", edit.name()),
        fmt::format("Keep it in a Secret, and change it if it was a real one: conduitctl secret set {} "
                    "{} --from-stdin",
                    map.empty() ? "NAME" : map, edit.key));
}

std::string shown(std::string_view key, const Json& value)
{
    if (value.is_null())
        return "-";
    const auto text = masked(key, value.is_string() ? value.get<std::string>() : dump_json(value));
    if (text.size() <= k_widest && !text.contains('\n'))
        return printable(text);
    const auto kind = document_kind(key);
    return fmt::format("({}, {} bytes)", document_name(kind), text.size());
}

Result<std::vector<SettingsMap>> own_maps(App& app)
{
    TRY_ASSIGN(ServiceSettings * settings, app.settings());
    TRY_ASSIGN(auto maps, settings->maps(app.deadline(k_read_timeout)));
    std::erase_if(maps, &SettingsMap::of_cluster);
    return maps;
}

// The map named, else the only one that has the key.
Result<std::string> map_of_key(App& app, const std::string& map, const std::string& key)
{
    if (!map.empty())
        return map;
    TRY_ASSIGN(const auto maps, own_maps(app));
    std::vector<std::string> having;
    std::vector<std::string> keys;
    for (const auto& one : maps) {
        if (one.data.contains(key))
            having.push_back(one.name);
        for (const auto& [name, text] : one.data)
            keys.push_back(name);
    }
    if (having.size() == 1)
        return having.front();
    if (having.empty())
        return fail(ErrorKind::not_found, unknown_name("key", key, keys),
                    "Name the ConfigMap it is to be in with --map; see: conduitctl config get");
    return fail(ErrorKind::usage, fmt::format("{} is in {}", key, join(having, ", ")),
                fmt::format("Say which one: --map {}", having.front()));
}

Json key_item(const SettingsMap& map, const std::string& key, const std::string& text)
{
    const auto safe = masked(key, text);
    Json item{{"name", key},
              {"source", "configmap/" + map.name},
              {"map", map.name},
              {"shown", shown(key, text)},
              {"value", safe},
              {"masked", safe != text},
              {"format", document_name(document_kind(key))},
              {"bytes", text.size()}};
    const auto by = map.writers.find(key);
    item["by"] = by == map.writers.end() ? Json() : Json(by->second);
    return item;
}

// What a reference to a secret comes to, without its value: is the key there?
Json is_set(ServiceSettings& settings, const EnvironmentValue& value, Deadline deadline)
{
    const auto secret = settings.secret(value.from_object, deadline);
    if (!secret)
        return secret.error().kind == ErrorKind::not_found ? Json(false) : Json();
    return std::ranges::any_of(secret->keys, [&](const auto& key) { return key.name == value.from_key; });
}

Result<> add_environment(App& app, const std::string& key, Json& items)
{
    TRY_ASSIGN(ServiceSettings * settings, app.settings());
    const auto deadline = app.deadline(k_read_timeout);
    TRY_ASSIGN(const auto all, settings->environment(deadline));
    for (const auto& value : all) {
        if (value.name != key)
            continue;
        Json item{{"name", key}, {"source", fmt::format("{} env of {}", value.container, value.workload)}};
        if (!value.from) {
            const auto safe = masked(key, value.value);
            item.update(
                {{"shown", shown(key, value.value)}, {"value", safe}, {"masked", safe != value.value}});
        } else {
            const bool secret = *value.from == SettingKind::secret;
            const auto from =
                fmt::format("{}/{} {}", secret ? "secret" : "configmap", value.from_object, value.from_key);
            item.update({{"shown", "from " + from}, {"value", nullptr}, {"masked", secret}, {"from", from}});
            if (secret)
                item["set"] = is_set(*settings, value, deadline);
        }
        items.push_back(std::move(item));
    }
    return {};
}

std::string whole_line(std::string text)
{
    if (!text.ends_with('\n'))
        text += '\n';
    return text;
}

Result<Report> one_value(const SettingsMap& map, const Edit& edit, const std::string& text)
{
    TRY_ASSIGN(const auto value, document_value(edit.key, text, *edit.path));
    if (value.is_null())
        return fail(ErrorKind::not_found,
                    fmt::format("{} of configmap {} has no value {}", edit.key, map.name, *edit.path));
    const auto last = edit.path->substr(edit.path->rfind('.') + 1);
    const auto plain = value.is_string() ? value.get<std::string>() : dump_json(value);
    const auto safe = masked(last, plain);
    Report report;
    report.data = Json{{"name", edit.name()},
                       {"map", map.name},
                       {"value", safe == plain ? value : Json(safe)},
                       {"masked", safe != plain}};
    report.text = whole_line(safe);
    return report;
}

std::vector<std::string> readers_of(App& app, const std::string& map)
{
    const auto settings = app.settings();
    const auto uses = settings ? (*settings)->uses(app.deadline(k_read_timeout))
                               : Result<std::vector<SettingUse>>(settings.error());
    if (!uses)
        return {fmt::format("who reads it is not known: {}", uses.error().message)};
    std::set<std::string> lines;
    for (const auto& use : *uses)
        if (use.kind == SettingKind::map && use.object == map)
            lines.insert("read by " + use_text(use));
    if (lines.empty())
        return {"no workload reads it"};
    return {lines.begin(), lines.end()};
}

struct Texts { // of one map: before, and as the edits leave it
    SettingsMap map;
    std::map<std::string, std::string> after;
    bool exists = true;
};

Result<Texts> map_to_edit(App& app, const std::string& name, bool create)
{
    TRY_ASSIGN(ServiceSettings * settings, app.settings());
    auto map = settings->map(name, app.deadline(k_read_timeout));
    if (!map && map.error().kind == ErrorKind::not_found && create) {
        SettingsMap none;
        none.name = name;
        return Texts{.map = std::move(none), .after = {}, .exists = false};
    }
    if (!map)
        return std::move(map).error();
    if (map->of_cluster)
        return fail(ErrorKind::refused, fmt::format("configmap {} is the cluster's own", name));
    if (map->immutable)
        return fail(ErrorKind::refused, fmt::format("configmap {} is immutable", name),
                    "Make one of another name, and let the workloads name that one.");
    return Texts{.map = *map, .after = map->data, .exists = true};
}

// A value within YAML or JSON has a type; elsewhere all is text.
Result<Json> typed(const Edit& edit)
{
    if (!edit.value)
        return Json();
    const auto kind = document_kind(edit.key);
    if (!edit.path || (kind != DocumentKind::yaml && kind != DocumentKind::json))
        return Json(*edit.value);
    TRY_ASSIGN(const auto node, parse_yaml(*edit.value, "the value"));
    return node.to_json();
}

Result<SettingField> field_of(Texts& texts, const Edit& edit)
{
    if (std::ranges::find(texts.map.binary, edit.key) != texts.map.binary.end())
        return fail(ErrorKind::refused,
                    fmt::format("{} of configmap {} is binary", edit.key, texts.map.name));
    TRY_ASSIGN(auto after, typed(edit));
    const auto found = texts.after.find(edit.key);
    const auto text = found == texts.after.end() ? std::string() : found->second;
    Json before = found == texts.after.end() ? Json() : Json(text);
    auto label = edit.key;
    if (edit.path) {
        TRY_ASSIGN(before, document_value(edit.key, text, *edit.path));
        TRY_ASSIGN(texts.after[edit.key], edit_document(edit.key, text, *edit.path, after));
        label = edit.path->substr(edit.path->rfind('.') + 1);
    } else if (edit.value) {
        texts.after[edit.key] = *edit.value;
    } else {
        texts.after.erase(edit.key);
    }
    const auto as_text = before.is_string() ? before.get<std::string>() : "";
    return SettingField{.path = fmt::format("configmaps/{}/{}", texts.map.name, edit.name()),
                        .after = after,
                        .secret = names_secret(label) || masked(label, as_text) != as_text,
                        .shown = fmt::format("{} → {}", shown(label, before), shown(label, after))};
}

} // namespace

void restart_flags(Flags& flags, RestartFlags& o)
{
    flags.flag("--restart", o.restart, "Replace the instances that read it only when they start");
    flags.flag("--restart-files", o.restart_files, "Those that have it as a file too");
}

std::string use_text(const SettingUse& use)
{
    auto text = fmt::format("{} ({}", use.workload, read_as_name(use.how));
    if (!use.as.empty())
        text += " " + use.as;
    return text + ")";
}

Result<bool> keeps_maps(App& app)
{
    TRY_ASSIGN(const Context* context, app.context());
    return context->orchestrator == OrchestratorKind::kubernetes;
}

Result<SettingsTarget*> settings_target(App& app)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(ops::Target * target, operations->target("settings"));
    auto* found = dynamic_cast<SettingsTarget*>(target);
    if (found == nullptr)
        return fail(ErrorKind::internal, "the context has no target of settings");
    return found;
}

Result<Report> change_settings(App& app, SettingsChange change, const RestartFlags& restart,
                               const ops::ChangeOptions& options)
{
    change.restart = restart.restart || restart.restart_files;
    change.restart_files = restart.restart_files;
    TRY_ASSIGN(SettingsTarget * target, settings_target(app));
    TRY_ASSIGN(const auto intent, settings_intent(*target, std::move(change), app.deadline(k_read_timeout)));
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(auto report, operations->change(intent, options));
    const bool already = report.verdict == ErrorKind::ok && json_find(*report.data, "dry_run") == nullptr &&
                         (*report.data)["operation"].is_null();
    if (!already)
        return report;
    const auto started = target->check_started(intent.steps.front(), app.deadline(k_read_timeout));
    if (started)
        return report;
    if (started.error().kind != ErrorKind::unverified)
        return started.error();
    report.verdict = ErrorKind::unverified;
    report.data->update(
        {{"verdict", kind_name(report.verdict)}, {"verified", false}, {"message", started.error().message}});
    report.text = fmt::format("Already so, but not in effect: {}.\n", started.error().message);
    return report;
}

Result<> check_setting(App& app, const std::string& key, const std::string& text)
{
    TRY(check_document(key, text));
    if (key != "agent.yaml")
        return {};
    const auto program = fs::path(app.program_path()).parent_path() / "conduit-agent";
    if (!fs::exists(program)) {
        app.warn("agent.yaml was not shown to conduit-agent --check: it is not beside this program");
        return {};
    }
    TRY_ASSIGN(const auto folder, TempDir::make("conduit-check"));
    const auto file = folder.path() / key;
    TRY(write_file(file, text));
    TRY_ASSIGN(const auto ran, run_process({.argv = {program.string(), "--config", file.string(), "--check"}},
                                           app.deadline(k_read_timeout)));
    // What it points to is where the agent runs, not here: only the configuration itself can be wrong.
    if (ran.exit_code != to_exit(ErrorKind::usage))
        return {};
    const auto said = replace_all(std::string(trim(ran.err)), file.string(), key);
    return fail(ErrorKind::usage,
                fmt::format("the agent would not take it: {}", printable(split(said, '\n').front())));
}

Result<Report> get_maps(App& app, const std::string& key, const std::string& map)
{
    TRY_ASSIGN(ServiceSettings * settings, app.settings());
    std::vector<SettingsMap> maps;
    if (map.empty()) {
        TRY_ASSIGN(maps, own_maps(app));
    } else {
        TRY_ASSIGN(auto one, settings->map(map, app.deadline(k_read_timeout)));
        maps.push_back(std::move(one));
    }
    Edit wanted;
    if (!key.empty()) {
        TRY_ASSIGN(wanted, parse_edit(key, false));
    }
    Json items = Json::array();
    std::vector<std::string> known;
    for (const auto& one : maps)
        for (const auto& [name, text] : one.data) {
            known.push_back(name);
            if (key.empty() || name == wanted.key)
                items.push_back(key_item(one, name, text));
        }
    if (wanted.path && items.size() == 1) {
        const auto& one =
            *std::ranges::find_if(maps, [&](const auto& m) { return m.data.contains(wanted.key); });
        return one_value(one, wanted, one.data.at(wanted.key));
    }
    if (!key.empty() && map.empty())
        TRY(add_environment(app, wanted.key, items));
    if (!key.empty() && items.empty())
        return fail(ErrorKind::not_found, unknown_name("key", wanted.key, known),
                    "List them: conduitctl config get");
    auto report = list_report(std::move(items), {{.head = "NAME", .field = "name"},
                                                 {.head = "SOURCE", .field = "source"},
                                                 {.head = "VALUE", .field = "shown"},
                                                 {.head = "BYTES", .field = "bytes", .wide_only = true},
                                                 {.head = "BY", .field = "by", .wide_only = true}});
    const auto& shown_items = (*report.data)["items"];
    if (!key.empty() && shown_items.size() == 1 &&
        shown_items[0]["shown"].get<std::string>().starts_with('('))
        report.text = whole_line(shown_items[0]["value"].get<std::string>());
    if (!map.empty())
        report.notes = readers_of(app, map);
    return report;
}

namespace {

Result<Report> edit_maps(App& app, const MapEdit& o, bool with_value)
{
    SettingsChange change;
    change.verb = with_value ? "config set" : "config unset";
    std::optional<Texts> texts;
    std::vector<std::string> names;
    for (const auto& word : o.words) {
        TRY_ASSIGN(const auto edit, parse_edit(word, with_value));
        if (with_value)
            TRY(check_no_secret(edit, o.map));
        if (!texts) {
            TRY_ASSIGN(const auto map, map_of_key(app, o.map, edit.key));
            TRY_ASSIGN(texts, map_to_edit(app, map, o.create && with_value));
        }
        if (!with_value && !texts->map.data.contains(edit.key)) {
            std::vector<std::string> known;
            for (const auto& [key, text] : texts->map.data)
                known.push_back(key);
            return fail(
                ErrorKind::not_found,
                fmt::format("{} in configmap {}", unknown_name("key", edit.key, known), texts->map.name));
        }
        TRY_ASSIGN(auto field, field_of(*texts, edit));
        change.fields.push_back(std::move(field));
        names.push_back(edit.name());
    }
    if (!texts)
        return fail(ErrorKind::usage, "no key is named",
                    "Write it as: conduitctl config set TTS_CACHE_TTL=3600");
    for (const auto& [key, text] : texts->after)
        if (const auto was = texts->map.data.find(key); was == texts->map.data.end() || was->second != text)
            TRY(check_setting(app, key, text));
    if (!texts->exists)
        change.fields.insert(
            change.fields.begin(),
            {.path = fmt::format("configmaps/{}/@map", texts->map.name), .after = Json(true)});
    change.resource = "configmap/" + texts->map.name;
    change.confirm_name = texts->map.name;
    change.summary = fmt::format("{} {}", with_value ? "set" : "take out", join(names, ", "));
    return change_settings(app, std::move(change), o.restart, o.change);
}

} // namespace

Result<Report> set_maps(App& app, const MapEdit& o)
{
    return edit_maps(app, o, true);
}

Result<Report> unset_maps(App& app, const MapEdit& o)
{
    return edit_maps(app, o, false);
}

} // namespace conduit::commands
