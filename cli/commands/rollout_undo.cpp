// SPDX-License-Identifier: Apache-2.0
// `rollout undo`: back to a revision that is kept, shown before.
#include "cli/commands/releases.hpp"
#include "cli/commands/rollout.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct UndoOptions {
    std::string workload = "agent";
    std::optional<std::int64_t> to_revision;
    ops::ChangeOptions change;
};

std::string kept_text(const std::vector<Revision>& all)
{
    std::vector<std::string> numbers;
    for (const auto& one : all)
        numbers.push_back(fmt::format("{}{}", one.number, one.current ? " (current)" : ""));
    return numbers.empty() ? "none" : join(numbers, ", ");
}

Result<const Revision*> chosen(const std::vector<Revision>& all, const UndoOptions& o)
{
    const Revision* current = nullptr;
    for (const auto& one : all)
        if (one.current)
            current = &one;
    if (current == nullptr)
        return fail(ErrorKind::unknown,
                    fmt::format("the controller has not seen the last change of {} yet", o.workload),
                    "Repeat the command in a moment.");
    const Revision* before = nullptr;
    for (const auto& one : all) {
        if (o.to_revision && one.number == *o.to_revision)
            return &one;
        if (one.number < current->number)
            before = &one;
    }
    if (!o.to_revision && before != nullptr)
        return before;
    return fail(ErrorKind::not_found,
                o.to_revision ? fmt::format("revision {} of {} is not kept; kept are {}", *o.to_revision,
                                            o.workload, kept_text(all))
                              : fmt::format("no revision before the current one of {} is kept", o.workload),
                fmt::format("See them: conduitctl rollout history --workload {}", o.workload));
}

// Which places differ, without their values: they may be secrets. Named list items are told by name.
void differing(const Json& a, const Json& b, const std::string& place, std::vector<std::string>& out)
{
    if (canonical_json(a) == canonical_json(b))
        return;
    if (a.is_object() && b.is_object()) {
        for (const auto& [key, value] : a.items())
            differing(value, b.contains(key) ? b[key] : Json(), place.empty() ? key : place + "." + key, out);
        for (const auto& [key, value] : b.items())
            if (!a.contains(key))
                differing(Json(), value, place.empty() ? key : place + "." + key, out);
        return;
    }
    const bool lists = (a.is_array() || a.is_null()) && (b.is_array() || b.is_null()) && a != b;
    const auto named = [](const Json& list) {
        return std::ranges::all_of(list,
                                   [](const Json& one) { return !json_string_or(one, "name", "").empty(); });
    };
    if (!lists || !named(a) || !named(b)) {
        out.push_back(place);
        return;
    }
    const auto find = [](const Json& list, const std::string& name) {
        for (const auto& one : list)
            if (json_string_or(one, "name", "") == name)
                return one;
        return Json();
    };
    for (const auto& one : a)
        differing(one, find(b, one["name"].get<std::string>()),
                  fmt::format("{}[{}]", place, one["name"].get<std::string>()), out);
    for (const auto& one : b)
        if (find(a, one["name"].get<std::string>()).is_null())
            out.push_back(fmt::format("{}[{}]", place, one["name"].get<std::string>()));
}

std::vector<std::pair<std::string, std::string>> what_returns(const Revision& now, const Revision& then)
{
    std::vector<std::pair<std::string, std::string>> lines;
    lines.emplace_back("revision", fmt::format("{} → {}{}", now.number, then.number,
                                               then.cause.empty() ? "" : fmt::format(" ({})", then.cause)));
    if (then.made_at)
        lines.emplace_back("made at", format_time(*then.made_at));
    for (const auto& [container, image] : then.images) {
        const auto was =
            std::ranges::find(now.images, container, &std::pair<std::string, std::string>::first);
        if (was == now.images.end() || was->second != image)
            lines.emplace_back("image " + container,
                               fmt::format("{} → {}", was == now.images.end() ? "-" : was->second, image));
    }
    std::vector<std::string> places;
    differing(*now.pods, *then.pods, "", places);
    std::erase_if(places, [](const std::string& place) { return place.ends_with(".image"); });
    if (!places.empty())
        lines.emplace_back("also differ", join(places, ", "));
    lines.emplace_back("not taken back", "configuration, secrets and the schema of databases");
    return lines;
}

Result<Report> undo_run(App& app, const UndoOptions& o)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    TRY_ASSIGN(const auto all, releases->revisions(o.workload, app.deadline(k_read_timeout)));
    TRY_ASSIGN(const Revision* then, chosen(all, o));
    const auto& now = *std::ranges::find_if(all, &Revision::current);
    ops::ReleaseChange change{.verb = "rollout undo",
                              .workload = o.workload,
                              .summary = fmt::format("take {} back to revision {}", o.workload, then->number),
                              .fields = {{setting(o.workload, "template"), JsonBox(Json(then->name))}},
                              .lines = what_returns(now, *then),
                              .undo = "the revision that is current now comes back, as long as it is kept"};
    return change_release(app, std::move(change), o.change);
}

} // namespace

Verb rollout_undo()
{
    return verb<UndoOptions>(
        {.name = "undo",
         .summary = "Go back to a revision that is kept",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::exact,
         .text = "To the revision before the current one, or to the one that is named. The plan shows what "
                 "returns. Configuration, secrets and the schema of databases stay as they are.",
         .examples = {"conduitctl rollout undo --workload conduit-api --yes",
                      "conduitctl rollout undo --workload conduit-api --to-revision 2"},
         .covers = {"C-roll-4", "E-roll-undo-1", "E-roll-undo-2"},
         .backends = {"kubernetes"}},
        [](Flags& f, UndoOptions& o) {
            f.opt("--to-revision", o.to_revision, "A number of `rollout history`").value("N");
            workload_flag(f, o.workload);
            change_flags(f, o.change);
        },
        undo_run);
}

} // namespace conduit::commands
