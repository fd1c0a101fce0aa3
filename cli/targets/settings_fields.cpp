// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/settings_fields.hpp"

#include "cli/ops/plan.hpp"
#include "cli/targets/settings_target.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit {
namespace settings_fields {

Result<Place> place_of(const std::string& field)
{
    const auto wrong = [&] {
        return fail(ErrorKind::internal, fmt::format("settings have no field '{}'", printable(field)));
    };
    const auto first = field.find('/');
    const auto second = first == std::string::npos ? first : field.find('/', first + 1);
    if (second == std::string::npos || second + 1 == field.size())
        return wrong();
    const auto kind = field.substr(0, first);
    Place place{.what = {},
                .name = field.substr(first + 1, second - first - 1),
                .key = field.substr(second + 1),
                .path = {}};
    if (kind == "configmaps") {
        if (const auto colon = place.key.find(':'); colon != std::string::npos) {
            place.path = place.key.substr(colon + 1);
            place.key.resize(colon);
        }
        return place;
    }
    place.what = kind == "secrets" ? Place::What::secret : Place::What::workload;
    const bool known = kind == "secrets" || (kind == "workloads" && place.key == "config-checksum");
    if (!known)
        return wrong();
    return place;
}

std::vector<SettingUse> affected(std::span<const SettingUse> uses, const Place& place)
{
    std::vector<SettingUse> out;
    if (place.what == Place::What::workload || place.key.starts_with('@'))
        return out;
    const auto kind = place.what == Place::What::map ? SettingKind::map : SettingKind::secret;
    for (const auto& use : uses)
        if (use.kind == kind && use.object == place.name && use.how != ReadAs::image_pull &&
            reads_key(use, place.key))
            out.push_back(use);
    return out;
}

} // namespace settings_fields

namespace {

using settings_fields::Place;

struct Reader {
    bool at_start = false;
    bool rolls = true;
    std::set<std::string> keys, hows;
};

std::string listed(const std::set<std::string>& words)
{
    return join(std::vector<std::string>(words.begin(), words.end()), ", ");
}

std::string fate(const Reader& reader, bool rolled)
{
    if (rolled)
        return "every instance is replaced, one after the other";
    if (!reader.rolls)
        return "it is no workload whose instances can be replaced: start it anew by hand";
    return reader.at_start
               ? "it keeps the old value until its instances are replaced (--restart)"
               : "its files follow within about two minutes; a program that does not look at them "
                 "again needs --restart-files";
}

// Another one each time, also when a value comes back.
std::string checksum_of(const ops::Step& step, const std::string& versions)
{
    Json fields = Json::object();
    for (const auto& field : step.fields)
        fields[field.path] = *field.after;
    return sha256_hex(canonical_json(fields) + versions).substr(0, 16);
}

Result<std::string> versions_of(ServiceSettings& settings, const ops::Step& step, Deadline deadline)
{
    std::set<std::string> names;
    for (const auto& field : step.fields) {
        TRY_ASSIGN(const auto place, settings_fields::place_of(field.path));
        if (place.what == Place::What::map)
            names.insert(place.name);
    }
    std::string out;
    for (const auto& name : names)
        if (const auto map = settings.map(name, deadline))
            out += fmt::format(" {}={}", name, map->version);
    return out;
}

} // namespace

Result<ops::Intent> settings_intent(SettingsTarget& target, SettingsChange change, Deadline deadline)
{
    ops::Intent intent;
    ops::Step step;
    for (auto& field : change.fields) {
        if (!field.shown.empty())
            intent.lines.emplace_back(field.path.substr(field.path.rfind('/') + 1), field.shown);
        step.fields.push_back({.path = field.path, .after = std::move(field.after), .secret = field.secret});
        if (field.secret)
            intent.undo = ops::UndoKind::none;
    }
    TRY_ASSIGN(const auto uses, target.settings().uses(deadline));
    std::map<std::string, Reader> readers;
    for (const auto& field : step.fields) {
        TRY_ASSIGN(const auto place, settings_fields::place_of(field.path));
        for (const auto& use : settings_fields::affected(uses, place)) {
            auto& reader = readers[use.workload];
            reader.at_start = reader.at_start || read_at_start(use.how);
            reader.rolls = reader.rolls && can_roll(use);
            reader.keys.insert(place.key);
            reader.hows.insert(std::string(read_as_name(use.how)));
        }
    }
    TRY_ASSIGN(const auto versions, versions_of(target.settings(), step, deadline));
    const auto sum = checksum_of(step, versions);
    for (const auto& [workload, reader] : readers) {
        const bool rolled = reader.rolls && ((change.restart && reader.at_start) || change.restart_files);
        intent.lines.emplace_back(workload, fmt::format("reads {} by {}: {}", listed(reader.keys),
                                                        listed(reader.hows), fate(reader, rolled)));
        if (rolled)
            step.fields.push_back(
                {.path = fmt::format("workloads/{}/config-checksum", workload), .after = Json(sum)});
    }
    if (intent.undo == ops::UndoKind::none)
        intent.lines.emplace_back("undo", "values that look like secrets are not recorded: none");
    step.resource = change.resource;
    step.summary = change.summary;
    step.verify = "the settings hold it, and whoever reads it when it starts was started since";
    step.undo = "what was there before is put back, and what was restarted for it is restarted again";
    step.reversible = intent.undo != ops::UndoKind::none;
    intent.target = &target;
    intent.verb = std::move(change.verb);
    intent.scope = "settings";
    intent.summary = std::move(change.summary);
    intent.confirm_name = std::move(change.confirm_name);
    intent.steps.push_back(std::move(step));
    return intent;
}

} // namespace conduit
