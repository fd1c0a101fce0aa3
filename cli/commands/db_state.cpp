// SPDX-License-Identifier: Apache-2.0
// `db ping`, `wait`, `connections`, `limit`: is it there, and is there room for one more.
#include "cli/commands/db.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

constexpr Duration k_poll{200};

struct PingOptions {
    bool write = false;
};

// A table that nobody else sees and that goes with the transaction.
Result<> probe_write(Database& database, Deadline deadline)
{
    TRY_ASSIGN(const auto transaction, SqlTransaction::begin(database, "", deadline));
    for (const auto* text : {"CREATE TEMPORARY TABLE conduitctl_probe (n int) ON COMMIT DROP",
                             "INSERT INTO conduitctl_probe VALUES (42)"})
        if (auto done = database.run(sql::request("probe", text), deadline); !done) {
            auto error = std::move(done).error();
            if (sql_state(error) == "25006") {
                error.kind = ErrorKind::failed;
                error.hint = "It is a standby, or read-only by default: conduitctl db status";
            }
            return error;
        }
    TRY_ASSIGN(const auto read,
               database.run(sql::request("probe", "SELECT n FROM conduitctl_probe"), deadline));
    if (read.value("n") != "42")
        return fail(ErrorKind::failed,
                    fmt::format("{} does not give back what was written", database.identity()));
    return {};
}

Result<Json> ping_once(App& app, bool write, Deadline deadline)
{
    TRY_ASSIGN(Database * database, app.database());
    const auto from = app.clock().steady();
    TRY_ASSIGN(
        const auto done,
        database->run(sql::request("ping", "SELECT 1 AS one, current_setting('server_version') AS version, "
                                           "pg_is_in_recovery() AS standby, current_user::text AS usr"),
                      deadline));
    if (done.value("one") != "1")
        return fail(ErrorKind::unknown,
                    fmt::format("{} did not answer SELECT 1 with 1", database->identity()));
    if (write)
        TRY(probe_write(*database, deadline));
    const auto took = std::chrono::duration<double, std::milli>(app.clock().steady() - from).count();
    return Json{{"server", database->identity()},
                {"user", done.value("usr").value_or("")},
                {"version", done.value("version").value_or("")},
                {"role", done.value("standby") == "t" ? "standby" : "primary"},
                {"took_ms", took},
                {"written", write}};
}

Result<Report> ping(App& app, const PingOptions& o)
{
    TRY_ASSIGN(auto answer, ping_once(app, o.write, app.deadline(k_db_timeout)));
    Report report;
    report.text = fmt::format("{} answers as {} in {:.1f} ms: PostgreSQL {}, {}{}",
                              answer["server"].get<std::string>(), answer["user"].get<std::string>(),
                              answer["took_ms"].get<double>(), answer["version"].get<std::string>(),
                              answer["role"].get<std::string>(), o.write ? ", a write came back" : "");
    report.data = std::move(answer);
    return report;
}

struct WaitOptions {
    bool primary = false;
};

Result<Report> wait(App& app, const WaitOptions& o)
{
    const auto deadline = app.deadline(60s);
    while (true) {
        auto answer = ping_once(app, false, deadline);
        const bool there = answer.has_value();
        if (there && (!o.primary || (*answer)["role"] == "primary")) {
            Report report;
            report.text = fmt::format("{} answers", (*answer)["server"].get<std::string>());
            report.data = *std::move(answer);
            return report;
        }
        const bool may_come = there || answer.error().kind == ErrorKind::unreachable ||
                              answer.error().kind == ErrorKind::unknown;
        if (!may_come)
            return std::move(answer).error();
        if (app.cancel().requested())
            return fail(ErrorKind::interrupted, "interrupted");
        if (deadline.left() <= k_poll)
            return there ? Error{ErrorKind::unverified,
                                 fmt::format("{} is still a standby", (*answer)["server"].get<std::string>()),
                                 "See: conduitctl db status"}
                         : std::move(answer).error();
        app.clock().sleep(k_poll);
    }
}

struct ConnectionsOptions {
    std::string by = "state";
};

constexpr auto k_see_all = "GRANT pg_monitor TO {};";

double number(const Json& row, std::string_view key)
{
    return json_number_or(row, key, 0);
}

constexpr std::string_view k_connections = R"(
SELECT {} AS name, count(*) AS connections, count(*) FILTER (WHERE state = 'active') AS active,
  count(*) FILTER (WHERE state = 'idle') AS idle,
  count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
  extract(epoch FROM max(clock_timestamp() - state_change))::float8 AS oldest_s
FROM pg_stat_activity WHERE backend_type = 'client backend' OR (backend_type IS NULL AND datid IS NOT NULL)
GROUP BY 1 ORDER BY 2 DESC, 1)";

constexpr std::string_view k_limit = R"(
SELECT current_setting('max_connections')::int AS max_connections,
  current_setting('superuser_reserved_connections')::int AS reserved,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'
    OR (backend_type IS NULL AND datid IS NOT NULL)) AS connections,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type IS NULL AND datid IS NOT NULL) AS hidden,
  (SELECT NULLIF(datconnlimit, -1) FROM pg_database WHERE datname = current_database()) AS database_limit,
  (SELECT NULLIF(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user) AS role_limit,
  current_setting('is_superuser') = 'on' AS superuser)";

// How full it is, and whether we are in by a slot that only superusers get.
Result<Json> read_limit(App& app)
{
    TRY_ASSIGN(auto row, ask_db_row(app, "limit", k_limit));
    auto& out = *row;
    if (json_find(out, "connections") == nullptr || !out["connections"].is_number() ||
        json_find(out, "max_connections") == nullptr)
        return fail(ErrorKind::unknown, "the server did not tell its limit of connections");
    const auto slots = number(out, "max_connections") - number(out, "reserved");
    out["available"] = static_cast<std::int64_t>(slots);
    out["used"] = number(out, "connections") / std::max(1.0, slots);
    out["by_reserved_slot"] = json_bool_or(out, "superuser", false) && number(out, "connections") > slots;
    return std::move(out);
}

