// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/instances.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <deque>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

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
    LogLevel level = LogLevel::none;
    bool previous = false;
    std::optional<int> newest;
    std::vector<std::string> count;
};

void logs_flags(Flags& flags, LogsOptions& o)
{
    flags.rest("NAME", o.names, "Instances, or one workload; all when absent").complete(instance_completer());
    flags.opt("--since", o.since, "Only lines younger than this");
    flags.opt("--tail", o.tail, "So many of the last lines of each instance").between(0, 1'000'000);
    flags.flag("--all", o.all, "Every line there is");
    flags.flag("--follow,-f", o.follow, "Go on with new lines until interrupted");
    flags.opt("--grep", o.grep, "Only lines that match this expression (POSIX extended)").value("REGEX");
    flags.choice("--level", o.level,
                 {{"any", LogLevel::none},
                  {"info", LogLevel::info},
                  {"warning", LogLevel::warning},
                  {"error", LogLevel::error},
                  {"fatal", LogLevel::fatal}},
                 "Only lines at least so bad, by their own word");
    flags.flag("--previous,-p", o.previous, "Also of containers that ended before those that run");
    flags.opt("--newest", o.newest, "So many in all, the newest by time").between(1, 100'000);
    flags.opt("--count", o.count, "Count the lines that hold this word instead; may be given again")
        .value("WORD");
}

LogQuery query_of(App& app, const LogsOptions& o)
{
    LogQuery query;
    query.grep = o.grep;
    query.follow = o.follow;
    query.level = o.level;
    query.previous = o.previous;
    if (o.since)
        query.since = app.clock().now() - *o.since;
    if (!o.all)
        query.tail = static_cast<std::size_t>(o.tail);
    query.instances = o.names;
    return query;
}

// Where lines go: on as they come, kept until the newest are known, or only counted.
class Receiver {
  public:
    Receiver(App& app, const LogsOptions& options)
        : app_(app), options_(options), counts_(options.count.size())
    {
        using enum OutputFormat;
        const auto form = app.global().output;
        document_ = form == json || form == yaml || form == jsonpath;
        for (const auto& word : options.count)
            words_.push_back(to_lower(word));
    }

    bool take(const LogLine& line)
    {
        ++lines_;
        instances_.insert(line.instance);
        if (!words_.empty()) {
            count(line.text);
            return true;
        }
        if (!options_.newest)
            return tell(line);
        kept_.push_back(line);
        if (kept_.size() > static_cast<std::size_t>(*options_.newest))
            kept_.pop_front();
        return true;
    }

    Result<Report> finish()
    {
        for (const auto& line : kept_)
            if (!tell(line))
                break;
        flush();
        TRY(emitted_);
        if (!words_.empty())
            return counted();
        // Silence may also mean that nothing was looked at.
        if (lines_ == 0 && !options_.follow)
            app_.warn("no line matches");
        Report report; // people pipe the lines: no summary follows them
        report.data = document_ ? Json{{"lines", lines_}} : Json::object();
        return report;
    }
    void flush()
    {
        if (emitted_ && !block_.empty())
            emitted_ = app_.emit(std::string_view(block_).substr(0, block_.size() - 1), Json());
        block_.clear();
    }

  private:
    bool tell(const LogLine& line)
    {
        if (document_) {
            emitted_ = app_.emit("", Json{{"instance", line.instance}, {"line", line.text}});
            return emitted_.has_value();
        }
        block_ += fmt::format("{} {}\n", line.instance, printable(line.text));
        // Lines of the past go out together: a write each costs more than the line.
        if (options_.follow || block_.size() >= k_block)
            flush();
        return emitted_.has_value();
    }

    void count(std::string_view text)
    {
        const auto lower = to_lower(text);
        for (std::size_t i = 0; i < words_.size(); ++i)
            counts_[i] += lower.contains(words_[i]) ? 1U : 0U;
    }

    Report counted() const
    {
        Json items = Json::array();
        for (std::size_t i = 0; i < words_.size(); ++i)
            items.push_back({{"name", options_.count[i]}, {"lines", counts_[i]}});
        Report report;
        report.data = Json{{"items", items}, {"lines", lines_}, {"instances", instances_.size()}};
        report.columns = {{.head = "WORD", .field = "name"},
                          {.head = "LINES",
                           .field = "lines",
                           .format = Column::Format::integer,
                           .align = Column::Align::right}};
        report.notes = {fmt::format("of {} lines of {} instances", lines_, instances_.size())};
        return report;
    }

    App& app_;
    const LogsOptions& options_;
    bool document_ = false;
    Result<> emitted_;
    std::size_t lines_ = 0;
    std::set<std::string> instances_;
    std::string block_;
    std::deque<LogLine> kept_;
    std::vector<std::string> words_;
    std::vector<std::size_t> counts_;
};

Result<Report> logs_run(App& app, const LogsOptions& o)
{
    if (o.follow && (o.newest || !o.count.empty()))
        return fail(ErrorKind::usage, "--follow never ends: nothing could be counted",
                    "Leave one of them out.");
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    const auto query = query_of(app, o);
    Receiver receiver(app, o);
    const auto sink = [&](const LogLine& line) { return receiver.take(line); };
    const auto deadline = o.follow && !app.global().timeout ? Deadline::never() : app.deadline(60s);
    const auto read = orchestrator->logs(query, sink, app.cancel(), deadline);
    if (!read) {
        receiver.flush();
        return read.error();
    }
    return receiver.finish();
}

} // namespace

Noun logs()
{
    return standalone<LogsOptions>(
        Group::instances,
        {.name = "logs",
         .summary = "Show or follow the logs of instances",
         .text =
             "The last 100 lines of each instance unless told otherwise; lines of a rotated file count too. "
             "In a cluster those of all pods, merged by time. --level knows JSON, logfmt, ERROR and [warn], "
             ".NET's fail: and crit:, and klog; a stack trace belongs to the line before it.",
         .examples = {"conduitctl logs agent -f", "conduitctl logs agent-1 --since 15m --grep error",
                      "conduitctl logs conduit-api --level error --previous --newest 20",
                      "conduitctl logs conduit-api --tail 1000 --level error --count openai --count google"},
         .covers = {"A-ts-err-5", "A-apx-1", "C-rb-tts-4", "C-rb-safety-4", "C-rb-safety-9", "E-err-logs-1",
                    "E-err-logs-2", "E-diag-2"},
         .backends = {"orchestrator"},
         .streaming = true},
        logs_flags, logs_run);
}

} // namespace conduit::commands
