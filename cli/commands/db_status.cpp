// SPDX-License-Identifier: Apache-2.0
// `db status`: the state of the server on one screen.
#include "cli/commands/db.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

constexpr std::string_view k_status = R"(
SELECT current_setting('server_version') AS version,
  CASE WHEN pg_is_in_recovery() THEN 'standby' ELSE 'primary' END AS role,
  extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())::float8 AS uptime_s,
  current_database()::text AS database, pg_database_size(current_database()) AS size_bytes,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
  current_setting('max_connections')::int AS max_connections,
  current_setting('superuser_reserved_connections')::int AS reserved,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type IS NULL) AS hidden,
  (SELECT extract(epoch FROM max(clock_timestamp() - xact_start))::float8 FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS longest_transaction_s,
  (SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
  (SELECT count(*) FROM pg_stat_activity WHERE cardinality(pg_blocking_pids(pid)) > 0) AS blocked,
  (SELECT max(age(datfrozenxid)) FROM pg_database)::bigint AS wraparound_age,
  current_setting('autovacuum_freeze_max_age')::bigint AS freeze_max_age,
  current_setting('archive_mode') AS archive_mode,
  (SELECT archived_count FROM pg_stat_archiver) AS archived,
  (SELECT failed_count FROM pg_stat_archiver) AS archive_failures,
  (SELECT COALESCE(last_failed_time > COALESCE(last_archived_time, '-infinity'), false) FROM pg_stat_archiver)
    AS archive_failing,
  (SELECT extract(epoch FROM clock_timestamp() - last_archived_time)::float8 FROM pg_stat_archiver)
    AS archived_ago_s,
  CASE WHEN pg_is_in_recovery() THEN extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8
    END AS replay_lag_s,
  (SELECT COALESCE(jsonb_agg(name ORDER BY name), '[]') FROM pg_settings WHERE pending_restart) AS pending_restart)";

constexpr std::string_view k_standbys = R"(
SELECT application_name AS name, COALESCE(host(client_addr), 'local') AS client, state, sync_state AS sync,
  pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END,
    replay_lsn)::bigint AS lag_bytes,
  extract(epoch FROM replay_lag)::float8 AS lag_s
FROM pg_stat_replication ORDER BY 1, 2)";

constexpr auto k_see_all = "GRANT pg_monitor TO {};";

double number(const Json& row, std::string_view key)
{
    return json_number_or(row, key, 0);
}

void add_findings(const Json& s, std::vector<std::string>& notes)
{
    const double slots = number(s, "max_connections") - number(s, "reserved");
    if (slots > 0 && number(s, "connections") >= 0.8 * slots)
        notes.push_back(
            fmt::format("{:.0f} of {:.0f} connections are taken: conduitctl db connections --by app",
                        number(s, "connections"), slots));
    if (number(s, "wraparound_age") > number(s, "freeze_max_age"))
        notes.push_back(fmt::format("{:.0f} million transactions without freezing: conduitctl db vacuum",
                                    number(s, "wraparound_age") / 1e6));
    if (json_bool_or(s, "archive_failing", false))
        notes.emplace_back("the archiving of WAL fails: point-in-time recovery ends where it stopped");
    if (number(s, "blocked") > 0)
        notes.push_back(
            fmt::format("{:.0f} sessions wait for a lock: conduitctl db slow", number(s, "blocked")));
    if (number(s, "longest_transaction_s") > 300)
        notes.push_back(
            fmt::format("a transaction has been open for {}: conduitctl db kill-idle --in-transaction",
                        human_seconds(number(s, "longest_transaction_s"))));
    if (const auto* pending = json_find(s, "pending_restart"); pending != nullptr && !pending->empty())
        notes.push_back(fmt::format("settings wait for a restart: {}", dump_json(*pending)));
}

bool absent(const Json& s, std::string_view key)
{
    const auto* found = json_find(s, key);
    return found == nullptr || found->is_null();
}

std::string known(const Json& s, std::string_view key, const std::string& text)
{
    return absent(s, key) ? "not known" : text;
}

