// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/settings_target.hpp"

#include "cli/config/documents.hpp"
#include "cli/targets/settings_fields.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit {

using settings_fields::Place;
using settings_fields::place_of;

// The fields of one map, secret or workload.
struct SettingsTarget::Object {
    Place::What what = Place::What::map;
    std::string name;
    std::vector<std::pair<Place, const ops::Field*>> fields;

    bool removes_map() const
    {
        return std::ranges::any_of(fields, [](const auto& field) {
            return field.first.key == settings_fields::k_map && (*field.second->after).is_null();
        });
    }
    std::string title() const
    {
        const auto* kind = what == Place::What::map ? "configmap" : "secret";
        return fmt::format("{} {}", what == Place::What::workload ? "workload" : kind, name);
    }
    ops::Step step() const
    {
        ops::Step step;
        for (const auto& [place, field] : fields)
            step.fields.push_back(*field);
        return step;
    }
};

namespace {

constexpr int k_tries = 5;

std::optional<std::string> text_or_none(const Json& value)
{
    return value.is_string() ? std::optional(value.get<std::string>()) : std::nullopt;
}

Json value_in(const SettingsMap* map, const Place& place)
{
    if (place.key == settings_fields::k_map)
        return map != nullptr ? Json(true) : Json();
    if (map == nullptr)
        return {};
    if (place.key == settings_fields::k_record)
        return *map->applied_record;
    const auto found = map->data.find(place.key);
    if (found == map->data.end())
        return {};
    if (!place.path)
        return found->second;
    const auto value = document_value(place.key, found->second, *place.path);
    return value ? *value : Json();
}

// nullopt: there is no such map.
Result<std::optional<SettingsMap>> map_if_there(ServiceSettings& settings, const std::string& name,
                                                Deadline deadline)
{
    auto map = settings.map(name, deadline);
    if (map)
        return std::optional(*std::move(map));
    if (map.error().kind == ErrorKind::not_found)
        return std::optional<SettingsMap>{};
    return std::move(map).error();
}

// What has to be written so that the map holds these fields; the texts of several values within one key
// follow from each other.
Result<SettingWrite> write_of(const SettingsMap* map,
                              const std::vector<std::pair<Place, const ops::Field*>>& fields)
{
    SettingWrite write;
    if (map != nullptr)
        write.version = map->version;
    for (const auto& [place, field] : fields) {
        const auto& after = *field->after;
        if (place.key == settings_fields::k_map) {
            write.remove = after.is_null();
        } else if (place.key == settings_fields::k_record) {
            write.applied = after;
        } else if (!place.path) {
            write.set[place.key] = text_or_none(after);
        } else {
            const auto begun = write.set.find(place.key);
            std::string text;
            if (begun != write.set.end())
                text = begun->second.value_or("");
            else if (map != nullptr && map->data.contains(place.key))
                text = map->data.at(place.key);
            TRY_ASSIGN(auto edited, edit_document(place.key, text, *place.path, after));
            write.set[place.key] = std::move(edited);
        }
    }
    return write;
}

} // namespace

Result<std::vector<SettingsTarget::Object>> SettingsTarget::objects_of(const ops::Step& step)
{
    std::vector<Object> objects;
    for (const auto& field : step.fields) {
        TRY_ASSIGN(const auto place, place_of(field.path));
        auto found = std::ranges::find_if(objects, [&](const Object& object) {
            return object.what == place.what && object.name == place.name;
        });
        if (found == objects.end())
            found = objects.insert(objects.end(), Object{place.what, place.name, {}});
        found->fields.emplace_back(place, &field);
    }
    std::ranges::stable_sort(objects, {}, &Object::what); // templates are the last
    return objects;
}

Result<ops::FieldMap> SettingsTarget::observe(std::span<const std::string> paths, Deadline deadline)
{
    std::map<std::string, std::optional<SettingsMap>> maps;
    std::map<std::string, std::optional<SecretInfo>> secrets;
    ops::FieldMap out;
    for (const auto& path : paths) {
        TRY_ASSIGN(const auto place, place_of(path));
        if (place.what == Place::What::workload) {
            TRY_ASSIGN(const auto sum, settings_.checksum(place.name, deadline));
            out[path].value = sum ? Json(*sum) : Json();
        } else if (place.what == Place::What::secret) {
            if (!secrets.contains(place.name)) {
                auto secret = settings_.secret(place.name, deadline);
                if (!secret && secret.error().kind != ErrorKind::not_found)
                    return std::move(secret).error();
                secrets[place.name] = secret ? std::optional(*std::move(secret)) : std::nullopt;
            }
            out[path].value = Json();
            if (const auto& secret = secrets[place.name])
                for (const auto& key : secret->keys)
                    if (key.name == place.key)
                        out[path].value = Json(key.digest);
        } else {
            if (!maps.contains(place.name)) {
                TRY_ASSIGN(maps[place.name], map_if_there(settings_, place.name, deadline));
            }
            const auto& map = maps[place.name];
            out[path].value = value_in(map ? &*map : nullptr, place);
            if (map)
                if (const auto by = map->writers.find(place.key); by != map->writers.end())
                    out[path].by = by->second;
        }
    }
    return out;
}