constexpr auto k_by_reserved = "the server is full: this answer came by a slot that is kept for superusers";

void note_full(const Json& limit, std::vector<std::string>& notes)
{
    notes.push_back(fmt::format("{:.0f} of {:.0f} are in use ({:.0f} %); {:.0f} more are kept for superusers",
                                number(limit, "connections"), number(limit, "available"),
                                100 * number(limit, "used"), number(limit, "reserved")));
    if (json_bool_or(limit, "by_reserved_slot", false))
        notes.emplace_back(k_by_reserved);
}

Result<Report> connections(App& app, const ConnectionsOptions& o)
{
    const auto key = o.by == "state"
                         ? "CASE WHEN backend_type IS NULL THEN '(hidden)' ELSE COALESCE(state, '-') END"
                     : o.by == "user" ? "COALESCE(usename::text, '-')"
                     : o.by == "app"  ? "COALESCE(NULLIF(application_name, ''), '-')"
                                      : "COALESCE(host(client_addr), 'local')";
    TRY_ASSIGN(const auto rows, ask_db(app, "connections", fmt::format(k_connections, key)));
    TRY_ASSIGN(auto limit, read_limit(app));
    const auto right = Column::Align::right;
    using enum Column::Format;
    auto report = list_report(
        sql_items(rows),
        {{.head = to_upper(o.by), .field = "name"},
         {.head = "CONNECTIONS", .field = "connections", .format = integer, .align = right},
         {.head = "ACTIVE", .field = "active", .format = integer, .align = right},
         {.head = "IDLE", .field = "idle", .format = integer, .align = right},
         {.head = "IN-TRANSACTION", .field = "idle_in_transaction", .format = integer, .align = right},
         {.head = "OLDEST", .field = "oldest_s", .format = age, .align = right}});
    note_full(limit, report.notes);
    if (number(limit, "hidden") > 0) {
        report.verdict = ErrorKind::unknown;
        report.notes.push_back(
            fmt::format("what {:.0f} sessions of other roles do is not shown to this one; as a "
                        "superuser: {}",
                        number(limit, "hidden"), fmt::format(k_see_all, "ROLE")));
    }
    (*report.data)["limit"] = std::move(limit);
    return report;
}

Result<Report> limit_run(App& app)
{
    TRY_ASSIGN(auto limit, read_limit(app));
    Report report;
    note_full(limit, report.notes);
    report.text = std::exchange(report.notes, {}).front();
    if (const auto own = number(limit, "database_limit"); own > 0)
        report.notes.push_back(fmt::format("this database may have {:.0f} of them", own));
    if (const auto own = number(limit, "role_limit"); own > 0)
        report.notes.push_back(fmt::format("this role may have {:.0f} of them", own));
    if (json_bool_or(limit, "by_reserved_slot", false))
        report.notes.emplace_back(k_by_reserved);
    if (number(limit, "used") >= 0.8)
        report.next = {"conduitctl db connections --by app", "conduitctl db kill-idle --older 5m --dry-run"};
    report.data = std::move(limit);
    return report;
}

} // namespace

std::vector<Verb> db_state_verbs()
{
    const std::vector<std::string_view> backends{"postgres"};
    std::vector<Verb> verbs;
    verbs.push_back(verb<PingOptions>(
        {.name = "ping",
         .summary = "Log in and let the server answer",
         .text = "A real login and a statement, which pg_isready does not do. With --write a row goes into a "
                 "temporary table and comes back; nothing of it stays.",
         .examples = {"conduitctl db ping", "conduitctl db ping --write --timeout 2s"},
         .covers = {"A-overview-7"},
         .backends = backends},
        [](Flags& f, PingOptions& o) { f.flag("--write", o.write, "Also write into a temporary table"); },
        ping));
    verbs.push_back(verb<WaitOptions>(
        {.name = "wait",
         .summary = "Until the server answers, with a limit",
         .text = "Ends at once when waiting is in vain: a wrong password, a database that does not exist. A "
                 "minute, "
                 "or --timeout.",
         .examples = {"conduitctl db wait", "conduitctl db wait --primary --timeout 5m"},
         .also = {ErrorKind::unverified},
         .backends = backends},
        [](Flags& f, WaitOptions& o) { f.flag("--primary", o.primary, "Until it is no standby, too"); },
        wait));
    verbs.push_back(db_status_verb());
    verbs.push_back(verb<ConnectionsOptions>(
        {.name = "connections",
         .summary = "Client sessions by state, user, app or client",
         .text = "The server's own processes are not counted. When other roles' sessions are hidden from "
                 "this one, "
                 "the verdict is unknown (12).",
         .examples = {"conduitctl db connections", "conduitctl db connections --by app"},
         .covers = {"E-db-status-2", "E-chk-5"},
         .backends = backends},
        [](Flags& f, ConnectionsOptions& o) {
            f.choice("--by", o.by, {"state", "user", "app", "client"}, "What to count them by");
        },
        connections));
    verbs.push_back(
        verb({.name = "limit",
              .summary = "How many connections there may be and are",
              .text = "Against what is left for everybody: max_connections less the slots that are kept "
                      "for superusers. It is raised with `db tune max_connections=N`.",
              .examples = {"conduitctl db limit"},
              .covers = {"E-db-limit-1", "E-db-limit-2"},
              .backends = backends},
             limit_run));
    return verbs;
}

} // namespace conduit::commands
