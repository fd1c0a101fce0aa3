// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/instances.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

constexpr std::size_t k_block = 32U << 10U;

struct LogsOptions {
    std::vector<std::string> names;
    std::optional<Duration> since;
    int tail = 100;
    bool all = false;
    bool follow = false;
    std::string grep;
};

void logs_flags(Flags& flags, LogsOptions& o)
{
    flags.rest("NAME", o.names, "Instances, or one workload; all when absent").complete(instance_completer());
    flags.opt("--since", o.since, "Only lines younger than this");
    flags.opt("--tail", o.tail, "So many of the last lines of each instance").between(0, 1'000'000);
    flags.flag("--all", o.all, "Every line there is");
    flags.flag("--follow,-f", o.follow, "Go on with new lines until interrupted");
    flags.opt("--grep", o.grep, "Only lines that match this expression (POSIX extended)").value("REGEX");
}

LogQuery query_of(App& app, const LogsOptions& o)
{
    LogQuery query;
    query.grep = o.grep;
    query.follow = o.follow;
    if (o.since)
        query.since = app.clock().now() - *o.since;
    if (!o.all)
        query.tail = static_cast<std::size_t>(o.tail);
    query.instances = o.names;
    return query;
}

Result<Report> logs_run(App& app, const LogsOptions& o)
{
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    const auto query = query_of(app, o);
    using enum OutputFormat;
    const auto form = app.global().output;
    const bool document = form == json || form == yaml || form == jsonpath;
    auto emitted = Result<>{};
    std::size_t count = 0;
    std::string block; // lines of the past go out together: a write each costs more than the line
    const auto flush = [&] {
        if (!block.empty())
            emitted = app.emit(std::string_view(block).substr(0, block.size() - 1), Json());
        block.clear();
        return emitted.has_value();
    };
    const auto sink = [&](const LogLine& line) {
        ++count;
        if (document) {
            emitted = app.emit("", Json{{"instance", line.instance}, {"line", line.text}});
            return emitted.has_value();
        }
        block += fmt::format("{} {}\n", line.instance, printable(line.text));
        return (!o.follow && block.size() < k_block) || flush();
    };
    const auto deadline = o.follow && !app.global().timeout ? Deadline::never() : app.deadline(60s);
    const auto read = orchestrator->logs(query, sink, app.cancel(), deadline);
    if (emitted)
        flush();
    TRY(read);
    TRY(emitted);
    Report report; // people pipe the lines: no summary follows them
    report.data = document ? Json{{"lines", count}} : Json::object();
    return report;
}

} // namespace

Noun logs()
{
    return standalone<LogsOptions>(
        Group::instances,
        {.name = "logs",
         .summary = "Show or follow the logs of instances",
         .text =
             "The last 100 lines of each instance unless told otherwise; lines of a rotated file count too.",
         .examples = {"conduitctl logs agent -f", "conduitctl logs agent-1 --since 15m --grep error"},
         .backends = {"orchestrator"},
         .streaming = true},
        logs_flags, logs_run);
}

} // namespace conduit::commands