Result<std::optional<WallTime>> SettingsTarget::done_at(const Object& object, std::string_view key,
                                                        Deadline deadline)
{
    if (object.what == Place::What::workload) {
        TRY_ASSIGN(const bool done, settings_.was_rolled(object.name, key, deadline));
        return done ? std::optional(clock_.now()) : std::nullopt;
    }
    const auto kind = object.what == Place::What::map ? SettingKind::map : SettingKind::secret;
    TRY_ASSIGN(auto at, settings_.was_written(kind, object.name, key, deadline));
    if (at || !object.removes_map())
        return at;
    TRY_ASSIGN(const auto map, map_if_there(settings_, object.name, deadline));
    return map ? std::nullopt : std::optional(clock_.now());
}

Result<> SettingsTarget::check_unmoved(const std::vector<Object>& objects, Deadline deadline)
{
    std::vector<ops::Moved> all;
    for (const auto& object : objects) {
        const auto step = object.step();
        TRY_ASSIGN(const auto now, observe(ops::paths_of(step), deadline));
        std::ranges::move(ops::moved_fields(step, now), std::back_inserter(all));
    }
    if (all.empty())
        return {};
    return ops::stale_error("the settings were changed meanwhile", all);
}

Result<WallTime> SettingsTarget::write_map(const Object& object, const std::string& key, bool dry_run,
                                           const std::function<void()>& sent, Deadline deadline)
{
    for (int i = 1;; ++i) {
        TRY_ASSIGN(const auto map, map_if_there(settings_, object.name, deadline));
        TRY_ASSIGN(auto write, write_of(map ? &*map : nullptr, object.fields));
        write.name = object.name;
        write.key = key;
        write.dry_run = dry_run;
        write.on_sent = sent;
        auto written = settings_.write_map(write, deadline);
        // Another key may have been written: only what this step writes can be stale.
        const bool again = !written && written.error().kind == ErrorKind::stale && i < k_tries;
        if (!again)
            return written;
        TRY(check_unmoved({object}, deadline));
    }
}

Result<WallTime> SettingsTarget::write_secret(const Object& object, const std::string& key, bool dry_run,
                                              const std::function<void()>& sent, Deadline deadline)
{
    if (object.fields.size() != 1)
        return fail(ErrorKind::internal, "a step on a secret writes one key");
    const auto& [place, field] = object.fields.front();
    SecretWrite write{.name = object.name,
                      .key_name = place.key,
                      .expected = text_or_none(*field->before),
                      .digest = text_or_none(*field->after),
                      .value = {},
                      .key = key,
                      .dry_run = dry_run,
                      .on_sent = sent};
    if (write.digest)
        if (const auto staged = staged_.find(*write.digest); staged != staged_.end())
            write.value = staged->second.reveal();
    return settings_.write_secret(write, deadline);
}

Result<std::optional<WallTime>> SettingsTarget::write(const Object& object, const std::string& key,
                                                      bool dry_run, const std::function<void()>& sent,
                                                      Deadline deadline)
{
    if (object.what == Place::What::workload) {
        TRY(settings_.roll({.workload = object.name,
                            .checksum = text_or_none(*object.fields.front().second->after),
                            .key = key,
                            .dry_run = dry_run,
                            .on_sent = sent},
                           deadline));
        return std::optional<WallTime>{};
    }
    TRY_ASSIGN(const auto at, object.what == Place::What::map
                                  ? write_map(object, key, dry_run, sent, deadline)
                                  : write_secret(object, key, dry_run, sent, deadline));
    return std::optional(at);
}

namespace {

ops::Applied applied_at(std::optional<WallTime> at, std::size_t objects, bool compensation)
{
    ops::Applied applied;
    applied.observed = fmt::format("{} object{}", objects, objects == 1 ? "" : "s");
    Json data{{"compensation", compensation}};
    data["written_at"] = at ? Json(format_time(*at)) : Json();
    applied.data = std::move(data);
    return applied;
}

std::optional<WallTime> later(std::optional<WallTime> a, std::optional<WallTime> b)
{
    return a && b ? std::max(a, b) : (a ? a : b);
}

} // namespace

Result<ops::Applied> SettingsTarget::apply(const ops::WriteContext& context, const ops::Step& step)
{
    const auto key = context.key.text();
    TRY_ASSIGN(auto objects, objects_of(step));
    const auto all = objects.size();
    std::optional<WallTime> at;
    bool begun = false; // of an earlier try
    for (auto object = objects.begin(); object != objects.end();) {
        TRY_ASSIGN(const auto done, done_at(*object, key, context.deadline));
        if (done && object->what != Place::What::workload)
            at = later(at, done);
        begun = begun || done;
        object = done ? objects.erase(object) : std::next(object);
    }
    const auto told = [&](Error error) {
        if (begun && error.kind != ErrorKind::unknown)
            error.kind = ErrorKind::partial;
        return error;
    };
    if (auto unmoved = check_unmoved(objects, context.deadline); !unmoved)
        return told(std::move(unmoved).error());
    for (const auto& object : objects) {
        auto written = write(object, key, false, context.sent, context.deadline);
        if (!written)
            return told(std::move(written).error().prefixed(object.title()));
        at = later(at, *written);
        begun = true;
    }
    return applied_at(at, all, context.key.compensation);
}

