// SPDX-License-Identifier: Apache-2.0
// `db query`: reads, and nothing but (T36).
#include "tests/integration/postgres/world.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

TEST_CASE("a query answers as table, JSON and CSV")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    world.sql(R"(CREATE TABLE "Models" (name text, n int, raw bytea))");
    world.sql(R"(INSERT INTO "Models" VALUES ('a,"b"', 1, '\x00ff'), (NULL, 2, ''), ('', 3, NULL))");
    auto r = world.run({"db", "query", R"(SELECT * FROM "Models" ORDER BY n)", "-o", "json"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    const auto doc = parse_json(r.out).value_or(Json());
    CHECK(doc["rows"] == 3);
    CHECK(doc["truncated"] == false);
    CHECK(doc["items"][0]["name"] == "a,\"b\"");
    CHECK(doc["items"][0]["raw"] == "\\x00ff");
    CHECK(doc["items"][1]["name"].is_null());
    r = world.run({"db", "query", R"(SELECT name, n FROM "Models" ORDER BY n)", "--csv"});
    CHECK(r.out == "name,n\r\n\"a,\"\"b\"\"\",1\r\n,2\r\n\"\",3\r\n");
    r = world.run({"db", "query", "SELECT 1 AS one, 2 AS one"});
    CHECK(r.out.contains("one_2"));
}

TEST_CASE("a query cannot write, by whatever way it tries (T36)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    world.sql("CREATE TABLE t (n int)");
    world.sql("CREATE FUNCTION add() RETURNS int LANGUAGE sql AS $$ INSERT INTO t VALUES (1) RETURNING n $$");
    const auto code = [&](const std::string& statement) {
        const auto r = world.run({"db", "query", statement});
        INFO(statement << "\n" << r.out << r.err);
        return r.code;
    };
    for (const auto* statement :
         {"INSERT INTO t VALUES (1)", "/* SELECT */ DELETE FROM t", "\n-- SELECT\nDROP TABLE t",
          "DO $$ BEGIN END $$", "COPY (SELECT 1) TO PROGRAM 'touch /tmp/conduit-should-not-be'",
          "SET search_path = x", "COMMIT", "((("})
        CHECK(code(statement) == 3);
    CHECK(code("WITH w AS (INSERT INTO t VALUES (1) RETURNING n) SELECT * FROM w") == 3);
    CHECK(code("SELECT add()") == 3);
    CHECK(code("EXPLAIN ANALYZE INSERT INTO t VALUES (1)") == 3);
    CHECK(code("SELECT * INTO copy FROM t") == 3);
    CHECK(code("SELECT 1; INSERT INTO t VALUES (1)") == 2);
    CHECK(code("SELECT 1; COMMIT; INSERT INTO t VALUES (1)") == 2);
    // A superuser has no more rights here than to read tables.
    const auto other = shared_postgres().open(world.database);
    const auto pid =
        other->run({.text = "SELECT pg_backend_pid() AS pid"}, Deadline(5s)).value().value("pid").value();
    CHECK(code("SELECT pg_terminate_backend(" + pid + ")") == 5);
    CHECK(code("SELECT pg_read_file('PG_VERSION')") == 5);
    CHECK(code("SELECT pg_reload_conf()") == 5);
    CHECK(world.run({"db", "query", "--own-role", "SELECT pg_read_file('PG_VERSION')"}).code == 0);
    CHECK(world.text("SELECT count(*) FROM t") == "0");
}

TEST_CASE("a query has a limit of rows, of bytes and of time (T36)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    auto r = world.run(
        {"db", "query", "SELECT n FROM generate_series(1, 10000000) n", "--limit", "5", "-o", "json"});
    CHECK(r.code == 0);
    auto doc = parse_json(r.out).value_or(Json());
    CHECK(doc["items"].size() == 5);
    CHECK(doc["truncated"] == true);
    r = world.run({"db", "query", "SELECT repeat('x', 100000) FROM generate_series(1, 1000)", "--bytes",
                   "1Mi", "-o", "json"});
    CHECK(parse_json(r.out).value_or(Json())["truncated"] == true);
    CHECK(r.out.size() < 1200000);
    r = world.run({"db", "query", "SELECT pg_sleep(30), 'time-limit'", "--timeout", "300ms"});
    CHECK(r.code == 1);
    CHECK(r.err.contains("cancel"));
    CHECK(
        world.text(
            "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%time-limit%' AND "
            "pid <> pg_backend_pid()") == "0");
}

TEST_CASE("a table's names and values cannot steer the terminal")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    const auto r = world.run({"db", "query", "SELECT E'\\x1b[2Jgone' AS \"\x1b[31mred\""});
    CHECK(r.code == 0);
    CHECK_FALSE(r.out.contains('\x1b'));
}

TEST_CASE("a query in a file and one that does not parse")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    const auto file = world.app.home() / "q.sql";
    REQUIRE(write_file(file, "SELECT 41 + 1 AS answer").has_value());
    CHECK(world.run({"db", "query", "--from-file", file.string()}).out.contains("42"));
    CHECK(world.run({"db", "query", "SELECT FROM WHERE"}).code == 2);
    CHECK(world.run({"db", "query", "SELECT * FROM no_such_table"}).code == 4);
    CHECK(world.run({"db", "query"}).code == 2);
}
