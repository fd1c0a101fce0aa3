// SPDX-License-Identifier: Apache-2.0
// The record: history, undo, resume, reversals.
#include "cli/commands/all.hpp"
#include "cli/commands/local_files.hpp"
#include "cli/commands/support.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct ListOptions {
    std::int64_t limit = 20;
    bool all = false;
};

Json record_item(const ops::OperationRecord& record)
{
    const auto& first = record.first();
    return {{"id", record.id},
            {"time", format_time(first.time)},
            {"operator", first.operator_name},
            {"context", first.context},
            {"command", join(first.command, " ")},
            {"reason", first.reason},
            {"verdict", record.verdict()}};
}

Result<Report> list(App& app, const ListOptions& o)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(const auto records, operations->journal().operations(
                                       {.limit = static_cast<std::size_t>(o.limit), .dry_runs = o.all}));
    Json items = Json::array();
    for (const auto& record : records)
        items.push_back(record_item(record));
    auto report = list_report(items, {{.head = "ID", .field = "id"},
                                      {.head = "OPERATOR", .field = "operator"},
                                      {.head = "CONTEXT", .field = "context"},
                                      {.head = "VERDICT", .field = "verdict"},
                                      {.head = "COMMAND", .field = "command"},
                                      {.head = "REASON", .field = "reason", .wide_only = true},
                                      {.head = "AGE", .field = "time", .format = Column::Format::age}});
    report.name_field = "id";
    return report;
}

struct IdOptions {
    std::string id;
};

Result<Report> show(App& app, const IdOptions& o)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(const auto record, operations->journal().operation(o.id));
    Json data = record_item(record);
    Json entries = Json::array();
    for (const auto& entry : record.entries)
        entries.push_back({{"seq", entry.seq},
                           {"time", format_time(entry.time)},
                           {"phase", ops::phase_name(entry.phase)},
                           {"step", *entry.step},
                           {"verdict", entry.verdict},
                           {"message", entry.message}});
    data["items"] = entries;
    Report report;
    report.data = data;
    report.columns = {{.head = "TIME", .field = "time"},
                      {.head = "PHASE", .field = "phase"},
                      {.head = "RESOURCE", .field = "step.resource"},
                      {.head = "OBSERVED", .field = "step.observed"},
                      {.head = "VERDICT", .field = "verdict"}};
    report.notes = {fmt::format("{} by {} in {}: {}", record.id, record.first().operator_name,
                                record.first().context, join(record.first().command, " "))};
    report.name_field = "phase";
    if (record.unfinished())
        report.next = {"conduitctl resume " + record.id, "conduitctl undo " + record.id};
    else if (record.verdict() == "ok")
        report.next = {"conduitctl undo " + record.id};
    return report;
}

Result<Report> verify(App& app)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(const auto check, operations->journal().verify());
    Json items = Json::array();
    for (const auto& fault : check.faults)
        items.push_back({{"name", fault.line > 0 ? fmt::format("{}:{}", fault.file, fault.line) : fault.file},
                         {"fault", fault.what}});
    auto report =
        list_report(items, {{.head = "PLACE", .field = "name"}, {.head = "FAULT", .field = "fault"}});
    (*report.data)["entries"] = check.entries;
    (*report.data)["last_seq"] = check.last_seq;
    report.notes = check.notes;
    report.notes.push_back(fmt::format("{} entries, {} faults", check.entries, check.faults.size()));
    report.verdict = check.faults.empty() ? ErrorKind::ok : ErrorKind::breached;
    return report;
}

Result<Report> pending(App& app)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(const auto reversals, operations->reversals().list());
    TRY_ASSIGN(const auto open, operations->journal().operations({.limit = 100, .unfinished_only = true}));
    Json items = Json::array();
    for (const auto& r : reversals)
        items.push_back({{"id", r.operation},
                         {"kind", "reversal"},
                         {"due", format_time(r.due)},
                         {"state", r.state},
                         {"what", r.summary},
                         {"message", r.message}});
    for (const auto& record : open)
        items.push_back({{"id", record.id},
                         {"kind", "unfinished"},
                         {"due", ""},
                         {"state", "unfinished"},
                         {"what", join(record.first().command, " ")},
                         {"message", ""}});
    auto report = list_report(items, {{.head = "ID", .field = "id"},
                                      {.head = "KIND", .field = "kind"},
                                      {.head = "STATE", .field = "state"},
                                      {.head = "DUE", .field = "due"},
                                      {.head = "WHAT", .field = "what"},
                                      {.head = "MESSAGE", .field = "message", .wide_only = true}});
    report.name_field = "id";
    return report;
}

struct ChangeIdOptions {
    std::string id;
    ops::ChangeOptions change;
};

void id_flags(Flags& flags, ChangeIdOptions& o)
{
    flags.arg("ID", o.id, "Id of the operation, or a unique beginning of it").complete(k_operations);
    change_flags(flags, o.change);
}

Result<Report> undo_run(App& app, const ChangeIdOptions& o)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    return operations->undo(o.id, o.change);
}

Result<Report> resume_run(App& app, const ChangeIdOptions& o)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    return operations->resume(o.id, o.change);
}

