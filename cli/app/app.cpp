// SPDX-License-Identifier: Apache-2.0
#include "cli/app/app.hpp"

#include "cli/app/module.hpp"
#include "cli/app/operations.hpp"
#include "cli/backend/agent.hpp"
#include "cli/backend/database.hpp"
#include "cli/backend/redis.hpp"
#include "cli/backup/backups.hpp"
#include "cli/command/render.hpp"
#include "cli/orchestrator/certificates.hpp"
#include "cli/orchestrator/endpoints.hpp"
#include "cli/orchestrator/local_stack.hpp"
#include "cli/orchestrator/orchestrator.hpp"
#include "cli/orchestrator/releases.hpp"
#include "cli/orchestrator/settings.hpp"
#include "cli/orchestrator/streams.hpp"
#include "cli/orchestrator/volumes.hpp"
#include "core/http.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <pwd.h>
#include <unistd.h>

namespace conduit {

Environment current_environment()
{
    Environment env;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        if (const auto equals = text.find('='); equals != std::string_view::npos)
            env.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    return env;
}

App::App(AppParts parts) : parts_(std::move(parts)), paths_(resolve_paths(parts_.env)) {}
App::~App() = default;

std::string App::env_or(std::string_view name, std::string_view otherwise) const
{
    const auto found = parts_.env.find(name);
    return found == parts_.env.end() || found->second.empty() ? std::string(otherwise) : found->second;
}

void App::set_global(GlobalOptions global)
{
    global_ = std::move(global);
}

std::string App::operator_name() const
{
    if (const std::string named = env_or("CONDUIT_OPERATOR", ""); !named.empty())
        return named;
    const passwd* entry = getpwuid(getuid()); // NOLINT(concurrency-mt-unsafe): the CLI's only thread
    return entry != nullptr ? entry->pw_name : fmt::format("uid-{}", getuid());
}

std::string App::program_path() const
{
    std::error_code error;
    const fs::path self = fs::read_symlink("/proc/self/exe", error);
    return error ? "conduitctl" : self.string();
}

ConfigPlaces App::config_places() const
{
    const fs::path file =
        global_.config.empty() ? paths_.config_file : expand_home(global_.config, paths_.home.string());
    return {.file = file, .home = paths_.home.string(), .local_dir = paths_.data_dir};
}

Result<const Config*> App::config()
{
    if (!config_) {
        TRY_ASSIGN(config_, load_config(config_places()));
    }
    return &*config_;
}

Result<const Context*> App::context()
{
    TRY_ASSIGN(const Config* config, this->config());
    const std::string& name = global_.context.empty() ? config->current_context : global_.context;
    if (const Context* found = config->find(name))
        return found;
    return std::unexpected(Error{ErrorKind::not_found, unknown_name("context", name, config->names()),
                                 "See: conduitctl context ls"}
                               .with_detail("file", config->file.string()));
}

std::string App::name_space()
{
    if (!global_.name_space.empty())
        return global_.name_space;
    const auto found = context();
    return found ? (*found)->kubernetes.name_space : std::string{};
}

Result<Secret> App::secret(const SecretRef& ref)
{
    return resolve_secret(ref, {.home = paths_.home.string(), .env = &parts_.env}, deadline(30s));
}

Result<BackendModule*> App::backends()
{
    TRY_ASSIGN(LoadedModule * loaded, module_slot.get(*this));
    return &loaded->backends();
}

Deadline App::deadline(Duration otherwise) const
{
    return Deadline(global_.timeout.value_or(otherwise));
}

namespace {

bool colour(const App& app, bool terminal)
{
    if (app.global().no_color || !app.env_or("NO_COLOR", "").empty())
        return false;
    if (const std::string forced = app.env_or("CLICOLOR_FORCE", ""); !forced.empty() && forced != "0")
        return true;
    return terminal && app.env_or("TERM", "") != "dumb";
}

} // namespace

bool App::colour_out() const
{
    return colour(*this, parts_.console.out_is_terminal());
}
bool App::colour_err() const
{
    return colour(*this, parts_.console.err_is_terminal());
}

Result<> App::emit(std::string_view text, const Json& item)
{
    if (global_.output == OutputFormat::jsonpath) {
        TRY_ASSIGN(const std::string shown, eval_jsonpath(global_.jsonpath, item));
        console().out(shown + "\n");
    } else if (global_.output == OutputFormat::yaml) {
        Report report;
        report.data = item;
        TRY_ASSIGN(const Rendered shown, render_report(report, {.format = OutputFormat::yaml}));
        console().out("---\n" + shown.out);
    } else if (global_.output == OutputFormat::json) {
        console().out(dump_json(item) + "\n");
    } else {
        console().out(fmt::format("{}\n", text));
    }
    if (!console().open() || cancel().requested())
        return fail(ErrorKind::interrupted, "stopped");
    return {};
}

Result<> App::emit(const Report& report)
{
    const bool redraw = console().out_is_terminal() && !global_.machine_output();
    TRY_ASSIGN(const Rendered shown, render_report(report, {.format = global_.output,
                                                            .jsonpath = global_.jsonpath,
                                                            .now = clock().now(),
                                                            .colour = colour_out(),
                                                            .quiet = global_.quiet}));
    if (global_.output == OutputFormat::json) // a line an object, so that a reader can split the stream
        console().out(dump_json(*report.data) + "\n");
    else if (redraw)
        console().out(
            fmt::format("{}{}{}\033[J", screen_drawn_ ? "\033[H" : "\033[2J\033[H", shown.out, shown.err));
    else
        console().out(shown.out);
    screen_drawn_ = true;
    if (!console().open() || cancel().requested())
        return fail(ErrorKind::interrupted, "stopped");
    return {};
}

void App::warn(std::string_view text)
{
    if (global_.quiet)
        return;
    if (global_.output == OutputFormat::json)
        console().err(dump_json(Json{{"warning", text}}) + "\n");
    else
        console().err(fmt::format("warning: {}\n", printable(text)));
}

Result<Agents*> App::agents()
{
    return agents_slot.get(*this);
}

Result<local::LocalStack*> App::local_stack()
{
    return local_slot.get(*this);
}

Result<Orchestrator*> App::orchestrator()
{
    return orchestrator_slot.get(*this);
}

Result<InstanceStreams*> App::streams()
{
    return streams_slot.get(*this);
}

Result<ServiceSettings*> App::settings()
{
    return settings_slot.get(*this);
}

Result<Endpoints*> App::endpoints()
{
    return endpoints_slot.get(*this);
}

Result<Releases*> App::releases()
{
    return releases_slot.get(*this);
}

Result<Backups*> App::backup()
{
    return backups_slot.get(*this);
}

Result<Database*> App::database()
{
    return database_slot.get(*this);
}

Result<Volumes*> App::volumes()
{
    return volumes_slot.get(*this);
}

Result<Certificates*> App::certificates()
{
    return certificates_slot.get(*this);
}

Result<RedisServers*> App::redis()
{
    return redis_slot.get(*this);
}

Result<Operations*> App::operations()
{
    return operations_slot.get(*this);
}

Result<Report> App::run(std::span<const std::string> words)
{
    TRY_ASSIGN(Invocation invocation, parse_invocation(registry(), words, env()));
    if (invocation.kind == Invocation::Kind::help)
        return fail(ErrorKind::usage, fmt::format("'{}' is no command that can be run as a step",
                                                  printable(words.empty() ? "" : words.front())));
    const GlobalOptions before = global_;
    GlobalOptions& inner = invocation.global;
    if (inner.context.empty() || !inner.context_from_flag)
        inner.context = before.context;
    inner.context_from_flag = inner.context_from_flag || before.context_from_flag;
    if (inner.name_space.empty())
        inner.name_space = before.name_space;
    inner.config = before.config;
    inner.no_input = inner.no_input || before.no_input;
    inner.quiet = inner.quiet || before.quiet;
    inner.output = before.output;
    inner.progress = before.progress;
    if (!inner.timeout)
        inner.timeout = before.timeout;
    global_ = inner;
    auto report = invocation.bound->run(*this);
    global_ = before;
    return report;
}

} // namespace conduit
