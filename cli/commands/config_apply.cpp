// SPDX-License-Identifier: Apache-2.0
// `config diff` and `config apply` of files of ConfigMaps: three ways, and of a file its data only.
#include "cli/commands/config_maps.hpp"
#include "cli/commands/support.hpp"
#include "cli/config/masking.hpp"
#include "cli/config/three_way.hpp"
#include "cli/orchestrator/settings.hpp"
#include "cli/targets/settings_target.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

constexpr std::size_t k_largest = 8U << 20U;
constexpr std::size_t k_lines = 40; // of a difference on the screen

struct FileMap {
    std::string name;
    Texts data;
    std::map<std::string, std::string> labels;
    bool exported = false; // carries what only a server writes
    bool one_key = false;  // the file is the text of a key: other keys are not its business
};

// Documents one after the other; of a List its items.
Result<std::vector<YamlNode>> documents_of(const std::string& text, const std::string& file)
{
    std::vector<YamlNode> out;
    std::string part;
    std::size_t lines = 0;
    const auto take = [&]() -> Result<> {
        if (trim(part).empty())
            return {};
        TRY_ASSIGN(const auto node, parse_yaml(part, file));
        if (node.get("kind").scalar().ends_with("List") && node.get("items").is_list())
            std::ranges::move(node.get("items").items(), std::back_inserter(out));
        else if (node.exists() && !node.is_null())
            out.push_back(node);
        return {};
    };
    for (const auto& line : split(text, '\n')) {
        ++lines;
        if (line == "---" || line.starts_with("--- ")) {
            TRY(take());
            part = std::string(lines, '\n');
            continue;
        }
        part += line + "\n";
    }
    TRY(take());
    return out;
}

Result<FileMap> map_in(const YamlNode& node, const std::string& identity)
{
    const auto meta = node.get("metadata");
    FileMap map{.name = meta.get("name").scalar(), .data = {}, .labels = {}};
    if (map.name.empty())
        return meta.error("a ConfigMap has no name");
    const auto space = meta.get("namespace").scalar();
    if (!space.empty() && !identity.ends_with("namespace " + space))
        return meta.get("namespace")
            .error(fmt::format("configmap {} is of namespace {}, which is not this one", map.name, space),
                   fmt::format("Choose that namespace (-n {}), or take the line out.", space));
    if (node.get("binaryData").is_map() && !node.get("binaryData").keys().empty())
        return node.get("binaryData").error("binary values are not applied");
    map.exported = meta.get("uid").exists() || meta.get("managedFields").exists();
    for (const auto& key : meta.get("labels").keys())
        map.labels[key] = meta.get("labels").get(key).scalar();
    for (const auto& key : node.get("data").keys()) {
        const auto value = node.get("data").get(key);
        if (!value.is_scalar())
            return value.error(fmt::format("the value of {} is no text", key));
        map.data[key] = value.scalar();
    }
    return map;
}

bool is_chosen(const FileMap& map, const MapFile& o)
{
    if (!o.maps.empty() && std::ranges::find(o.maps, map.name) == o.maps.end())
        return false;
    for (const auto& part : split(o.selector, ',')) {
        const auto equals = part.find('=');
        const auto found = map.labels.find(part.substr(0, equals));
        if (found == map.labels.end() ||
            (equals != std::string::npos && found->second != trim(part.substr(equals + 1))))
            return false;
    }
    return map.name != "kube-root-ca.crt" || !o.maps.empty();
}

Result<std::vector<FileMap>> read_maps(App& app, const MapFile& o)
{
    TRY_ASSIGN(ServiceSettings * settings, app.settings());
    TRY_ASSIGN(const auto text, read_file(o.file, k_largest));
    TRY_ASSIGN(const bool manifest, holds_maps(o.file));
    if (!manifest) {
        if (o.maps.size() != 1)
            return fail(ErrorKind::usage, fmt::format("{} is no ConfigMap", o.file),
                        "To make it the text of a key, name the map: --map NAME");
        return std::vector<FileMap>{{.name = o.maps.front(),
                                     .data = {{fs::path(o.file).filename().string(), text}},
                                     .labels = {},
                                     .one_key = true}};
    }
    TRY_ASSIGN(const auto nodes, documents_of(text, o.file));
    std::vector<FileMap> out;
    std::vector<std::string> names;
    bool exported = false;
    for (const auto& node : nodes) {
        if (node.get("kind").scalar() != "ConfigMap")
            continue;
        TRY_ASSIGN(auto map, map_in(node, settings->identity()));
        names.push_back(map.name);
        exported = exported || map.exported;
        if (is_chosen(map, o))
            out.push_back(std::move(map));
    }
    for (const auto& name : o.maps)
        if (std::ranges::find(names, name) == names.end())
            return fail(ErrorKind::not_found, unknown_name("configmap", name, names) + " in " + o.file);
    // An export of a namespace holds other teams' maps too.
    if (exported && out.size() > 1 && o.maps.empty() && o.selector.empty())
        return fail(ErrorKind::refused, fmt::format("{} is an export of {} ConfigMaps", o.file, out.size()),
                    fmt::format("Say which are meant: --map {}, or --selector app=NAME", out.front().name));
    if (out.empty())
        return fail(ErrorKind::not_found, fmt::format("{} holds no ConfigMap that is meant", o.file));
    return out;
}

