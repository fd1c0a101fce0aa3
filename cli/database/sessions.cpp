// SPDX-License-Identifier: Apache-2.0
#include "cli/database/sessions.hpp"

#include "cli/database/objects.hpp"

#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::sql {
namespace {

// $1 seconds, $2 states, $3 app, $4 user, $5 client, $6 kept apps
constexpr std::string_view k_idle =
    "SELECT pid, backend_start::text AS started, COALESCE(usename::text, '') AS usr, application_name AS "
    "app, "
    "COALESCE(host(client_addr), 'local') AS client, state, "
    "extract(epoch FROM clock_timestamp() - state_change)::float8 AS idle FROM pg_stat_activity "
    "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND datname = current_database() "
    "AND application_name <> 'conduitctl' AND state = ANY ($2::text[]) "
    "AND state_change < clock_timestamp() - make_interval(secs => $1::float8) "
    "AND ($3::text IS NULL OR application_name = $3) AND ($4::text IS NULL OR usename = $4) "
    "AND ($5::text IS NULL OR COALESCE(host(client_addr), 'local') = $5) "
    "AND application_name <> ALL (SELECT jsonb_array_elements_text($6::jsonb)) "
    "ORDER BY state_change";

constexpr std::string_view k_rights =
    "SELECT current_setting('is_superuser') = 'on' AS superuser, "
    "pg_has_role(current_user, 'pg_signal_backend', 'USAGE') AS signal, current_user::text AS usr, "
    "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND state IS NULL AND backend_start IS NULL) AS hidden";

constexpr std::string_view k_end =
    "SELECT pg_terminate_backend(pid) AS ended FROM pg_stat_activity WHERE pid = $1::int "
    "AND backend_start = $2::timestamptz AND backend_type = 'client backend' AND pid <> pg_backend_pid() "
    "AND state = ANY ($3::text[]) AND state_change < clock_timestamp() - make_interval(secs => $4::float8)";

constexpr std::string_view k_lives =
    "SELECT count(*) AS n FROM pg_stat_activity WHERE pid = $1::int AND backend_start = $2::timestamptz";

std::string states(bool in_transaction)
{
    constexpr const char* k_within = "{\"idle in transaction\",\"idle in transaction (aborted)\"}";
    return in_transaction ? k_within : "{idle}";
}

std::string seconds(Duration value)
{
    return fmt::format("{:.3f}", static_cast<double>(value.count()) / 1000.0);
}

SqlValue or_null(const std::string& text)
{
    return text.empty() ? SqlValue() : SqlValue(text);
}

template <class T> T number(const SqlValue& text)
{
    T out{};
    if (text)
        std::from_chars(text->data(), text->data() + text->size(), out);
    return out;
}

} // namespace

Result<std::vector<Session>> idle_sessions(Database& database, const IdleFilter& filter, Deadline deadline)
{
    Json keep = filter.keep;
    TRY_ASSIGN(const auto found, database.run(request("idle-sessions", k_idle,
                                                      {seconds(filter.older), states(filter.in_transaction),
                                                       or_null(filter.app), or_null(filter.user),
                                                       or_null(filter.client), dump_json(keep)}),
                                              deadline));
    std::vector<Session> out;
    for (const auto& row : found.rows) {
        if (row.size() < 7)
            return fail(ErrorKind::unknown, "the server's list of sessions cannot be read");
        if (filter.limit > 0 && out.size() == static_cast<std::size_t>(filter.limit))
            break;
        out.push_back({number<std::int64_t>(row[0]), row[1].value_or(""), row[2].value_or(""),
                       row[3].value_or(""), row[4].value_or(""), row[5].value_or(""),
                       number<double>(row[6])});
    }
    return out;
}

Result<Rights> session_rights(Database& database, Deadline deadline)
{
    TRY_ASSIGN(const auto found, database.run(request("rights", k_rights), deadline));
    if (!found.value("hidden"))
        return fail(ErrorKind::unknown, "the server did not say what we may do");
    return Rights{found.value("superuser") == "t", found.value("signal") == "t",
                  number<std::int64_t>(found.value("hidden")), found.value("usr").value_or("")};
}

Result<Ended> end_session(Database& database, const Session& session, Duration older, bool in_transaction,
                          const std::function<void()>& sent, Deadline deadline)
{
    auto end =
        request("end-session", k_end,
                {std::to_string(session.pid), session.started, states(in_transaction), seconds(older)});
    end.sent = sent;
    TRY_ASSIGN(const auto done, database.run(end, deadline));
    if (done.value("ended") == "t")
        return Ended::ended;
    TRY_ASSIGN(const bool lives, session_lives(database, session, deadline));
    return lives ? Ended::busy : Ended::gone;
}

Result<bool> session_lives(Database& database, const Session& session, Deadline deadline)
{
    TRY_ASSIGN(
        const auto left,
        database.run(request("session", k_lives, {std::to_string(session.pid), session.started}), deadline));
    if (!left.value("n"))
        return fail(ErrorKind::unknown,
                    fmt::format("the server did not say whether session {} lives", session.pid));
    return left.value("n") != "0";
}

} // namespace conduit::sql
