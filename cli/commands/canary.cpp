// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/releases.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct CanaryOptions {
    std::string workload = "agent";
    std::string container;
    std::string image;
    bool full = false;
    ops::ChangeOptions change;
};

void start_flags(Flags& flags, CanaryOptions& o)
{
    flags.opt("--image", o.image, "What to try: registry/name@sha256:DIGEST or registry/name:tag")
        .value("REF")
        .required();
    workload_flag(flags, o.workload);
    flags.opt("--container", o.container, "Which container, where there are several").value("NAME");
    change_flags(flags, o.change);
}

void promote_flags(Flags& flags, CanaryOptions& o)
{
    flags.flag("--full", o.full, "Skip the remaining steps: all traffic to the new version");
    workload_flag(flags, o.workload);
    change_flags(flags, o.change);
}

void abort_flags(Flags& flags, CanaryOptions& o)
{
    workload_flag(flags, o.workload);
    change_flags(flags, o.change);
}

struct StatusOptions {
    std::string workload = "agent";
};

Result<Report> status(App& app, const StatusOptions& o)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    TRY_ASSIGN(auto data, releases->canary(o.workload, app.deadline(k_read_timeout)));
    Report report;
    const auto phase = json_string_or(*data, "phase", "");
    report.verdict = phase == "Degraded" ? ErrorKind::breached : ErrorKind::ok;
    if (json_bool_or(*data, "paused", false))
        report.next = {fmt::format("conduitctl canary promote --workload {} --yes", o.workload),
                       fmt::format("conduitctl canary abort --workload {} --yes", o.workload)};
    report.data = std::move(data);
    report.name_field = "workload";
    return report;
}

Result<Report> start(App& app, const CanaryOptions& o)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    TRY(releases->canary(o.workload, app.deadline(k_read_timeout)));
    return start_release(app, "canary start", o.workload, o.container, o.image, true, o.change);
}

Result<Report> steer(App& app, const CanaryOptions& o, const std::string& action)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    TRY(releases->canary(o.workload, app.deadline(k_read_timeout)));
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(ops::Target * target, operations->target("releases"));
    auto* found = dynamic_cast<ops::ReleaseTarget*>(target);
    if (found == nullptr)
        return fail(ErrorKind::internal, "the context has no target of releases");
    return operations->change(ops::canary_intent(*found, o.workload, action), o.change);
}

Result<Report> promote(App& app, const CanaryOptions& o)
{
    return steer(app, o, o.full ? "full" : "promote");
}

Result<Report> abort(App& app, const CanaryOptions& o)
{
    return steer(app, o, "abort");
}

std::vector<Omitted> steers()
{
    return {{ErrorKind::stale, "says a state and writes no field"},
            {ErrorKind::rolled_back, "it cannot be taken back: 10"}};
}

} // namespace

Noun canary()
{
    return {
        .name = "canary",
        .summary = "Try a version on part of the traffic (Argo Rollouts)",
        .group = Group::releases,
        .verbs = {
            verb<CanaryOptions>({.name = "start",
                                 .summary = "Give part of the traffic to another image",
                                 .effect = Effect::change,
                                 .tier = Tier::moderate,
                                 .undo = Undo::exact,
                                 .text = "Done when the Rollout waits at its first step, or serves. Refused "
                                         "in a cluster without Argo Rollouts.",
                                 .examples = {"conduitctl canary start --workload audio-service --image "
                                              "registry.local/audio:v1.2.3 --yes"},
                                 .backends = {"kubernetes"}},
                                start_flags, start),
            verb<StatusOptions>(
                {.name = "status",
                 .summary = "Show step, weight and phase of the canary",
                 .examples = {"conduitctl canary status --workload audio-service"},
                 .also = also_refused({ErrorKind::breached}),
                 .backends = {"kubernetes"}},
                [](Flags& f, StatusOptions& o) { workload_flag(f, o.workload); }, status),
            verb<CanaryOptions>(
                {.name = "promote",
                 .summary = "Go on behind the pause, or to the end",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::none,
                 .examples = {"conduitctl canary promote --workload audio-service --yes",
                              "conduitctl canary promote --workload audio-service --full --yes"},
                 .omitted = steers(),
                 .backends = {"kubernetes"}},
                promote_flags, promote),
            verb<CanaryOptions>({.name = "abort",
                                 .summary = "Give all traffic back to the stable version",
                                 .effect = Effect::change,
                                 .tier = Tier::mild,
                                 .undo = Undo::none,
                                 .text = "The template keeps the new image: the next deploy or canary start "
                                         "sets another.",
                                 .examples = {"conduitctl canary abort --workload audio-service"},
                                 .omitted = steers(),
                                 .backends = {"kubernetes"}},
                                abort_flags, abort),
        }};
}

} // namespace conduit::commands
