// SPDX-License-Identifier: Apache-2.0
// What `db` reads, against a real PostgreSQL; T29, T30, T31, T34, T35 of the traps among it.
#include "tests/integration/postgres/world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

Json json_of(const RunResult& r)
{
    INFO(r.out << r.err);
    return parse_json(r.out).value_or(Json());
}

void make_role(const std::string& name)
{
    shared_postgres().run("DO $$ BEGIN CREATE ROLE " + name +
                          " LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
}

} // namespace

TEST_CASE("ping logs in for real, where pg_isready takes any name (T35)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    auto r = world.run({"db", "ping"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(r.out.contains("primary"));
    CHECK(world.run({"db", "ping", "--write"}).code == 0);
    CHECK(world.text("SELECT count(*) FROM pg_class WHERE relname = 'conduitctl_probe'") == "0");
    PostgresWorld nonsense(shared_postgres(), "no_such_database");
    CHECK(nonsense.run({"db", "ping"}).code == 4);
    PostgresWorld nobody(shared_postgres(), "postgres", "no_such_role");
    CHECK(nobody.run({"db", "ping"}).code == 5);
}

TEST_CASE("wait ends when the server is there, and at once when it is in vain")
{
    if (postgres_missing())
        return;
    PostgresServer server;
    PostgresWorld world(server);
    server.kill();
    auto r = world.run({"db", "wait", "--timeout", "300ms"});
    CHECK(r.code == 6);
    server.start();
    CHECK(world.run({"db", "wait", "--timeout", "10s"}).code == 0);
    PostgresWorld nobody(server, "postgres", "no_such_role");
    CHECK(nobody.run({"db", "wait", "--timeout", "60s"}).code == 5);
}

TEST_CASE("status tells role, size, connections and what is wrong")
{
    if (postgres_missing())
        return;
    PostgresServer server({"max_connections=13", "superuser_reserved_connections=3"});
    PostgresWorld world(server);
    std::vector<std::unique_ptr<Database>> clients;
    for (int i = 0; i < 9; ++i) {
        clients.push_back(server.open(world.database));
        REQUIRE(clients.back()->run({.text = "SELECT 1"}, Deadline(5s)).has_value());
    }
    const auto r = world.run({"db", "status", "-o", "json"});
    CHECK(r.code == 0);
    const auto s = json_of(r);
    CHECK(s["role"] == "primary");
    CHECK(s["max_connections"] == 13);
    CHECK(s["connections"] == 10); // nine and ours: none of the server's own
    CHECK(s["standbys"].empty());
    CHECK(s["archive_mode"] == "off");
    CHECK(world.run({"db", "status"}).err.contains("connections are taken"));
}

TEST_CASE("only clients are counted, against what superusers are not given first (T29)")
{
    if (postgres_missing())
        return;
    PostgresServer server({"max_connections=13", "superuser_reserved_connections=3"});
    PostgresWorld world(server);
    // The document's way counts the server's own processes among them.
    CHECK(std::stoi(server.text("SELECT count(*) FROM pg_stat_activity")) > 1);
    auto limit = json_of(world.run({"db", "limit", "-o", "json"}));
    CHECK(limit["connections"] == 1);
    CHECK(limit["available"] == 10);
    CHECK(limit["by_reserved_slot"] == false);
    const auto connections = json_of(world.run({"db", "connections", "--by", "app", "-o", "json"}));
    REQUIRE(connections["items"].size() == 1);
    CHECK(connections["items"][0]["name"] == "conduitctl");
    CHECK(connections["limit"]["max_connections"] == 13);
}

TEST_CASE("when the server is full a superuser still gets in, and is told how (T29)")
{
    if (postgres_missing())
        return;
    PostgresServer server({"max_connections=6", "superuser_reserved_connections=2", "max_wal_senders=0"});
    server.run("CREATE ROLE web LOGIN");
    PostgresWorld world(server);
    std::vector<std::unique_ptr<Database>> clients;
    for (int i = 0; i < 4; ++i) {
        clients.push_back(server.open(world.database, "web"));
        REQUIRE(clients.back()->run({.text = "SELECT 1"}, Deadline(5s)).has_value());
    }
    PostgresWorld web(server, world.database, "web");
    const auto refused = web.run({"db", "ping"});
    CHECK(refused.code == 6);
    CHECK(refused.err.contains("superuser"));
    const auto r = world.run({"db", "limit", "-o", "json"});
    CHECK(r.code == 0);
    CHECK(json_of(r)["by_reserved_slot"] == true);
    CHECK(world.run({"db", "limit"}).err.contains("slot that is kept for superusers"));
}

TEST_CASE("sessions that are hidden from this role are unknown, and not zero")
{
    if (postgres_missing())
        return;
    make_role("plain_role");
    PostgresWorld world(shared_postgres(), shared_postgres().make_database(), "plain_role");
    const auto other = shared_postgres().open(world.database);
    REQUIRE(other->run({.text = "SELECT 1"}, Deadline(5s)).has_value());
    const auto r = world.run({"db", "connections"});
    INFO(r.out << r.err);
    CHECK(r.code == 12);
    CHECK(r.err.contains("pg_monitor"));
    const auto status = world.run({"db", "status", "-o", "json"});
    CHECK(status.code == 12);
    CHECK(json_of(status)["longest_transaction_s"].is_null());
}

