// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/inside.hpp"
#include "cli/commands/instances.hpp"
#include "cli/commands/support.hpp"
#include "cli/ops/redact.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

constexpr std::size_t k_kept = 1U << 20U; // of output, in a document

struct ExecOptions {
    std::string name;
    std::vector<std::string> command;
    std::string container;
    bool input = false;
    bool terminal = false;
    ops::ChangeOptions change;
};

void exec_flags(Flags& flags, ExecOptions& o)
{
    flags.arg("NAME", o.name, "Instance, or workload: then one of its ready instances")
        .complete(instance_completer());
    flags.rest("COMMAND", o.command, "After --: the program and its arguments").required();
    flags.opt("--container,-c", o.container, "Which container of the instance").value("NAME");
    flags.flag("--stdin,-i", o.input, "Hand stdin on to the command");
    flags.flag("--tty,-t", o.terminal, "Give it a terminal of its own");
    change_flags(flags, o.change);
}

// Where output goes: on as it comes, or into the document that machines get.
class Output {
  public:
    explicit Output(App& app) : app_(app), keep_(keeps(app.global().output)) {}
    bool take(std::string_view bytes, bool err)
    {
        if (!keep_)
            return err ? app_.console().err_raw(bytes) : app_.console().out_raw(bytes);
        auto& text = err ? err_ : out_;
        const auto room = k_kept - std::min(k_kept, text.size());
        cut_ = cut_ || bytes.size() > room;
        text += bytes.substr(0, room);
        return true;
    }
    bool kept() const { return keep_; }
    void add_to(Json& document) const
    {
        document["stdout"] = sanitize_utf8(out_);
        document["stderr"] = sanitize_utf8(err_);
        document["truncated"] = cut_;
    }

  private:
    static bool keeps(OutputFormat format)
    {
        return format != OutputFormat::table && format != OutputFormat::wide;
    }
    App& app_;
    const bool keep_;
    bool cut_ = false;
    std::string out_, err_;
};

struct Running {
    App& app;
    const ExecOptions& options;
    InstanceStreams& streams;
    StreamPlace place;
    Output output;
    std::string shown; // the command without secrets
};

RemoteIo io_of(Running& running)
{
    RemoteIo io;
    auto& console = running.app.console();
    io.out = [&](std::string_view bytes) { return running.output.take(bytes, false); };
    io.err = [&](std::string_view bytes) { return running.output.take(bytes, true); };
    if (running.options.input)
        io.in = console.in_fd();
    if (running.options.terminal)
        io.size = [&console] { return console.size(); };
    return io;
}

Result<ops::Applied> act(Running& running, Deadline deadline)
{
    auto& app = running.app;
    const auto& o = running.options;
    std::unique_ptr<RawTerminal> raw;
    if (o.terminal && o.input) {
        TRY_ASSIGN(raw, app.console().make_raw());
    }
    const auto io = io_of(running);
    auto end = running.streams.exec({.instance = running.place.instance,
                                     .container = running.place.container,
                                     .command = o.command,
                                     .tty = o.terminal},
                                    io, app.cancel(), deadline);
    raw.reset();
    if (!end && end.error().kind == ErrorKind::interrupted && app.console().open())
        end.error().kind = ErrorKind::partial; // it began, and may go on
    if (!end)
        return end.error();
    if (end->code == 0)
        return ops::Applied{.observed = "ended with 0", .data = Json{{"remote_code", 0}}};
    return Error{ErrorKind::failed,
                 fmt::format("the command in {} ended with {}", running.place.instance, end->code)}
        .with_detail("remote_code", std::to_string(end->code));
}

Json ended(const Running& running, int code)
{
    Json document{{"instance", running.place.instance}, {"remote_code", code}};
    if (!running.place.container.empty())
        document["container"] = running.place.container;
    running.output.add_to(document);
    return document;
}

// The command's own failure is an outcome, and no fault of ours.
Report failed_report(Running& running, const Error& error, int code)
{
    Report report;
    report.verdict = ErrorKind::failed;
    if (!running.output.kept()) {
        running.app.warn(error.message);
        return report;
    }
    const auto operation = error.details.find("operation");
    Json document{{"operation", operation == error.details.end() ? Json() : Json(operation->second)},
                  {"changed", true},
                  {"verdict", "failed"},
                  {"verified", false},
                  {"message", error.message}};
    document.update(ended(running, code));
    report.data = std::move(document);
    report.name_field = "operation";
    return report;
}