std::string archive_text(const Json& s)
{
    const auto mode = json_string_or(s, "archive_mode", "not known");
    if (mode == "off")
        return "off: no point-in-time recovery";
    return fmt::format("{}, {:.0f} segments, the last {} ago; {:.0f} failures", mode, number(s, "archived"),
                       human_seconds(number(s, "archived_ago_s")), number(s, "archive_failures"));
}

std::string status_text(const Json& s)
{
    std::string out;
    const auto line = [&out](std::string_view what, const std::string& text) {
        out += fmt::format("{:<20} {}\n", what, printable(text));
    };
    line("server", fmt::format("PostgreSQL {}, {}, up for {}", json_string_or(s, "version", "?"),
                               json_string_or(s, "role", "?"), human_seconds(number(s, "uptime_s"))));
    line("database", fmt::format("{}, {}", json_string_or(s, "database", "?"),
                                 human_bytes(static_cast<std::uint64_t>(number(s, "size_bytes")))));
    line("connections",
         known(s, "connections",
               fmt::format("{:.0f} of {:.0f}, and {:.0f} for superusers", number(s, "connections"),
                           number(s, "max_connections") - number(s, "reserved"), number(s, "reserved"))));
    line("longest transaction", !absent(s, "longest_transaction_s")
                                    ? human_seconds(number(s, "longest_transaction_s"))
                                : absent(s, "idle_in_transaction") ? "not known"
                                                                   : "none");
    line("idle in transaction",
         known(s, "idle_in_transaction", fmt::format("{:.0f}", number(s, "idle_in_transaction"))));
    line("blocked", known(s, "blocked", fmt::format("{:.0f}", number(s, "blocked"))));
    line("oldest row", fmt::format("{:.1f} million transactions, frozen at {:.0f} million",
                                   number(s, "wraparound_age") / 1e6, number(s, "freeze_max_age") / 1e6));
    line("WAL archive", archive_text(s));
    if (!absent(s, "replay_lag_s"))
        line("behind its primary", human_seconds(number(s, "replay_lag_s")));
    for (const auto& standby : s["standbys"])
        line("standby",
             fmt::format("{} at {}: {}, {}, {} behind", json_string_or(standby, "name", "?"),
                         json_string_or(standby, "client", "?"), json_string_or(standby, "state", "?"),
                         json_string_or(standby, "sync", "?"),
                         absent(standby, "lag_bytes")
                             ? "unknown"
                             : human_bytes(static_cast<std::uint64_t>(number(standby, "lag_bytes")))));
    return out;
}

Result<Report> status(App& app)
{
    TRY_ASSIGN(auto row, ask_db_row(app, "status", k_status));
    TRY_ASSIGN(const auto standbys, ask_db(app, "standbys", k_standbys));
    Report report;
    auto& s = *row;
    if (absent(s, "connections") || absent(s, "max_connections"))
        return fail(ErrorKind::unknown, "the server did not tell its state");
    s["standbys"] = sql_items(standbys);
    const double slots = std::max(1.0, number(s, "max_connections") - number(s, "reserved"));
    s["used"] = number(s, "connections") / slots;
    if (number(s, "hidden") > 0) { // of others' sessions nothing is shown: no word instead of a wrong one
        for (const auto* key :
             {"connections", "used", "longest_transaction_s", "idle_in_transaction", "blocked"})
            s[key] = nullptr;
        report.verdict = ErrorKind::unknown;
        report.notes.push_back(
            fmt::format("other roles' sessions are not shown to this one; as a superuser: {}",
                        fmt::format(k_see_all, "ROLE")));
    }
    add_findings(s, report.notes);
    report.text = status_text(s);
    report.data = std::move(s);
    return report;
}

} // namespace

Verb db_status_verb()
{
    return verb({.name = "status",
                 .summary = "Role, size, connections, replication, archiving, locks",
                 .examples = {"conduitctl db status", "conduitctl db status -o json"},
                 .covers = {"E-db-status-2"},
                 .backends = {"postgres"}},
                status);
}

} // namespace conduit::commands
