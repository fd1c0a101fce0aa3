// SPDX-License-Identifier: Apache-2.0
#include "cli/app/operations.hpp"

#include "cli/app/screen.hpp"

#include <array>
#include <csignal>
#include <fmt/format.h>
#include <unistd.h>

namespace conduit {
namespace {

std::string host_name()
{
    std::array<char, 256> name{};
    return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "unknown";
}

std::string context_line(const Context& context, const std::string& name_space)
{
    switch (context.orchestrator) {
    case OrchestratorKind::kubernetes:
        return fmt::format("{} (kubernetes, {}, namespace {})", context.name,
                           context.kubernetes.context.empty() ? "the kubeconfig's current context"
                                                              : context.kubernetes.context,
                           name_space.empty() ? "of the kubeconfig" : name_space);
    case OrchestratorKind::compose:
        return fmt::format("{} (compose, project {})", context.name, context.compose.project);
    case OrchestratorKind::local:
        return fmt::format("{} (local, {})", context.name, context.dir.string());
    }
    return context.name;
}

} // namespace

// Beside what is locked, so that all who work on this host meet at the same lock; the folder is made by
// `local up`.
fs::path lock_folder(App& app)
{
    if (const auto context = app.context(); context && (*context)->orchestrator == OrchestratorKind::local) {
        const auto state = ((*context)->dir.empty() ? app.paths().data_dir : (*context)->dir) / "state";
        if (fs::is_directory(state))
            return state / "locks";
    }
    return app.paths().state_dir / "locks";
}

fs::path reversal_folder(App& app, const Context& context)
{
    if (context.orchestrator == OrchestratorKind::local)
        return (context.dir.empty() ? app.paths().data_dir : context.dir) / "state" / "reversals";
    return app.paths().state_dir / "reversals" / context.name;
}

Operations::Operations(App& app)
    : app_(app), journal_(std::make_unique<ops::Journal>(app.paths().state_dir / "journal", app.clock())),
      locks_(std::make_unique<ops::FlockStore>(lock_folder(app), app.clock())),
      prompt_(make_console_prompt(app)), progress_(make_console_progress(app))
{
    const auto context = app.context();
    folder_ = std::make_unique<ops::ReversalFolder>(
        context ? reversal_folder(app, **context) : app.paths().state_dir / "reversals", app.clock());
    reversals_ = folder_.get();
}

Operations::~Operations() = default;

void Operations::set_crash_points(std::unique_ptr<ops::CrashPoints> points)
{
    crash_ = std::move(points);
}

void Operations::set_records(ops::JournalMirror& mirror, ops::ReversalStore& reversals)
{
    journal_->set_mirror(&mirror);
    reversals_ = &reversals;
}

void Operations::set_locks(std::unique_ptr<ops::LockStore> locks)
{
    locks_ = std::move(locks);
}

void Operations::add_target(const std::string& kind, Maker maker)
{
    makers_[kind] = std::move(maker);
}

Result<ops::Target*> Operations::target(const std::string& kind)
{
    if (const auto made = targets_.find(kind); made != targets_.end())
        return made->second.get();
    const auto maker = makers_.find(kind);
    if (maker == makers_.end())
        return fail(ErrorKind::not_found, fmt::format("this context has no target of kind '{}'", kind));
    TRY_ASSIGN(auto target, maker->second(app_));
    return targets_.emplace(kind, std::move(target)).first->second.get();
}

Result<ops::Target*> Operations::find(const std::string& kind, const std::string& identity)
{
    TRY_ASSIGN(ops::Target * found, target(kind));
    if (found->identity() != identity)
        return fail(
            ErrorKind::not_found,
            fmt::format("the operation was made in '{}', this context is '{}'", identity, found->identity()),
            "Name the context it was made in: conduitctl -C CONTEXT undo ID");
    return found;
}

Result<ops::Host> Operations::host(const ops::ChangeOptions& options)
{
    TRY_ASSIGN(const Context* context, app_.context());
    ops::Host host{.clock = app_.clock(),
                   .cancel = app_.cancel(),
                   .journal = *journal_,
                   .locks = *locks_,
                   .prompt = *prompt_,
                   .progress = *progress_,
                   .reversals = reversals_,
                   .crash = crash_.get(),
                   .operator_name = app_.operator_name(),
                   .host_name = host_name(),
                   .context = context->name,
                   .context_line = context_line(*context, app_.name_space()),
                   .explicit_context = app_.global().context_from_flag,
                   .command = app_.command_line(),
                   .confirmed_by = {},
                   .guards = context->guards,
                   .options = options};
    if (app_.global().timeout)
        host.options.timeout = *app_.global().timeout;
    return host;
}

Result<Report> Operations::change(const ops::Intent& intent, const ops::ChangeOptions& options)
{
    TRY_ASSIGN(auto made, host(options));
    return ops::run_change(made, intent);
}

Result<Report> Operations::undo(std::string_view id, const ops::ChangeOptions& options)
{
    TRY_ASSIGN(auto made, host(options));
    return ops::run_undo(made, *this, id);
}

Result<Report> Operations::resume(std::string_view id, const ops::ChangeOptions& options)
{
    TRY_ASSIGN(auto made, host(options));
    return ops::run_resume(made, *this, id);
}

Result<ops::Served> Operations::serve_reversals_once()
{
    ops::ChangeOptions options;
    options.yes = true;
    options.reason = "its time was up";
    TRY_ASSIGN(auto made, host(options));
    return ops::serve_reversals_once(made, *reversals_, *this);
}

} // namespace conduit
