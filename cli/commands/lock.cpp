// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/local_files.hpp"
#include "cli/commands/support.hpp"
#include "core/text.hpp"
#include "core/ulid.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

Result<Report> lock_list(App& app)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(const auto locks, operations->locks().list());
    Json items = Json::array();
    for (const auto& lock : locks)
        items.push_back({{"name", lock.key.text()},
                         {"operator", lock.owner.operator_name},
                         {"host", lock.owner.host},
                         {"pid", lock.owner.pid},
                         {"reason", lock.owner.reason},
                         {"operation", lock.owner.operation},
                         {"since", format_time(lock.owner.since)},
                         {"until", format_time(lock.owner.until)}});
    return list_report(items, {{.head = "LOCK", .field = "name"},
                               {.head = "OPERATOR", .field = "operator"},
                               {.head = "HOST", .field = "host"},
                               {.head = "PID", .field = "pid"},
                               {.head = "REASON", .field = "reason"},
                               {.head = "UNTIL", .field = "until"}});
}

struct LockOptions {
    std::string name;
};

Result<Report> lock_show(App& app, const LockOptions& o)
{
    TRY_ASSIGN(const auto all, lock_list(app));
    std::vector<std::string> names;
    for (const auto& item : (*all.data)["items"]) {
        if (json_string_or(item, "name", "") == o.name) {
            Report report;
            report.data = item;
            return report;
        }
        names.push_back(json_string_or(item, "name", ""));
    }
    return fail(ErrorKind::not_found, unknown_name("lock", o.name, names), "List them: conduitctl lock ls");
}

struct StealOptions {
    std::string name;
    std::string reason;
};

// Recorded whatever comes of it: who wanted to go past whom, and why.
Result<> record_steal(App& app, const StealOptions& o, std::string_view verdict, const std::string& message)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(const Context* context, app.context());
    ops::Entry entry;
    entry.id = make_ulid(app.clock().now());
    entry.phase = ops::Phase::refused;
    entry.operator_name = app.operator_name();
    entry.context = context->name;
    entry.command = app.command_line();
    entry.reason = o.reason;
    entry.verdict = verdict;
    entry.message = message;
    TRY(operations->journal().append(std::move(entry)));
    return {};
}

Result<Report> lock_steal(App& app, const StealOptions& o)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(const auto known, operations->locks().known());
    std::vector<std::string> names;
    for (const auto& key : known)
        names.push_back(key.text());
    const auto found = std::ranges::find(names, o.name);
    if (found == names.end())
        return fail(ErrorKind::not_found, unknown_name("lock", o.name, names),
                    "List them: conduitctl lock ls");
    const auto stolen = operations->locks().steal(known[static_cast<std::size_t>(found - names.begin())]);
    if (!stolen) {
        TRY(record_steal(app, o, kind_name(stolen.error().kind), stolen.error().message));
        return stolen.error();
    }
    if (*stolen)
        TRY(record_steal(app, o, "ok", fmt::format("{} was taken away from its holder", o.name)));
    Report report;
    report.data = Json{{"name", o.name}, {"changed", *stolen}};
    report.text = *stolen ? fmt::format("{} was taken away from its holder", o.name)
                          : fmt::format("nobody holds {}", o.name);
    return report;
}

} // namespace

Noun lock()
{
    auto no_names = local_files();
    no_names.push_back({ErrorKind::not_found, "names nothing that could be missing"});
    return {
        .name = "lock",
        .summary = "Who is changing what at this moment",
        .group = Group::record,
        .verbs = {
            verb({.name = "ls",
                  .summary = "List the locks that are held",
                  .examples = {"conduitctl lock ls"},
                  .omitted = no_names},
                 lock_list),
            verb<LockOptions>(
                {.name = "show",
                 .summary = "Show who holds a lock, why and until when",
                 .examples = {"conduitctl lock show \"providers of local\""},
                 .omitted = local_files()},
                [](Flags& f, LockOptions& o) { f.arg("LOCK", o.name, "Name, as lock ls shows it"); },
                lock_show),
            verb<StealOptions>(
                {.name = "steal",
                 .summary = "Take a lock away from whoever holds it",
                 .effect = Effect::local,
                 .text = "Recorded with its reason. On this machine a lock belongs to a living process and "
                         "ends with it, so there it is refused, and the process is named.",
                 .examples = {"conduitctl lock steal \"providers of local\" --reason \"its host is gone\""},
                 .also = {ErrorKind::refused},
                 .omitted = local_files()},
                [](Flags& f, StealOptions& o) {
                    f.arg("LOCK", o.name, "Name, as lock ls shows it");
                    f.opt("--reason", o.reason, "Why; it is recorded").value("TEXT").required();
                },
                lock_steal),
        }};
}

} // namespace conduit::commands