TEST_CASE("sizes find tables whose names have capitals, blanks and quotes (T31)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    world.sql(R"(CREATE TABLE "RequestLogs" (id int PRIMARY KEY, body text))");
    world.sql(R"(CREATE TABLE "it's ""so""" (id int))");
    world.sql(R"(INSERT INTO "RequestLogs" SELECT n, repeat('x', 500) FROM generate_series(1, 200) n)");
    // The document's way.
    CHECK_THROWS_WITH(
        world.sql("SELECT pg_total_relation_size(schemaname || '.' || tablename) FROM pg_tables "
                  "WHERE schemaname = 'public'"),
        Catch::Contains("does not exist") || Catch::Contains("syntax") || Catch::Contains("invalid"));
    const auto sizes = json_of(world.run({"db", "sizes", "-o", "json"}));
    REQUIRE(sizes["items"].size() == 2);
    CHECK(sizes["items"][0]["name"] == "RequestLogs");
    CHECK(sizes["items"][0]["index_bytes"].get<int>() > 0);
    CHECK(sizes["items"][1]["name"] == R"(it's "so")");
    CHECK(sizes["database_bytes"].get<double>() > 0);
}

TEST_CASE("unused indexes leave out what a constraint needs, and say since when they count (T30)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    world.sql("CREATE TABLE request_logs (id int PRIMARY KEY, key text UNIQUE, at timestamptz)");
    world.sql("CREATE INDEX idx_at ON request_logs (at)");
    CHECK_THROWS_WITH(world.sql("SELECT tablename, indexname FROM pg_stat_user_indexes WHERE idx_scan = 0"),
                      Catch::Contains("tablename"));
    CHECK(world.text("SELECT count(*) FROM pg_stat_user_indexes WHERE idx_scan = 0") ==
          "3"); // with both keys
    const auto r = world.run({"db", "indexes", "--unused", "-o", "json"});
    const auto found = json_of(r);
    REQUIRE(found["items"].size() == 1);
    CHECK(found["items"][0]["name"] == "idx_at");
    CHECK(found["counters"]["age_s"].get<double>() > 0);
    CHECK(json_of(world.run({"db", "indexes", "-o", "json"}))["items"].size() == 3);
    CHECK(world.run({"db", "indexes", "--invalid"}).code == 0);
}

TEST_CASE("slow says what is missing and shows what runs instead (T34)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    const auto sleeper = shared_postgres().open(world.database);
    std::thread running([&] {
        (void)sleeper->run({.text = "SELECT pg_sleep(60), 'secret@example.com'"}, Deadline(20s)).has_value();
    });
    REQUIRE(eventually([&] {
        return shared_postgres().text(
                   "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND "
                   "state = 'active' AND pid <> pg_backend_pid()") == "1";
    }));
    const auto r = world.run({"db", "slow"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(r.err.contains("not installed"));
    CHECK(r.out.contains("pg_sleep"));
    CHECK_FALSE(r.out.contains("secret@example.com"));
    CHECK(world.run({"db", "slow", "--texts"}).out.contains("secret@example.com"));
    world.sql("CREATE EXTENSION pg_stat_statements"); // created, and not preloaded
    const auto loaded = world.run({"db", "slow"});
    CHECK(loaded.code == 0);
    CHECK(loaded.err.contains("has not loaded it"));
    shared_postgres().run(
        "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' "
        "AND pid <> pg_backend_pid()");
    running.join();
}

TEST_CASE("slow reads pg_stat_statements where it is loaded, by total and by mean (T34)")
{
    if (postgres_missing())
        return;
    PostgresServer server({"shared_preload_libraries=pg_stat_statements"});
    PostgresWorld world(server);
    world.sql("CREATE SCHEMA \"Ext Schema\"");
    world.sql("CREATE EXTENSION pg_stat_statements SCHEMA \"Ext Schema\"");
    const auto client = server.open(world.database);
    for (int i = 0; i < 20; ++i)
        REQUIRE(
            client->run({.text = "SELECT count(*) FROM pg_attribute, generate_series(1, 3)"}, Deadline(5s))
                .has_value());
    REQUIRE(client->run({.text = "SELECT pg_sleep(0.05)"}, Deadline(5s)).has_value());
    const auto total = json_of(world.run({"db", "slow", "-o", "json"}));
    CHECK(total["source"] == "pg_stat_statements");
    REQUIRE(total["items"].size() >= 2);
    const auto mean = json_of(world.run({"db", "slow", "--sort", "mean", "--limit", "1", "-o", "json"}));
    REQUIRE(mean["items"].size() == 1);
}

TEST_CASE("status counts the standbys and how far they are behind")
{
    if (postgres_missing())
        return;
    PostgresServer primary({"wal_level=replica"});
    PostgresServer standby(primary, {"hot_standby=on"});
    PostgresWorld world(primary, "postgres");
    REQUIRE(eventually([&] { return primary.text("SELECT count(*) FROM pg_stat_replication") == "1"; }));
    const auto s = json_of(world.run({"db", "status", "-o", "json"}));
    REQUIRE(s["standbys"].size() == 1);
    CHECK(s["standbys"][0]["state"] == "streaming");
    PostgresWorld second(standby, "postgres");
    CHECK(json_of(second.run({"db", "status", "-o", "json"}))["role"] == "standby");
    CHECK(second.run({"db", "ping"}).code == 0);
    const auto write = second.run({"db", "ping", "--write"});
    CHECK(write.code == 1);
    CHECK(write.err.contains("standby"));
    CHECK(second.run({"db", "wait", "--primary", "--timeout", "300ms"}).code == 11);
    // T27: more connections here would stop the standby's replay.
    const auto refused = world.run({"db", "tune", "max_connections=200", "-y"});
    CHECK(refused.code == 3);
    CHECK(refused.err.contains("standbys need the higher"));
    CHECK(second.run({"db", "tune", "max_connections=20", "-y"}).code == 3);
    CHECK(world.run({"db", "tune", "max_connections=200", "--standbys-raised", "-y"}).code == 0);
}