struct ServeOptions {
    bool once = false;
    Duration interval{1000};
};

Result<Report> serve(App& app, const ServeOptions& o)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    Report report;
    Json items = Json::array();
    do {
        const auto served = operations->serve_reversals_once();
        const bool away = !served && (served.error().kind == ErrorKind::unreachable ||
                                      served.error().kind == ErrorKind::unknown);
        if (!served && (o.once || !away))
            return served.error();
        if (!served)
            app.warn(served.error().message); // a cluster comes back
        for (const auto& outcome : served ? served->outcomes : std::vector<ops::ReversalOutcome>{}) {
            Json item{{"id", outcome.operation},
                      {"verdict", kind_name(outcome.verdict)},
                      {"message", outcome.message}};
            if (!o.once)
                TRY(app.emit(
                    fmt::format("{} {} {}", outcome.operation, kind_name(outcome.verdict), outcome.message),
                    item));
            items.push_back(std::move(item));
        }
        if (o.once)
            break;
        app.clock().sleep(o.interval);
    } while (!app.cancel().requested());
    return list_report(items, {{.head = "ID", .field = "id"},
                               {.head = "VERDICT", .field = "verdict"},
                               {.head = "MESSAGE", .field = "message"}});
}

} // namespace

Noun history()
{
    auto no_names = local_files();
    no_names.push_back({ErrorKind::not_found, "names nothing that could be missing"});
    return {.name = "history",
            .summary = "What was done, by whom, and how it ended",
            .group = Group::record,
            .verbs = {
                verb<ListOptions>(
                    {.name = "ls",
                     .summary = "List operations, newest first",
                     .examples = {"conduitctl history ls", "conduitctl history ls --all --limit 100"},
                     .omitted = no_names},
                    [](Flags& f, ListOptions& o) {
                        f.opt("--limit", o.limit, "At most so many").between(1, 10'000);
                        f.flag("--all", o.all, "Dry runs too");
                    },
                    list),
                verb<IdOptions>(
                    {.name = "show",
                     .summary = "Show every recorded step of an operation",
                     .examples = {"conduitctl history show 01JD3K7QZ5M4W8T2R6X9C0V1BN"},
                     .omitted = local_files()},
                    [](Flags& f, IdOptions& o) {
                        f.arg("ID", o.id, "Id of the operation, or a unique beginning of it")
                            .complete(k_operations);
                    },
                    show),
                verb({.name = "verify",
                      .summary = "Check the journal's chain for damage and gaps",
                      .text = "Changed, removed, reordered and cut entries are found, the last one and the "
                              "newest file "
                              "included.",
                      .examples = {"conduitctl history verify"},
                      .also = {ErrorKind::breached},
                      .omitted = no_names},
                     verify),
                verb({.name = "pending",
                      .summary = "List reversals to come and unfinished operations",
                      .examples = {"conduitctl history pending"},
                      .omitted = no_names},
                     pending),
            }};
}

Noun undo()
{
    return standalone<ChangeIdOptions>(
        Group::record,
        {.name = "undo",
         .summary = "Put back what an operation changed",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::exact,
         .text =
             "Refused (exit 7) when somebody changed one of its fields since; other fields do not matter. An "
             "override that has expired meanwhile is not revived.",
         .examples = {"conduitctl undo 01JD3K7QZ5M4W8T2R6X9C0V1BN"},
         .backends = {"agent"}},
        id_flags, undo_run);
}

Noun resume()
{
    return standalone<ChangeIdOptions>(Group::record,
                                       {.name = "resume",
                                        .summary = "Finish an operation that was cut off",
                                        .effect = Effect::change,
                                        .tier = Tier::moderate,
                                        .undo = Undo::exact,
                                        .text = "Finished steps are looked at again instead of trusted; a "
                                                "step of unknown outcome is looked for by its "
                                                "key before it is repeated.",
                                        .examples = {"conduitctl resume 01JD3K7QZ5M4W8T2R6X9C0V1BN"},
                                        .backends = {"agent"}},
                                       id_flags, resume_run);
}

Noun reversals()
{
    VerbDoc doc{
        .name = "serve",
        .summary = "Carry out reversals when their time comes",
        .text =
            "What was changed with --for and cannot end by itself is put back by whoever runs this. `local "
            "up` runs it already.",
        .examples = {"conduitctl reversals serve", "conduitctl reversals serve --once"},
        .omitted = {{ErrorKind::auth, "told of that reversal; the others go on"},
                    {ErrorKind::unreachable, "told of that reversal; it is tried again"},
                    {ErrorKind::unknown, "told of that reversal; it is tried again"},
                    {ErrorKind::interrupted, "Ctrl-C is how it ends: 0"}},
        .backends = {"agent"},
        .streaming = true};
    return {.name = "reversals",
            .summary = "Changes that end by themselves",
            .group = Group::record,
            .verbs = {verb<ServeOptions>(
                std::move(doc),
                [](Flags& f, ServeOptions& o) {
                    f.flag("--once", o.once, "Only what is due now");
                    f.opt("--interval", o.interval, "Time between two looks");
                },
                serve)}};
}

} // namespace conduit::commands
