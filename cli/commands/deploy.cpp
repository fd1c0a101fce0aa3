// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/releases.hpp"

namespace conduit::commands {
namespace {

struct DeployOptions {
    std::string workload = "agent";
    std::string container;
    std::string image;
    bool no_rollback = false;
    ops::ChangeOptions change;
};

void deploy_flags(Flags& flags, DeployOptions& o)
{
    flags.opt("--image", o.image, "What to run: registry/name@sha256:DIGEST or registry/name:tag")
        .value("REF")
        .required();
    workload_flag(flags, o.workload);
    flags.opt("--container", o.container, "Which container, where there are several").value("NAME");
    flags.flag("--no-rollback", o.no_rollback, "Leave a version that fails as it is (exit 10)");
    change_flags(flags, o.change);
}

Result<Report> deploy_run(App& app, const DeployOptions& o)
{
    return start_release(app, "deploy", o.workload, o.container, o.image, !o.no_rollback, o.change);
}

} // namespace

Noun deploy()
{
    return standalone<DeployOptions>(
        Group::releases,
        {.name = "deploy",
         .summary = "Run another image, and take it back when it fails",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::exact,
         .text = "Done when every replica is of the new version and available. A crash loop, an image that "
                 "cannot be pulled, a full quota or a pod that cannot be placed ends the wait at once, with "
                 "the last lines of the pod, and the version before is put back. Where an Argo Rollout has "
                 "this name, the Rollout is what is changed. Configuration, secrets and the schema of a "
                 "database are not part of it.",
         .examples = {"conduitctl deploy --image registry.local/agent:v1.2.3 --yes",
                      "conduitctl deploy --workload conduit-api --container api --image "
                      "registry.local/conduit:v1.2.3 --yes"},
         .covers = {"C-roll-1", "E-roll-dep-1"},
         .backends = {"kubernetes"}},
        deploy_flags, deploy_run);
}

} // namespace conduit::commands