// The engine speaks of changes that can be looked for; what a command did cannot.
Error cut_off(const Running& running, Error error)
{
    const auto cause = error.cause.empty() ? error.message : error.cause;
    if (error.kind == ErrorKind::unknown)
        error.message =
            fmt::format("it is not known how '{}' in {} ended", running.shown, running.place.instance);
    else
        error.message =
            fmt::format("interrupted: '{}' may go on in {}", running.shown, running.place.instance);
    error.cause = cause;
    error.hint = fmt::format("Look there before it is run again: conduitctl ps {}", running.place.instance);
    return error;
}

Result<> check(App& app, const ExecOptions& o)
{
    if (o.command.front().empty())
        return fail(ErrorKind::usage, "the command's name is empty",
                    fmt::format("Give it after --: conduitctl exec {} -- sh", o.name));
    if (o.terminal && !(app.console().in_is_terminal() && app.console().out_is_terminal()))
        return fail(ErrorKind::usage, "-t needs a terminal here, and there is none", "Leave out -t.");
    if (o.change.no_wait)
        return fail(ErrorKind::usage, "exec waits for its command: --no-wait has no meaning",
                    "Leave it out; for long work start a Job.");
    return {};
}

Result<Report> exec_run(App& app, const ExecOptions& o)
{
    TRY(check(app, o));
    TRY_ASSIGN(InstanceStreams * streams, app.streams());
    TRY_ASSIGN(auto place, streams->place(o.name, o.container, app.deadline(k_read_timeout)));
    const auto clean = ops::without_secrets(o.command);
    Running running{app, o, *streams, std::move(place), Output(app), join(clean, " ")};
    Json arguments{{"instance", running.place.instance}, {"container", running.place.container}};
    arguments["command"] = clean;
    const OnceChange change{
        .verb = "exec",
        .instance = running.place.instance,
        .summary = fmt::format("run '{}' in {}", printable(running.shown), running.place.instance),
        .shown = "run: " + printable(running.shown),
        .arguments = std::move(arguments),
        .speaks = false};
    auto report = change_once(
        app, change, [&](const ops::WriteContext& context) { return act(running, context.deadline); },
        o.change);
    if (!report) {
        const auto& error = report.error();
        if (const auto code = error.details.find("remote_code"); code != error.details.end())
            return failed_report(running, error, std::stoi(code->second));
        if (error.kind == ErrorKind::unknown || error.kind == ErrorKind::partial)
            return cut_off(running, error);
        return report;
    }
    if (json_bool_or(*report->data, "dry_run", false) || report->data->contains("plan"))
        return report;
    if (!running.output.kept())
        return Report{}; // the command said what there is to say
    report->data->update(ended(running, 0));
    return report;
}

} // namespace

Noun exec()
{
    return standalone<ExecOptions>(
        Group::instances,
        {.name = "exec",
         .summary = "Run a command in an instance",
         .effect = Effect::change,
         .tier = Tier::mild,
         .undo = Undo::none,
         .text = "Its output is handed on as it comes; its own failure is exit code 1, with remote_code in "
                 "JSON. What it changed cannot be seen, verified or undone. The journal records who ran "
                 "what; words that look like secrets are recorded as fingerprints, but a secret belongs "
                 "on stdin. Before Kubernetes 1.30 a command can only be told the end of its input when "
                 "the input's length is known: a pipe is read to its end first, and the image needs sh and "
                 "head.",
         .examples = {"conduitctl exec agent -- env", "conduitctl exec -it agent-7c9d -c main -- sh",
                      "conduitctl exec -i redis-master-0 -- redis-cli < commands.txt"},
         .omitted = {{ErrorKind::stale, "writes no field that could have moved"},
                     {ErrorKind::locked, "keeps nobody out"},
                     {ErrorKind::unverified, "what it did cannot be seen: \"verified\": false"},
                     {ErrorKind::rolled_back, "it cannot be taken back: 10"}},
         .covers = {"A-apx-2"},
         .backends = {"orchestrator"},
         .streaming = true},
        exec_flags, exec_run);
}

} // namespace conduit::commands
