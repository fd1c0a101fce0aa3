// SPDX-License-Identifier: Apache-2.0
// `db vacuum`, `analyze`, `reindex`, `index create`, `index drop` against a real PostgreSQL (T26, T32).
#include "tests/integration/postgres/world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <nlohmann/json.hpp>
#include <thread>

using namespace conduit;
using namespace conduit::test;

namespace {

void make_logs(const PostgresWorld& world)
{
    world.sql(R"(CREATE TABLE "RequestLogs" (id int PRIMARY KEY, "Timestamp" timestamptz, key text))");
    world.sql(R"(INSERT INTO "RequestLogs" SELECT n, now(), n % 5 FROM generate_series(1, 1000) n)");
}

std::string newest_operation(PostgresWorld& world)
{
    const auto r = world.run({"history", "ls", "-o", "json"});
    const auto doc = parse_json(r.out).value_or(Json());
    return doc["items"].empty() ? "" : doc["items"][0]["id"].get<std::string>();
}

} // namespace

TEST_CASE("vacuum and analyze are proved by what the server says of each table (T26)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    make_logs(world);
    world.sql("CREATE TABLE other (n int)");
    auto r = world.run({"db", "vacuum", "RequestLogs", "-o", "json"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(parse_json(r.out).value_or(Json())["verified"] == true);
    CHECK(world.text(
              "SELECT last_vacuum IS NOT NULL AND last_analyze IS NOT NULL FROM pg_stat_user_tables WHERE "
              "relname = 'RequestLogs'") == "t");
    CHECK(world.text("SELECT last_vacuum IS NULL FROM pg_stat_user_tables WHERE relname = 'other'") == "t");
    r = world.run({"db", "analyze"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(world.text("SELECT count(*) FROM pg_stat_user_tables WHERE last_analyze IS NULL") == "0");
    CHECK(world.run({"db", "vacuum", "no_such_table"}).code == 4);
    CHECK(world.run({"db", "vacuum", "requestlog"}).err.contains("RequestLogs"));
}

TEST_CASE("a table of another owner is refused, which PostgreSQL passes over with a warning")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    server.run("DO $$ BEGIN CREATE ROLE visitor LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$");
    PostgresWorld world(server, server.make_database(), "visitor");
    make_logs(world);
    const auto direct =
        server.open(world.database, "visitor")->run({.text = R"(VACUUM public."RequestLogs")"}, Deadline(5s));
    REQUIRE(direct.has_value()); // success, and nothing was done
    REQUIRE(direct->notices.size() == 1);
    CHECK(world.run({"db", "vacuum", "RequestLogs"}).code == 5);
    CHECK(world.run({"db", "reindex", "RequestLogs"}).code == 5);
}

TEST_CASE("an index is built while others write, once and no more (T32)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    make_logs(world);
    const std::vector<std::string> create{"db", "index", "create", "RequestLogs", "Timestamp", "-o", "json"};
    auto r = world.run(create);
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(parse_json(r.out).value_or(Json())["changed"] == true);
    CHECK(
        world.text(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = '\"idx_RequestLogs_Timestamp\"'::regclass") ==
        "t");
    r = world.run(create);
    CHECK(r.code == 0);
    CHECK(parse_json(r.out).value_or(Json())["changed"] == false);
    const auto other =
        world.run({"db", "index", "create", "RequestLogs", "key", "--name", "idx_RequestLogs_Timestamp"});
    CHECK(other.code == 3);
    CHECK(world.run({"db", "index", "create", "RequestLogs", "no_column"}).code == 4);
    // Undo drops it, and undo of a drop builds it again.
    r = world.run({"db", "index", "drop", "idx_RequestLogs_Timestamp", "-y"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(world.text("SELECT count(*) FROM pg_class WHERE relname = 'idx_RequestLogs_Timestamp'") == "0");
    r = world.run({"undo", newest_operation(world), "-y"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(
        world.text(
            "SELECT indisvalid FROM pg_index WHERE indexrelid = '\"idx_RequestLogs_Timestamp\"'::regclass") ==
        "t");
}

TEST_CASE("a build that fails leaves no invalid index, and what another failure left is cleared away (T32)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    make_logs(world);
    CHECK_THROWS(world.sql(R"(CREATE UNIQUE INDEX CONCURRENTLY twice ON "RequestLogs" (key))"));
    CHECK(world.text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'twice'::regclass") ==
          "f"); // the trap
    auto r = world.run({"db", "indexes", "--invalid", "-o", "json"});
    CHECK(parse_json(r.out).value_or(Json())["items"].size() == 1);
    // Ours fails the same way and leaves nothing, the old one included.
    r = world.run({"db", "index", "create", "RequestLogs", "key", "--unique", "--name", "twice"});
    INFO(r.out << r.err);
    CHECK(r.code == 1);
    CHECK(world.text("SELECT count(*) FROM pg_class WHERE relname = 'twice'") == "0");
    CHECK_THROWS(world.sql(R"(CREATE UNIQUE INDEX CONCURRENTLY twice ON "RequestLogs" (key))"));
    CHECK(world.run({"db", "index", "create", "RequestLogs", "key", "--name", "twice"}).code ==
          0); // not unique: works
    CHECK(world.text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'twice'::regclass") == "t");
    CHECK_THROWS(world.sql(R"(CREATE UNIQUE INDEX CONCURRENTLY thrice ON "RequestLogs" (key))"));
    r = world.run({"db", "index", "drop", "thrice", "-y"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(world.text("SELECT count(*) FROM pg_class WHERE relname = 'thrice'") == "0");
    CHECK(world.run({"db", "index", "drop", "RequestLogs_pkey", "-y"}).code == 3);
}

TEST_CASE("a lock that is held is waited for with a limit, and nothing is left behind (T32)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    make_logs(world);
    const auto holder = shared_postgres().open(world.database);
    for (const auto* text : {"BEGIN", R"(LOCK TABLE public."RequestLogs" IN ACCESS EXCLUSIVE MODE)"})
        REQUIRE(holder->run({.text = text}, Deadline(5s)).has_value());
    const auto r = world.run({"db", "index", "create", "RequestLogs", "key", "--timeout", "600ms"});
    INFO(r.out << r.err);
    CHECK((r.code == 8 || r.code == 1));
    REQUIRE(holder->run({.text = "ROLLBACK"}, Deadline(5s)).has_value());
    CHECK(world.text("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == "0");
    CHECK(world.run({"db", "index", "create", "RequestLogs", "key"}).code == 0);
}

TEST_CASE("reindex builds every index anew while writes go on (T32)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    make_logs(world);
    world.sql(R"(CREATE INDEX by_key ON "RequestLogs" (key))");
    const auto before = world.text("SELECT pg_relation_filenode('by_key')");
    auto r = world.run({"db", "reindex", "RequestLogs", "-o", "json"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(parse_json(r.out).value_or(Json())["verified"] == true);
    const auto after = world.text("SELECT pg_relation_filenode('by_key')");
    CHECK(after != before);
    CHECK(world.run({"db", "reindex", "by_key"}).code == 0);
    CHECK(world.text("SELECT pg_relation_filenode('by_key')") != after);
    CHECK(world.text("SELECT count(*) FROM pg_class WHERE relname ~ '_cc(new|old)'") == "0");
}

TEST_CASE("a table may be called anything without a verb doing anything else")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    world.sql("CREATE TABLE innocent (n int)");
    for (const std::string evil :
         {R"(x"; DROP TABLE innocent; --)", "it's", "a.b", "$1", "DROP", "\\ %s {}"}) {
        INFO(evil);
        const auto name = sql_name(evil);
        world.sql("CREATE TABLE " + name + " (at timestamptz, " + name + " int)");
        world.sql("CREATE TABLE " + sql_name(evil + "_archive") + " (LIKE " + name + ")");
        world.sql("INSERT INTO " + name + " VALUES (now() - interval '1 year', 1), (now(), 2)");
        for (const auto& words : std::vector<std::vector<std::string>>{
                 {"db", "vacuum", evil},
                 {"db", "analyze", evil},
                 {"db", "index", "create", evil, evil},
                 {"db", "reindex", evil},
                 {"db", "archive", evil, "-y"},
                 {"db", "index", "drop", "idx_" + evil + "_" + evil, "-y"}}) {
            const auto r = world.run(words);
            INFO(r.out << r.err);
            CHECK(r.code == 0);
        }
        CHECK(world.text("SELECT count(*) FROM " + sql_name(evil + "_archive")) == "1");
        CHECK(world.text("SELECT count(*) FROM " + name) == "1");
    }
    CHECK(world.text("SELECT count(*) FROM innocent") == "0");
    const auto huge = world.run({"db", "vacuum", std::string(10'000, 'x')});
    CHECK(huge.code == 2);
}
