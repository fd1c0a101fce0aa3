// SPDX-License-Identifier: Apache-2.0
// `volume`: what keeps the instances' data.
#include "cli/commands/all.hpp"
#include "cli/commands/releases.hpp"
#include "cli/orchestrator/volumes.hpp"
#include "cli/targets/volumes.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct VolumeOptions {
    std::string volume;
};

struct ExpandOptions : VolumeOptions {
    std::string size;
    ops::ChangeOptions change;
};

Completer volume_completer()
{
    return {.key = "volumes",
            .fetch = [](App& app, std::span<const std::string>) -> Result<std::vector<Candidate>> {
                TRY_ASSIGN(Volumes * volumes, app.volumes());
                TRY_ASSIGN(const auto all, volumes->list(app.deadline(2s)));
                std::vector<Candidate> out;
                for (const auto& one : all)
                    out.push_back({one.name, one.capacity});
                return out;
            }};
}

Json item_of(const Volume& volume)
{
    Json conditions = Json::array();
    for (const auto& one : volume.conditions)
        conditions.push_back({{"type", one.type}, {"message", one.message}});
    Json item{{"name", volume.name},
              {"phase", volume.phase},
              {"requested", volume.requested},
              {"capacity", volume.capacity.empty() ? Json() : Json(volume.capacity)},
              {"storage_class", volume.storage_class.empty() ? Json() : Json(volume.storage_class)},
              {"volume", volume.volume.empty() ? Json() : Json(volume.volume)},
              {"used_by", volume.used_by},
              {"instances", volume.used_by.size()},
              {"conditions", std::move(conditions)}};
    item["expands"] = volume.expands ? Json(*volume.expands) : Json();
    item["created"] = volume.created ? Json(format_time(*volume.created)) : Json();
    return item;
}

void note_conditions(const Volume& volume, std::vector<std::string>& notes)
{
    for (const auto& one : volume.conditions)
        notes.push_back(
            fmt::format("{}: {}{}{}", volume.name, one.type, one.message.empty() ? "" : ": ", one.message));
}

Result<Report> ls(App& app)
{
    TRY_ASSIGN(Volumes * volumes, app.volumes());
    TRY_ASSIGN(const auto all, volumes->list(app.deadline(k_read_timeout)));
    Json items = Json::array();
    std::vector<std::string> notes;
    for (const auto& one : all) {
        items.push_back(item_of(one));
        note_conditions(one, notes);
    }
    using enum Column::Format;
    const auto right = Column::Align::right;
    auto report = list_report(std::move(items),
                              {{.head = "NAME", .field = "name"},
                               {.head = "PHASE", .field = "phase"},
                               {.head = "SIZE", .field = "capacity", .align = right},
                               {.head = "WANTED", .field = "requested", .align = right},
                               {.head = "CLASS", .field = "storage_class"},
                               {.head = "EXPANDS", .field = "expands", .format = yes_no},
                               {.head = "USED-BY", .field = "instances", .format = integer, .align = right},
                               {.head = "VOLUME", .field = "volume", .wide_only = true},
                               {.head = "AGE", .field = "created", .format = age}});
    if (all.empty())
        notes.emplace_back("no volume is claimed here");
    report.notes = std::move(notes);
    return report;
}

Result<Report> inspect(App& app, const VolumeOptions& o)
{
    TRY_ASSIGN(Volumes * volumes, app.volumes());
    TRY_ASSIGN(const auto volume, volumes->get(o.volume, app.deadline(k_read_timeout)));
    Report report;
    report.data = item_of(volume);
    note_conditions(volume, report.notes);
    return report;
}

// A class that cannot grow it, a size that is no growth: said before anything is written.
Result<> check_growth(const Volume& volume, const std::string& size)
{
    TRY_ASSIGN(const auto wanted, parse_bytes(size));
    const auto now = parse_bytes(volume.requested);
    if (now && wanted < *now)
        return fail(ErrorKind::refused,
                    fmt::format("volume {} has {}: it can only grow, not shrink to {}", volume.name,
                                volume.requested, size),
                    "Make a smaller one and copy the data.");
    if (volume.phase != "Bound")
        return fail(ErrorKind::refused,
                    fmt::format("volume {} is {}: only one that is bound can grow", volume.name,
                                to_lower(volume.phase)),
                    fmt::format("See: conduitctl volume inspect {}", volume.name));
    if (volume.expands.has_value() && !*volume.expands)
        return fail(ErrorKind::refused,
                    volume.storage_class.empty()
                        ? fmt::format("volume {} has no storage class: nothing can grow it", volume.name)
                        : fmt::format("storage class {} of volume {} does not allow to grow",
                                      volume.storage_class, volume.name),
                    "Copy the data to a volume of a class with allowVolumeExpansion: true.");
    return {};
}

Result<Report> expand(App& app, const ExpandOptions& o)
{
    TRY_ASSIGN(const auto size, canonical_quantity(o.size));
    TRY_ASSIGN(Volumes * volumes, app.volumes());
    TRY_ASSIGN(const auto volume, volumes->get(o.volume, app.deadline(k_read_timeout)));
    TRY(check_growth(volume, size));
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(ops::Target * found, operations->target("volumes"));
    auto* target = dynamic_cast<ops::VolumeTarget*>(found);
    if (target == nullptr)
        return fail(ErrorKind::internal, "the context has no target of volumes");
    auto intent = ops::expand_intent(*target, volume.name, size);
    intent.lines = {{"for ever", "it cannot be made smaller again"}};
    if (!volume.used_by.empty())
        intent.lines.emplace_back("used by", join(volume.used_by, ", "));
    if (!volume.expands)
        intent.lines.emplace_back("class", "you may not see whether it allows to grow; the server decides");
    auto options = o.change;
    if (!app.global().timeout)
        options.timeout = k_rollout_timeout;
    return operations->change(intent, options);
}

} // namespace

Noun volume()
{
    return {
        .name = "volume",
        .summary = "What keeps the instances' data",
        .group = Group::stores,
        .verbs = {
            verb({.name = "ls",
                  .summary = "List claimed volumes, their size and who uses them",
                  .examples = {"conduitctl volume ls"},
                  .also = also_refused(),
                  .backends = {"kubernetes"}},
                 ls),
            verb<VolumeOptions>(
                {.name = "inspect",
                 .summary = "Show one volume and what is under way with it",
                 .examples = {"conduitctl volume inspect data-postgres-0"},
                 .also = also_refused(),
                 .backends = {"kubernetes"}},
                [](Flags& f, VolumeOptions& o) {
                    f.arg("VOLUME", o.volume, "The claim's name").complete(volume_completer());
                },
                inspect),
            verb<ExpandOptions>(
                {.name = "expand",
                 .summary = "Grow a volume; it never shrinks again",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::none,
                 .text = "Refused when its storage class does not allow it, and for a size that is smaller. "
                         "Done when the volume and its file system have the size; some file systems grow "
                         "only when a pod mounts the volume anew, which it says.",
                 .examples = {"conduitctl volume expand data-postgres-0 --size 200Gi --yes"},
                 .omitted = {{ErrorKind::rolled_back, "a volume cannot shrink: 10"}},
                 .covers = {"E-alerts-11"},
                 .backends = {"kubernetes"}},
                [](Flags& f, ExpandOptions& o) {
                    f.arg("VOLUME", o.volume, "The claim's name").complete(volume_completer());
                    f.opt("--size", o.size, "How large it shall be").value("SIZE").required();
                    change_flags(f, o.change);
                },
                expand),
        }};
}

} // namespace conduit::commands
