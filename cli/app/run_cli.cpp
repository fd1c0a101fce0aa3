// SPDX-License-Identifier: Apache-2.0
#include "cli/app/app.hpp"
#include "cli/app/complete.hpp"
#include "cli/command/help.hpp"
#include "cli/command/render.hpp"

#include <new>
#include <optional>
#include <unistd.h>

namespace conduit {
namespace {

int report_error(App& app, const Error& error, OutputFormat format)
{
    // Ctrl-C in a stream is how it ends; the reader's going away (head) is no fault at all.
    if (error.kind == ErrorKind::interrupted && !app.console().open())
        return 0;
    app.console().err(render_error(error, format, app.colour_err()));
    return to_exit(error.kind);
}

int show_help(App& app, const Invocation& invocation)
{
    app.console().out(help_text(app.registry(), invocation.noun, invocation.verb));
    return 0;
}

int show_report(App& app, const Report& report)
{
    const GlobalOptions& global = app.global();
    const auto rendered = render_report(report, {.format = global.output,
                                                 .jsonpath = global.jsonpath,
                                                 .now = app.clock().now(),
                                                 .colour = app.colour_out(),
                                                 .quiet = global.quiet});
    if (!rendered)
        return report_error(app, rendered.error(), global.output);
    app.console().out(rendered->out);
    app.console().err(rendered->err);
    return to_exit(report.verdict);
}

// The shell's side door: no parsing, no errors, nothing on stderr.
std::optional<int> internal_command(App& app, std::span<const std::string> words)
{
    if (words.empty() || !words.front().starts_with("__"))
        return std::nullopt;
    if (words.front() == "__complete" || words.front() == "__completeNoDesc") {
        const bool descriptions = words.front() == "__complete";
        app.console().out(completion_text(complete(app, words.subspan(1)), descriptions));
        return 0;
    }
    constexpr std::size_t k_refresh_words = 5;
    if (words.front() == "__refresh" && words.size() >= k_refresh_words) {
        constexpr unsigned k_longest_life = 15;
        alarm(k_longest_life); // whatever hangs, no refresher is left behind
        GlobalOptions global;
        global.context = words[2];
        global.name_space = words[3];
        global.config = words[4];
        app.set_global(global);
        refresh_candidates(app, words[1], words.subspan(k_refresh_words));
        alarm(0);
        return 0;
    }
    return std::nullopt;
}

} // namespace

int run_cli(App& app, const std::vector<std::string>& words)
{
    if (const auto done = internal_command(app, words))
        return *done;
    const OutputFormat wanted = requested_output(words);
    app.set_command_line(words);
    auto invocation = parse_invocation(app.registry(), words, app.env());
    if (!invocation)
        return report_error(app, invocation.error(), wanted);
    app.set_global(invocation->global);
    if (invocation->kind == Invocation::Kind::help)
        return show_help(app, *invocation);
    try {
        auto report = invocation->bound->run(app);
        if (!report)
            return report_error(app, report.error(), app.global().output);
        return show_report(app, *report);
    } catch (const std::bad_alloc&) {
        return report_error(app, {ErrorKind::failed, "out of memory"}, wanted);
    }
}

} // namespace conduit
