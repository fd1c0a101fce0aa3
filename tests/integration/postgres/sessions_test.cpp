// SPDX-License-Identifier: Apache-2.0
// `db kill-idle` against a real PostgreSQL (T28).
#include "cli/database/sessions.hpp"
#include "tests/integration/postgres/world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

// A session of an application, idle or idle within a transaction.
struct Client {
    Client(PostgresServer& server, const std::string& database, const std::string& app,
           const std::string& user = "postgres", bool in_transaction = false)
        : session(server.open(database, user))
    {
        (void)session
            ->run({.text = "SELECT set_config('application_name', $1, false)", .values = {app}}, Deadline(5s))
            .value();
        if (in_transaction)
            (void)session->run({.text = "BEGIN"}, Deadline(5s)).value();
        pid = session->run({.text = "SELECT pg_backend_pid() AS pid"}, Deadline(5s))
                  .value()
                  .value("pid")
                  .value();
    }
    bool lives(PostgresServer& server) const
    {
        return server.text("SELECT count(*) FROM pg_stat_activity WHERE pid = " + pid) == "1";
    }
    std::unique_ptr<Database> session;
    std::string pid;
};

void make_role(PostgresServer& server, const std::string& name)
{
    server.run("DO $$ BEGIN CREATE ROLE " + name +
               " LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
}

constexpr auto k_document =
    "SELECT count(pg_terminate_backend(pid)) AS n FROM pg_stat_activity WHERE state = 'idle' AND "
    "state_change < "
    "clock_timestamp() - interval '0 s' AND datname = current_database() AND pid <> pg_backend_pid()";

} // namespace

TEST_CASE("without rights the document's way finds nothing and succeeds; kill-idle says so (T28)")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    make_role(server, "weak_role");
    PostgresWorld world(server, server.make_database(), "weak_role");
    const Client idle(server, world.database, "web");
    const auto document = server.open(world.database, "weak_role")->run({.text = k_document}, Deadline(5s));
    REQUIRE(document.has_value());
    CHECK(document->value("n") == "0"); // success, and nothing was done
    const auto r = world.run({"db", "kill-idle", "--older", "1ms", "-y"});
    CHECK(r.code == 5);
    CHECK(r.err.contains("GRANT pg_signal_backend"));
    CHECK(idle.lives(server));
    // With the right to end but not to see them it is the same.
    server.run("GRANT pg_signal_backend TO weak_role");
    const auto blind = world.run({"db", "kill-idle", "--older", "1ms", "-y"});
    CHECK(blind.code == 5);
    CHECK(blind.err.contains("GRANT pg_read_all_stats"));
    server.run("REVOKE pg_signal_backend FROM weak_role");
}

TEST_CASE("kill-idle ends what is idle for long, and proves it")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    PostgresWorld world(server);
    const Client a(server, world.database, "web"), b(server, world.database, "web"),
        kept(server, world.database, "batch"), working(server, world.database, "web", "postgres", true);
    const Client elsewhere(server, server.make_database(), "web");
    const auto dry = world.run({"db", "kill-idle", "--older", "1ms", "--keep", "batch", "--dry-run"});
    INFO(dry.out << dry.err);
    CHECK(dry.code == 0);
    CHECK(dry.out.contains("pid " + a.pid));
    CHECK_FALSE(dry.out.contains("pid " + kept.pid));
    CHECK(a.lives(server));
    const auto r = world.run({"db", "kill-idle", "--older", "1ms", "--keep", "batch", "-y", "-o", "json"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(parse_json(r.out).value_or(Json())["verified"] == true);
    CHECK_FALSE(a.lives(server));
    CHECK_FALSE(b.lives(server));
    CHECK(kept.lives(server));
    CHECK(working.lives(server)); // idle in a transaction is another matter
    CHECK(elsewhere.lives(server));
    CHECK(world.run({"db", "kill-idle", "--older", "1h", "-y"}).code == 0); // nobody is: fine
}

TEST_CASE("kill-idle --in-transaction ends those that hold locks, and only those")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    PostgresWorld world(server);
    const Client idle(server, world.database, "web"),
        holding(server, world.database, "web", "postgres", true);
    CHECK(world.run({"db", "kill-idle", "--in-transaction", "--older", "1ms", "-y"}).code == 0);
    CHECK(idle.lives(server));
    CHECK_FALSE(holding.lives(server));
}

TEST_CASE("kill-idle keeps to its limit and its filters")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    make_role(server, "app_role");
    PostgresWorld world(server);
    const Client first(server, world.database, "web"), second(server, world.database, "web"),
        other(server, world.database, "web", "app_role");
    CHECK(world.run({"db", "kill-idle", "--older", "1ms", "--user", "app_role", "-y"}).code == 0);
    CHECK_FALSE(other.lives(server));
    CHECK(world.run({"db", "kill-idle", "--older", "1ms", "--limit", "1", "-y"}).code == 0);
    CHECK_FALSE(first.lives(server)); // the longest idle first
    CHECK(second.lives(server));
    CHECK(world.run({"db", "kill-idle", "--older", "1ms", "--app", "it's \"no\"; --", "-y"}).code == 0);
    CHECK(second.lives(server));
}

TEST_CASE("a role ends its own sessions without any grant")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    make_role(server, "own_role");
    PostgresWorld world(server, server.make_database(), "own_role");
    const Client mine(server, world.database, "web", "own_role"), other(server, world.database, "web");
    const auto r = world.run({"db", "kill-idle", "--older", "1ms", "--user", "own_role", "-y"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK_FALSE(mine.lives(server));
    CHECK(other.lives(server));
}

TEST_CASE("a process id that belongs to another session by now is left alone")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    PostgresWorld world(server);
    const Client idle(server, world.database, "web"), busy(server, world.database, "web", "postgres", true);
    const auto database = server.open(world.database);
    sql::Session recycled{.pid = std::stoll(idle.pid), .started = "2001-01-01 00:00:00+00"};
    CHECK(sql::end_session(*database, recycled, Duration{0}, false, {}, Deadline(5s)).value() ==
          sql::Ended::gone);
    CHECK(idle.lives(server));
    const auto started = server.text("SELECT backend_start FROM pg_stat_activity WHERE pid = " + busy.pid);
    CHECK(sql::end_session(*database, {.pid = std::stoll(busy.pid), .started = started}, Duration{0}, false,
                           {}, Deadline(5s))
              .value() == sql::Ended::busy);
    CHECK(busy.lives(server));
}