struct Compared {
    FileMap file;
    SettingsMap live;
    bool exists = true;
    std::vector<KeyChange> changes;
};

Result<Compared> compare(App& app, FileMap file)
{
    TRY_ASSIGN(ServiceSettings * settings, app.settings());
    Compared out{.file = std::move(file), .live = {}, .changes = {}};
    auto live = settings->map(out.file.name, app.deadline(k_read_timeout));
    if (!live && live.error().kind != ErrorKind::not_found)
        return std::move(live).error();
    out.exists = live.has_value();
    if (live)
        out.live = *std::move(live);
    auto applied = out.live.applied;
    if (out.file.one_key)
        std::erase_if(applied, [&](const auto& one) { return !out.file.data.contains(one.first); });
    out.changes = three_way(applied, out.file.data, out.live.data);
    return out;
}

Result<std::vector<Compared>> compare_all(App& app, const MapFile& o)
{
    TRY_ASSIGN(auto files, read_maps(app, o));
    std::vector<Compared> out;
    for (auto& file : files) {
        TRY_ASSIGN(auto one, compare(app, std::move(file)));
        out.push_back(std::move(one));
    }
    return out;
}

std::string_view word_of(const KeyChange& change)
{
    if (!change.before)
        return "added";
    return change.after ? "changed" : "removed";
}

std::string writer_of(const Compared& one, const std::string& key)
{
    const auto by = one.live.writers.find(key);
    return by == one.live.writers.end() ? std::string() : by->second;
}

// The lines that differ, between those that are the same at both ends.
std::string line_difference(const std::string& before, const std::string& after)
{
    auto a = split(before, '\n');
    auto b = split(after, '\n');
    std::size_t head = 0;
    while (head < a.size() && head < b.size() && a[head] == b[head])
        ++head;
    while (a.size() > head && b.size() > head && a.back() == b.back()) {
        a.pop_back();
        b.pop_back();
    }
    std::string out;
    std::size_t told = 0;
    for (const auto& [sign, lines] : {std::pair{'-', &a}, std::pair{'+', &b}})
        for (std::size_t i = head; i < lines->size(); ++i)
            if (told++ < k_lines)
                out += fmt::format("    {} {}\n", sign, printable((*lines)[i]));
    if (told > k_lines)
        out += fmt::format("    ... {} lines more\n", told - k_lines);
    return out;
}

Json change_item(const Compared& one, const KeyChange& change)
{
    const auto value = [&](const std::optional<std::string>& text) {
        return text ? Json(masked(change.key, *text)) : Json();
    };
    Json item{{"name", change.key},
              {"map", one.file.name},
              {"change", word_of(change)},
              {"conflict", change.conflict}};
    item["before"] = value(change.before);
    item["after"] = value(change.after);
    const auto by = writer_of(one, change.key);
    item["by"] = by.empty() ? Json() : Json(by);
    return item;
}

std::string change_text(const Compared& one, const KeyChange& change)
{
    auto out = fmt::format("  {:<8} {}", word_of(change), change.key);
    if (change.conflict) {
        const auto by = writer_of(one, change.key);
        out +=
            fmt::format("   (conflict: {}{}{})",
                        one.live.applied_known ? "changed since a file was applied" : "no file put it there",
                        by.empty() ? "" : ", by ", by);
    }
    const auto before = masked(change.key, change.before.value_or(""));
    const auto after = masked(change.key, change.after.value_or(""));
    out += "\n";
    return out + (before == after ? "    (a secret)\n" : line_difference(before, after));
}

std::vector<std::string> conflicts_of(const std::vector<Compared>& all)
{
    std::vector<std::string> out;
    for (const auto& one : all)
        for (const auto& change : one.changes)
            if (change.conflict) {
                const auto by = writer_of(one, change.key);
                out.push_back(
                    fmt::format("{}/{}{}{}", one.file.name, change.key, by.empty() ? "" : " by ", by));
            }
    return out;
}

