// SPDX-License-Identifier: Apache-2.0
// `dump`: what a process holds, before it is restarted.
#include "cli/orchestrator/dump.hpp"
#include "cli/commands/all.hpp"
#include "cli/commands/inside.hpp"
#include "cli/commands/instances.hpp"
#include "cli/commands/support.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct DumpOptions {
    std::string instance;
    std::string out;
    std::string kind = "heap";
    std::string container;
    std::string folder;
    int pid = 1;
    ops::ChangeOptions change;
};

void dump_flags(Flags& flags, DumpOptions& o)
{
    flags.arg("INSTANCE", o.instance, "Whose process").complete(instance_completer());
    flags.opt("--out", o.out, "File here; it gets mode 0600").value("FILE").required();
    flags.choice("--kind", o.kind, {"heap", "threads"}, "What is written");
    flags.opt("--pid", o.pid, "Which process of it").between(1, 4'194'304);
    flags.opt("--container,-c", o.container, "Which container of the instance").value("NAME");
    flags.opt("--folder", o.folder, "Where it is written there meanwhile").value("PATH");
    change_flags(flags, o.change);
}

// What would harm more than it helps.
Result<> check_plan(const DumpPlan& plan, bool force)
{
    const auto& instance = plan.place.instance;
    if (plan.tool.empty())
        return fail(ErrorKind::refused,
                    fmt::format("the image of {} has no tool that writes a heap (dotnet-dump, jcmd, gcore)",
                                instance),
                    fmt::format("Put one into a volume at /tools, or into the image; what its threads do can "
                                "be seen without: conduitctl dump {} --kind threads --out FILE",
                                instance));
    if (plan.folder.empty())
        return fail(ErrorKind::refused, fmt::format("no folder of {} can be written", instance),
                    "Name one that can with --folder, or mount an emptyDir at /dumps.");
    // A full disk has the whole pod evicted; a tenth more, since a heap on disk is seldom smaller.
    const auto needed = plan.memory + plan.memory / 10;
    if (plan.kind == DumpKind::heap && plan.free && *plan.free < needed)
        return fail(ErrorKind::refused,
                    fmt::format("{} in {} has {} free, the dump may take {}", plan.folder, instance,
                                human_bytes(*plan.free), human_bytes(needed)),
                    "Name a folder on a larger disk: --folder PATH");
    const auto pause = dump_pause(plan);
    if (!force && plan.place.patience && *plan.place.patience < pause)
        return fail(ErrorKind::refused,
                    fmt::format("{} would stand still for about {}: its liveness probe ends it after {}",
                                instance, human_duration(pause), human_duration(*plan.place.patience)),
                    "Give the probe more time first, or add: --force --reason TEXT");
    return {};
}

std::string said_of(const DumpPlan& plan)
{
    return fmt::format("{} of process {} ({}, {}) by {}", plan.kind == DumpKind::heap ? "heap" : "threads",
                       plan.pid, plan.process.empty() ? "?" : plan.process, human_bytes(plan.memory),
                       fs::path(plan.tool).filename().string());
}

Result<Report> dump_run(App& app, const DumpOptions& o)
{
    if (o.change.no_wait)
        return fail(ErrorKind::usage, "dump waits for its file: --no-wait has no meaning", "Leave it out.");
    TRY_ASSIGN(InstanceStreams * streams, app.streams());
    const auto deadline = app.deadline(k_read_timeout);
    TRY_ASSIGN(auto place, streams->place(o.instance, o.container, deadline));
    const auto kind = o.kind == "heap" ? DumpKind::heap : DumpKind::threads;
    TRY_ASSIGN(const auto plan,
               plan_dump(*streams, {std::move(place), kind, o.pid, o.folder}, app.cancel(), deadline));
    TRY(check_plan(plan, o.change.force));
    const auto& instance = plan.place.instance;
    const OnceChange change{.verb = "dump",
                            .instance = instance,
                            .summary = fmt::format("write the {} of {} to {}", o.kind, instance, o.out),
                            .shown = fmt::format("{}; it stands still for about {}", said_of(plan),
                                                 human_duration(dump_pause(plan))),
                            .arguments = Json{{"instance", instance},
                                              {"container", plan.place.container},
                                              {"kind", o.kind},
                                              {"pid", o.pid},
                                              {"to", o.out}},
                            .verifiable = true,
                            .moderate = true};
    JsonBox taken;
    auto report = change_once(
        app, change,
        [&](const ops::WriteContext& context) -> Result<ops::Applied> {
            TRY_ASSIGN(const auto dumped,
                       take_dump(*streams, plan, fs::path(o.out), app.cancel(), context.deadline));
            taken = Json{{"to", dumped.to}, {"bytes", dumped.bytes}, {"sha256", dumped.sha256}};
            return ops::Applied{.observed = fmt::format("{} ({}), sha256 {}", dumped.to,
                                                        human_bytes(dumped.bytes), dumped.sha256),
                                .data = *taken};
        },
        o.change);
    if (!report || taken->is_null())
        return report;
    report->data->update(*taken);
    report->data->update({{"instance", instance},
                          {"process", plan.process},
                          {"tool", fs::path(plan.tool).filename().string()}});
    report->notes.emplace_back("it holds keys and what users said: keep it secret, and delete it after use");
    return report;
}

} // namespace

Noun dump()
{
    return standalone<DumpOptions>(
        Group::instances,
        {.name = "dump",
         .summary = "Bring the heap or the threads of a process here",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::none,
         .text = "With the tool that the image has: dotnet-dump, jcmd or gcore for a heap; dotnet-stack, "
                 "jcmd, py-spy or the kernel's own view for threads. The process stands still "
                 "meanwhile. Refused when the disk there is too small, or when the liveness probe would end "
                 "it. The file gets mode 0600, its hash is compared, and nothing stays in the instance, "
                 "also when it is interrupted.",
         .examples = {"conduitctl dump conduit-audio-7c9d --out heap.dmp --yes",
                      "conduitctl dump agent-1 --kind threads --out threads.txt --yes"},
         .omitted = {{ErrorKind::stale, "writes no field that could have moved"},
                     {ErrorKind::locked, "keeps nobody out"},
                     {ErrorKind::unverified, "a copy that is not verified is not there"}},
         .covers = {"A-ts-mem-5"},
         .backends = {"orchestrator"},
         .steps = false},
        dump_flags, dump_run);
}

} // namespace conduit::commands
