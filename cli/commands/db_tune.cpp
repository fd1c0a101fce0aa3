// SPDX-License-Identifier: Apache-2.0
// `db tune`: settings by ALTER SYSTEM, and what is still to be done for them to be in force.
#include "cli/commands/db.hpp"
#include "cli/database/settings.hpp"
#include "cli/targets/postgres.hpp"
#include "core/text.hpp"

#include <array>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit::commands {
namespace {

struct TuneOptions {
    std::vector<std::string> settings;
    std::vector<std::string> reset;
    bool standbys_raised = false;
    ops::ChangeOptions change;
};

struct Wanted {
    std::string name;
    SqlValue value; // nullopt: as if it had never been set
};

Result<std::vector<Wanted>> parse_wanted(const TuneOptions& o)
{
    std::vector<Wanted> out;
    for (const auto& word : o.settings) {
        const auto equals = word.find('=');
        if (equals == std::string::npos || equals == 0)
            return fail(ErrorKind::usage, fmt::format("'{}' is no NAME=VALUE", printable(word)),
                        "conduitctl db tune work_mem=64MB");
        out.push_back({word.substr(0, equals), word.substr(equals + 1)});
    }
    for (const auto& name : o.reset)
        out.push_back({name, std::nullopt});
    if (out.empty())
        return fail(ErrorKind::usage, "name a setting", "conduitctl db tune work_mem=64MB");
    std::set<std::string> names;
    for (const auto& one : out)
        if (!names.insert(to_lower(one.name)).second)
            return fail(ErrorKind::usage, fmt::format("{} is named twice", printable(one.name)));
    return out;
}

// These a standby needs at least as high as its primary has them, or it stops replaying.
bool standbys_first(const std::string& name)
{
    static constexpr std::array<std::string_view, 5> k_names{"max_connections", "max_worker_processes",
                                                             "max_wal_senders", "max_prepared_transactions",
                                                             "max_locks_per_transaction"};
    return std::ranges::find(k_names, name) != k_names.end();
}

// Where a wrong value loses data, not speed.
bool endangers(const sql::Setting& setting, const SqlValue& value)
{
    static constexpr std::array<std::string_view, 3> k_names{"fsync", "full_page_writes", "data_sync_retry"};
    return std::ranges::find(k_names, setting.name) != k_names.end() && value.has_value();
}

std::optional<double> number_of(const std::string& text)
{
    double out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    return error == std::errc{} && end == text.data() + text.size() ? std::optional(out) : std::nullopt;
}

Result<> check_standbys(Database& database, const sql::Setting& setting, const std::string& value,
                        const TuneOptions& o, Deadline deadline)
{
    const auto now = number_of(setting.value), then = number_of(value);
    if (!now || !then || !standbys_first(setting.name))
        return {};
    TRY_ASSIGN(
        const auto found,
        database.run(
            sql::request("tune-standbys",
                         "SELECT count(*) AS n, string_agg(application_name || ' from ' || "
                         "COALESCE(host(client_addr), 'local'), ', ') AS names, pg_is_in_recovery() AS "
                         "standby FROM pg_stat_replication"),
            deadline));
    if (found.value("standby") == "t" && *then < *now)
        return fail(ErrorKind::refused,
                    fmt::format("this is a standby: with a lower {} than its primary it would stop replaying",
                                setting.name),
                    "Lower it on the primary first.");
    if (*then > *now && found.value("standby") != "t" && found.value("n") != "0" && !o.standbys_raised)
        return Error{ErrorKind::refused, fmt::format("the standbys need the higher {} first", setting.name)}
            .with_cause(printable(found.value("names").value_or("")))
            .with_hint(
                fmt::format("Raise it on each and restart it: conduitctl -C STANDBY db tune {}={}; then here "
                            "with --standbys-raised",
                            setting.name, value));
    return {};
}

// What so many sessions may take, each with one sort as large as work_mem.
Result<std::string> memory_line(Database& database, const std::string& connections, Deadline deadline)
{
    TRY_ASSIGN(const auto found,
               database.run(sql::request("tune-memory",
                                         "SELECT pg_size_pretty(pg_size_bytes(current_setting('work_mem')) * "
                                         "$1::bigint) AS sessions, current_setting('work_mem') AS each, "
                                         "current_setting('shared_buffers') AS shared",
                                         {connections}),
                            deadline));
    return fmt::format("{} sessions with one sort each: {} (work_mem {}), beside shared_buffers {}",
                       connections, found.value("sessions").value_or("?"), found.value("each").value_or("?"),
                       found.value("shared").value_or("?"));
}

std::string when_in_force(const sql::Setting& setting)
{
    if (setting.needs_restart())
        return "after a restart: conduitctl db restart";
    if (setting.context.ends_with("backend"))
        return "at once, in sessions that begin afterwards";
    return "at once";
}

Result<> add_step(Database& database, const Wanted& wanted, const TuneOptions& o, ops::Intent& intent,
                  std::vector<std::string>& restarts, Deadline deadline)
{
    TRY_ASSIGN(const auto setting, sql::read_setting(database, wanted.name, deadline));
    if (setting.name == "primary_conninfo")
        return fail(ErrorKind::refused,
                    "primary_conninfo holds a password, which no record of a change may keep",
                    "Change it on the server.");
    Json after;
    if (wanted.value) {
        TRY(sql::check_value(setting, *wanted.value));
        TRY(check_standbys(database, setting, *wanted.value, o, deadline));
        TRY_ASSIGN(after, sql::kept_form(database, setting, *wanted.value, deadline));
        if (setting.name == "max_connections") {
            TRY_ASSIGN(auto memory, memory_line(database, *wanted.value, deadline));
            intent.lines.emplace_back("memory", std::move(memory));
            intent.lines.emplace_back("instead",
                                      "more connections cure no leak: a pooler (pgbouncer) needs fewer");
        }
    } else {
        TRY(sql::check_value(setting, setting.value));
    }
    if (endangers(setting, wanted.value))
        intent.tier = ops::Tier::severe;
    ops::Step step;
    step.resource = "setting/" + setting.name;
    step.fields.push_back({.path = "settings/" + setting.name, .after = std::move(after)});
    step.verify =
        setting.needs_restart() ? "the server says that it waits for a restart" : "the value is in force";
    step.undo = "the value before is written again, or the setting reset";
    intent.lines.emplace_back(setting.name, fmt::format("in force {}{}; takes effect {}", setting.value,
                                                        setting.unit.empty() ? "" : " x " + setting.unit,
                                                        when_in_force(setting)));
    if (setting.needs_restart())
        restarts.push_back(setting.name);
    intent.steps.push_back(std::move(step));
    return {};
}

void say_pending(const SqlResult& pending, Report& report)
{
    std::vector<std::string> names;
    for (const auto& row : pending.rows)
        names.push_back(row.front().value_or(""));
    (*report.data)["pending_restart"] = names;
    if (names.empty())
        report.notes.emplace_back("applied: in force now");
    else
        report.notes.push_back(
            fmt::format("pending restart: {}; until then the value before is in force", join(names, ", ")));
}

Result<Report> tune(App& app, const TuneOptions& o)
{
    TRY_ASSIGN(const auto wanted, parse_wanted(o));
    TRY_ASSIGN(Database * database, app.database());
    TRY_ASSIGN(ops::Target * target, db_target(app));
    const auto deadline = app.deadline(k_db_timeout);
    ops::Intent intent;
    intent.target = target;
    intent.verb = "db tune";
    intent.scope = "settings";
    intent.tier = ops::Tier::moderate;
    intent.undo = ops::UndoKind::exact;
    std::vector<std::string> names, restarts;
    for (const auto& one : wanted) {
        TRY(add_step(*database, one, o, intent, restarts, deadline));
        intent.steps.back().n = static_cast<int>(intent.steps.size());
        names.push_back(intent.steps.back().resource.substr(std::string_view("setting/").size()));
    }
    intent.summary = fmt::format("set {}", join(names, ", "));
    intent.confirm_name = names.front();
    if (!restarts.empty())
        intent.lines.emplace_back(
            "if it does not start",
            "take the line out of postgresql.auto.conf, or start it with -c NAME=VALUE");
    TRY_ASSIGN(auto report, change_db(app, intent, o.change, false));
    if (json_bool_or(*report.data, "changed", false))
        if (const auto pending =
                ask_db(app, "pending-restart",
                       "SELECT name FROM pg_settings WHERE pending_restart AND name = ANY (SELECT "
                       "jsonb_array_elements_text($1::jsonb)) ORDER BY 1",
                       {dump_json(Json(names))}))
            say_pending(*pending, report);
    return report;
}

} // namespace

Verb db_tune_verb()
{
    return verb<TuneOptions>(
        {.name = "tune",
         .summary = "Change settings of the server",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::exact,
         .text = "Each by an ALTER SYSTEM of its own, then a reload; it says which are in force and which "
                 "wait for a "
                 "restart. A value that a standby needs first, one out of range, or one that something else "
                 "overrules "
                 "is said before or after, never hidden. Undo writes the value before, or resets.",
         .examples = {"conduitctl db tune work_mem=64MB random_page_cost=1.1",
                      "conduitctl db tune max_connections=500 --dry-run",
                      "conduitctl db tune --reset work_mem"},
         .covers = {"E-db-raise-1"},
         .backends = {"postgres"}},
        [](Flags& f, TuneOptions& o) {
            f.rest("NAME=VALUE", o.settings, "Settings and their values");
            f.opt("--reset", o.reset, "As if it had never been set; several times").value("NAME");
            f.flag("--standbys-raised", o.standbys_raised, "The standbys have the higher value already");
            change_flags(f, o.change);
        },
        tune);
}

} // namespace conduit::commands
