// SPDX-License-Identifier: Apache-2.0
// `db tune` against a real PostgreSQL (T26, T27).
#include "tests/integration/postgres/world.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

std::string in_file(PostgresServer& server, const std::string& name)
{
    return server.text("SELECT COALESCE((SELECT setting FROM pg_file_settings WHERE name = '" + name +
                       "' AND sourcefile LIKE '%auto.conf'), '-')");
}

Json json_of(const RunResult& r)
{
    return parse_json(r.out).value_or(Json());
}

} // namespace

TEST_CASE("ALTER SYSTEM fails among other statements; tune sends each alone (T26)")
{
    if (postgres_missing())
        return;
    PostgresServer server;
    PostgresWorld world(server, "postgres");
    CHECK_THROWS_WITH(
        server.run("DO $$ BEGIN ALTER SYSTEM SET work_mem = '8MB'; END $$"), // as within any transaction
        Catch::Contains("cannot"));
    auto r = world.run({"db", "tune", "work_mem=8MB", "random_page_cost=1.1", "-y", "-o", "json"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(json_of(r)["verified"] == true);
    CHECK(json_of(r)["pending_restart"].empty());
    CHECK(server.text("SHOW work_mem") == "8MB"); // reloaded: in force
    CHECK(server.text("SHOW random_page_cost") == "1.1");
    // Again: nothing to do.
    r = world.run({"db", "tune", "work_mem=8MB", "-y", "-o", "json"});
    CHECK(json_of(r)["changed"] == false);
    // Undo of the first takes both back to what they were: not set.
    const auto all = json_of(world.run({"history", "ls", "-o", "json"}));
    std::string id;
    for (const auto& item : all["items"])
        id = item["id"].get<std::string>(); // the oldest is last
    r = world.run({"undo", id, "-y"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(in_file(server, "work_mem") == "-");
    CHECK(server.text("SHOW work_mem") == "4MB");
}

TEST_CASE("a setting that needs a restart is pending and says so (T26, T27)")
{
    if (postgres_missing())
        return;
    PostgresServer server;
    PostgresWorld world(server, "postgres");
    const auto dry = world.run({"db", "tune", "max_connections=500", "--dry-run"});
    INFO(dry.out << dry.err);
    CHECK(dry.code == 0);
    CHECK(dry.out.contains("work_mem"));
    CHECK(dry.out.contains("pooler"));
    CHECK(in_file(server, "max_connections") == "-");
    const auto r = world.run({"db", "tune", "max_connections=500", "-y", "-o", "json"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(json_of(r)["pending_restart"] == Json::array({"max_connections"}));
    CHECK(server.text("SHOW max_connections") == "100");
    CHECK(json_of(world.run({"db", "status", "-o", "json"}))["pending_restart"] ==
          Json::array({"max_connections"}));
    server.kill(SIGINT);
    server.start();
    CHECK(server.text("SHOW max_connections") == "500");
}

TEST_CASE("a value that the server would refuse is refused before, with what it takes")
{
    if (postgres_missing())
        return;
    PostgresServer server;
    PostgresWorld world(server, "postgres");
    const auto tried = [&](const std::string& words) {
        const auto r = world.run({"db", "tune", words, "-y"});
        INFO(words << "\n" << r.out << r.err);
        return r.code;
    };
    CHECK(tried("work_mem=many") == 2);
    CHECK(tried("work_mem=1B") == 2);
    CHECK(tried("wal_level=sometimes") == 2);
    CHECK(tried("autovacuum=perhaps") == 2);
    CHECK(tried("no_such_setting=1") == 4);
    CHECK(tried("block_size=16384") == 3);
    CHECK(tried("primary_conninfo=host=x password=y") == 3);
    CHECK(tried("log_line_prefix=it's \"so\" \\ %m") == 0);
    CHECK(server.text("SHOW log_line_prefix") == "it's \"so\" \\ %m");
    CHECK(tried("log_line_prefix=a\nfsync = off") == 2);
    CHECK(tried("fsync=off") == 3); // would need its name typed and a reason
    CHECK(tried("session_preload_libraries=auto_explain, pg_stat_statements") == 0);
    CHECK(server.text("SHOW session_preload_libraries") ==
          "auto_explain, pg_stat_statements"); // two, not one
}

TEST_CASE("what something else overrules is unverified, with its name")
{
    if (postgres_missing())
        return;
    PostgresServer server({"work_mem=5MB"}); // on the command line
    PostgresWorld world(server, "postgres");
    const auto r = world.run({"db", "tune", "work_mem=8MB", "-y", "--timeout", "1s"});
    INFO(r.out << r.err);
    CHECK(r.code == 11);
    CHECK((r.out + r.err).contains("command line"));
}

TEST_CASE("who is no superuser is told so")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    server.run("DO $$ BEGIN CREATE ROLE tuner LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    PostgresWorld world(server, "postgres", "tuner");
    const auto r = world.run({"db", "tune", "work_mem=8MB", "-y"});
    CHECK(r.code == 5);
    CHECK(r.err.contains("superuser"));
}