Result<std::optional<ops::Applied>> SettingsTarget::find(const ops::StepKey& key, const ops::Step& step,
                                                         Deadline deadline)
{
    TRY_ASSIGN(const auto objects, objects_of(step));
    std::optional<WallTime> at;
    for (const auto& object : objects) {
        TRY_ASSIGN(const auto done, done_at(object, key.text(), deadline));
        if (!done)
            return std::optional<ops::Applied>{};
        if (object.what != Place::What::workload)
            at = later(at, done);
    }
    return std::optional(applied_at(at, objects.size(), key.compensation));
}

Result<std::optional<std::string>> SettingsTarget::dry_run(const ops::Step& step, Deadline deadline)
{
    TRY_ASSIGN(const auto objects, objects_of(step));
    std::vector<std::string> names;
    for (const auto& object : objects) {
        if (auto asked = write(object, "", true, {}, deadline); !asked)
            return std::move(asked).error().prefixed(object.title());
        names.push_back(object.title());
    }
    return std::optional(fmt::format("the server would take {}", join(names, ", ")));
}

Result<> SettingsTarget::verify(const ops::Step& step, const ops::Applied& applied, Deadline deadline,
                                ops::Progress& progress)
{
    TRY_ASSIGN(const auto objects, objects_of(step));
    TRY_ASSIGN(const auto now, observe(ops::paths_of(step), deadline));
    for (const auto& field : step.fields)
        if (!ops::is_recorded_value(*field.after, *now.at(field.path).value))
            return fail(ErrorKind::unverified, fmt::format("{} is by now something else", field.path));
    for (const auto& object : objects)
        if (object.what == Place::What::workload)
            TRY(settings_.wait_rolled(
                object.name, [&](std::string_view line) { progress.waiting(object.name, std::string(line)); },
                deadline));
    const auto written = parse_time(json_string_or(*applied.data, "written_at", ""));
    // What is taken back at once holds what the instances were started with.
    if (!written || json_bool_or(*applied.data, "compensation", false))
        return {};
    return verify_started(objects, *written, deadline);
}

Result<> SettingsTarget::check_started(const ops::Step& step, Deadline deadline)
{
    TRY_ASSIGN(const auto objects, objects_of(step));
    return verify_started(objects, std::nullopt, deadline);
}

// nullopt: the server does not say it.
Result<std::optional<WallTime>> SettingsTarget::last_written(const Object& object, const std::string& key,
                                                             Deadline deadline)
{
    if (object.what == Place::What::map) {
        TRY_ASSIGN(const auto map, map_if_there(settings_, object.name, deadline));
        const auto at = map ? map->written.find(key) : std::map<std::string, WallTime>::const_iterator{};
        return map && at != map->written.end() ? std::optional(at->second) : std::nullopt;
    }
    TRY_ASSIGN(const auto secret, settings_.secret(object.name, deadline));
    const auto found = std::ranges::find(secret.keys, key, &SecretKey::name);
    return found == secret.keys.end() ? std::optional<WallTime>{} : found->written;
}

Result<> SettingsTarget::verify_started(const std::vector<Object>& objects, std::optional<WallTime> written,
                                        Deadline deadline)
{
    TRY_ASSIGN(const auto uses, settings_.uses(deadline));
    // Whose templates this step wrote, these run the new one only: their pods may be of the write's second.
    std::set<std::string> rolled;
    for (const auto& object : objects)
        if (object.what == Place::What::workload)
            rolled.insert(object.name);
    std::map<std::string, std::set<std::string>> waiting; // by workload: what it read
    bool loose = false;
    for (const auto& object : objects)
        for (const auto& [place, field] : object.fields)
            for (const auto& use : settings_fields::affected(uses, place)) {
                if (!read_at_start(use.how) || rolled.contains(use.workload))
                    continue;
                auto at = written;
                if (!at) {
                    TRY_ASSIGN(at, last_written(object, place.key, deadline));
                }
                std::vector<std::string> old{use.workload};
                if (can_roll(use) && at) {
                    TRY_ASSIGN(old, settings_.started_before(use.workload, *at, deadline));
                }
                loose = loose || !can_roll(use);
                if (!old.empty())
                    waiting[use.workload].insert(fmt::format("{} by {}", place.key, read_as_name(use.how)));
            }
    if (waiting.empty())
        return {};
    std::vector<std::string> told;
    for (const auto& [workload, what] : waiting)
        told.push_back(fmt::format("{} reads {} only when it starts", workload,
                                   join(std::vector<std::string>(what.begin(), what.end()), ", ")));
    const auto next = loose ? std::string("start them anew")
                            : fmt::format("conduitctl restart --workload {}", waiting.begin()->first);
    return fail(ErrorKind::unverified,
                fmt::format("{}; what was started before still runs with what was there: {}",
                            join(told, "; "), next));
}

} // namespace conduit
