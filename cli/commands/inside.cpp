// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/inside.hpp"

#include "cli/app/operations.hpp"
#include "cli/commands/support.hpp"
#include "cli/ops/redact.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

constexpr Duration k_no_end{std::chrono::hours{24 * 365}};

ops::Intent intent_of(ops::Target& target, const OnceChange& change)
{
    ops::Step step;
    step.resource = "instance/" + change.instance;
    step.action = change.verb;
    step.arguments = change.arguments;
    step.summary = change.shown;
    step.verify = change.verifiable ? "the hashes of both sides are the same" : "its effect cannot be seen";
    step.undo = "it cannot be taken back";
    step.reversible = false;
    step.verifiable = change.verifiable;
    ops::Intent intent;
    intent.target = &target;
    intent.verb = change.verb;
    intent.summary = change.summary;
    intent.confirm_name = change.instance;
    intent.tier = change.moderate ? ops::Tier::moderate : ops::Tier::mild;
    intent.undo = ops::UndoKind::none;
    intent.rollback = false;
    intent.steps.push_back(std::move(step));
    return intent;
}

} // namespace

Result<Report> change_once(App& app, const OnceChange& change, ops::OnceTarget::Act act,
                           ops::ChangeOptions options)
{
    TRY_ASSIGN(const Context* context, app.context());
    if (!change.speaks && !context->guards.protected_context) {
        auto quiet = app.global();
        quiet.progress = ProgressMode::none;
        app.set_global(quiet);
    }
    app.set_command_line(ops::without_secrets(app.command_line()));
    if (!app.global().timeout)
        options.timeout = k_no_end;
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(ops::Target * found, operations->target("instances"));
    auto* target = dynamic_cast<ops::OnceTarget*>(found);
    if (target == nullptr)
        return fail(ErrorKind::internal, "the context's instances are no target of commands");
    target->set_act(change.arguments, std::move(act));
    return operations->change(intent_of(*target, change), options);
}

} // namespace conduit::commands