Json record_of(const Compared& one)
{
    Json record = Json::object();
    if (one.file.one_key && (*one.live.applied_record).is_object())
        record = *one.live.applied_record;
    for (const auto& [key, text] : one.file.data)
        record[key] = sha256_hex(text);
    return record;
}

SettingField field_of(const Compared& one, const KeyChange& change)
{
    const auto before = masked(change.key, change.before.value_or(""));
    const auto after = masked(change.key, change.after.value_or(""));
    const bool secret =
        (change.before && before != *change.before) || (change.after && after != *change.after);
    const auto brief = [](const std::optional<std::string>& is, const std::string& text) {
        const bool is_short = text.size() <= 60 && !text.contains('\n');
        return !is ? "-" : is_short ? printable(text) : fmt::format("({} bytes)", text.size());
    };
    return {.path = fmt::format("configmaps/{}/{}", one.file.name, change.key),
            .after = change.after ? Json(*change.after) : Json(),
            .secret = secret,
            .shown = fmt::format("{} → {}", brief(change.before, before), brief(change.after, after))};
}

Result<> check_writable(App& app, const Compared& one)
{
    if (one.live.of_cluster)
        return fail(ErrorKind::refused, fmt::format("configmap {} is the cluster's own", one.file.name));
    if (one.live.immutable && !one.changes.empty())
        return fail(ErrorKind::refused, fmt::format("configmap {} is immutable", one.file.name),
                    "Make one of another name, and let the workloads name that one.");
    for (const auto& change : one.changes)
        if (change.after)
            TRY(check_setting(app, change.key, *change.after));
    return {};
}

void add_fields(const Compared& one, SettingsChange& change)
{
    const auto path = "configmaps/" + one.file.name;
    bool secret = false;
    if (!one.exists)
        change.fields.push_back({.path = path + "/@map", .after = Json(true)});
    for (const auto& key : one.changes) {
        change.fields.push_back(field_of(one, key));
        secret = secret || change.fields.back().secret;
    }
    change.fields.push_back({.path = path + "/@applied", .after = record_of(one), .secret = secret});
}

} // namespace

Result<bool> holds_maps(const std::string& file)
{
    TRY_ASSIGN(const auto text, read_file(file, k_largest));
    const auto nodes = documents_of(text, file);
    return nodes && std::ranges::any_of(*nodes, [](const YamlNode& node) {
               return node.is_map() && node.get("kind").scalar() == "ConfigMap";
           });
}

Result<Report> diff_maps(App& app, const MapFile& o)
{
    TRY_ASSIGN(const auto all, compare_all(app, o));
    Report report;
    Json items = Json::array();
    for (const auto& one : all) {
        if (one.changes.empty())
            continue;
        report.text += fmt::format("configmap {}{}\n", one.file.name, one.exists ? "" : "   (is not there)");
        for (const auto& change : one.changes) {
            items.push_back(change_item(one, change));
            report.text += change_text(one, change);
        }
    }
    if (items.empty())
        report.text = "No difference.\n";
    report.verdict = items.empty() ? ErrorKind::ok : ErrorKind::differs;
    report.data = Json{{"items", std::move(items)}};
    return report;
}

Result<Report> apply_maps(App& app, const MapFile& o)
{
    TRY_ASSIGN(const auto all, compare_all(app, o));
    for (const auto& one : all)
        TRY(check_writable(app, one));
    if (const auto conflicts = conflicts_of(all); !conflicts.empty() && !o.overwrite)
        return fail(
            ErrorKind::refused,
            fmt::format("somebody else has changed what the file would write: {}", join(conflicts, ", ")),
            fmt::format("Look: conduitctl config diff -f {}\nThen put it into the file, or write over it: "
                        "--overwrite",
                        o.file));
    SettingsChange change;
    change.verb = "config apply";
    std::size_t keys = 0;
    std::vector<std::string> names;
    for (const auto& one : all) {
        add_fields(one, change);
        keys += one.changes.size();
        names.push_back(one.file.name);
    }
    change.resource = names.size() == 1 ? "configmap/" + names.front() : "configmaps";
    change.confirm_name = names.front();
    change.summary =
        fmt::format("{} key{} of {} as in {}", keys, keys == 1 ? "" : "s", join(names, ", "), o.file);
    return change_settings(app, std::move(change), o.restart, o.change);
}

} // namespace conduit::commands
