// SPDX-License-Identifier: Apache-2.0
// `db archive` against a real PostgreSQL (T33): no row is lost and none is there twice, whatever dies when.
#include "cli/database/archive.hpp"
#include "tests/integration/postgres/world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <nlohmann/json.hpp>
#include <thread>

using namespace conduit;
using namespace conduit::test;

namespace {

// old rows of 100 days, and as many new ones.
void make_logs(const PostgresWorld& world, int rows)
{
    world.sql(
        R"(CREATE TABLE "Request Logs" (id int PRIMARY KEY, "timestamp" timestamptz NOT NULL, body text))");
    world.sql(R"(CREATE TABLE "Request Logs_archive" (LIKE "Request Logs"))");
    world.sql(
        R"(INSERT INTO "Request Logs" SELECT n, now() - interval '100 days', repeat('x', 100) FROM generate_series(1, )" +
        std::to_string(rows) + ") n");
    world.sql(R"(INSERT INTO "Request Logs" SELECT -n, now(), 'new' FROM generate_series(1, )" +
              std::to_string(rows) + ") n");
}

std::string live(const PostgresWorld& world)
{
    return world.text(R"(SELECT count(*) FROM "Request Logs")");
}
std::string archived(const PostgresWorld& world)
{
    return world.text(R"(SELECT count(*) || '/' || count(DISTINCT id) FROM "Request Logs_archive")");
}

const std::vector<std::string> k_archive{"db",  "archive", "Request Logs", "--older",
                                         "90d", "--batch", "100",          "-y"};

std::string newest_operation(PostgresWorld& world)
{
    const auto r = world.run({"history", "ls", "-o", "json"});
    const auto doc = parse_json(r.out).value_or(Json());
    return doc["items"].empty() ? "" : doc["items"][0]["id"].get<std::string>();
}

} // namespace

TEST_CASE(
    "the document's two statements lose the row that crosses the line in between; archive does not (T33)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    world.sql("CREATE TABLE logs (id int PRIMARY KEY, at timestamptz NOT NULL)");
    world.sql("CREATE TABLE logs_archive (LIKE logs)");
    world.sql("INSERT INTO logs VALUES (1, clock_timestamp() - interval '1 day' + interval '300 ms')");
    // The document's way, with the same query asked at two moments.
    world.sql("INSERT INTO logs_archive SELECT * FROM logs WHERE at < now() - interval '1 day'");
    REQUIRE(eventually(
        [&] { return world.text("SELECT count(*) FROM logs WHERE at < now() - interval '1 day'") == "1"; }));
    world.sql("DELETE FROM logs WHERE at < now() - interval '1 day'");
    CHECK(world.text("SELECT count(*) FROM logs") == "0");
    CHECK(world.text("SELECT count(*) FROM logs_archive") == "0"); // lost
    // One cut-off for both, in one statement: a row is here or there.
    world.sql("INSERT INTO logs SELECT n, clock_timestamp() - interval '1 day' + n * interval '5 ms' FROM "
              "generate_series(1, 200) n");
    const auto r = world.run({"db", "archive", "logs", "--older", "1d", "--batch", "7", "-y"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(world.text("SELECT (SELECT count(*) FROM logs) + (SELECT count(*) FROM logs_archive)") == "200");
    CHECK(world.text("SELECT count(*) FROM logs JOIN logs_archive USING (id)") == "0");
}

TEST_CASE("old rows move in batches, and the new ones stay (T33)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    make_logs(world, 1050);
    const auto dry = world.run({"db", "archive", "Request Logs", "--dry-run"});
    INFO(dry.out << dry.err);
    CHECK(dry.code == 0);
    CHECK(dry.out.contains("DELETE gives none back"));
    CHECK(dry.out.contains("at most 1050"));
    CHECK(dry.out.contains("no index begins with timestamp"));
    CHECK(live(world) == "2100");
    const auto r = world.run(k_archive);
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(live(world) == "1050");
    CHECK(archived(world) == "1050/1050");
    const auto again = world.run(k_archive);
    CHECK(again.code == 0);
    CHECK(archived(world) == "1050/1050");
}

TEST_CASE("what would go wrong half-way is refused beforehand (T33)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    world.sql("CREATE TABLE logs (id int PRIMARY KEY, at timestamptz, seen timestamptz, body text)");
    const auto code = [&](std::vector<std::string> more = {}) {
        std::vector<std::string> words{"db", "archive", "logs", "--column", "at", "-y"};
        words.insert(words.end(), more.begin(), more.end());
        const auto r = world.run(words);
        INFO(r.out << r.err);
        return r.code;
    };
    CHECK(code() == 4); // no archive yet
    world.sql("CREATE TABLE logs_archive (id int, at timestamptz, seen timestamptz)");
    CHECK(code() == 3); // body would be lost
    world.sql("ALTER TABLE logs_archive ADD body varchar(10)");
    CHECK(code() == 3); // another type
    world.sql("ALTER TABLE logs_archive DROP body, ADD body text, ADD why text NOT NULL");
    CHECK(code() == 3); // cannot be filled
    world.sql("ALTER TABLE logs_archive DROP why");
    CHECK(code() == 0);
    CHECK(world.run({"db", "archive", "logs", "-y"}).code == 2); // which of the two columns
    CHECK(code({"--column", "body"}) == 2);
    CHECK(code({"--to", "logs"}) == 2);
    CHECK(code({"--older", "1s"}) == 2);
    world.sql("CREATE TABLE notes (log int REFERENCES logs ON DELETE CASCADE)");
    CHECK(code() == 3); // rows of notes would vanish
    world.sql("DROP TABLE notes");
    world.sql("CREATE TABLE parted (at timestamptz) PARTITION BY RANGE (at)");
    CHECK(world.run({"db", "archive", "parted", "--to", "logs_archive", "-y"}).code == 3);
}

TEST_CASE("a trigger that swallows rows of the archive stops the first batch (T33)")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    make_logs(world, 300);
    world.sql("CREATE FUNCTION swallow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.id % 7 = 0 THEN "
              "RETURN "
              "NULL; END IF; RETURN NEW; END $$");
    world.sql(
        R"(CREATE TRIGGER t BEFORE INSERT ON "Request Logs_archive" FOR EACH ROW EXECUTE FUNCTION swallow())");
    const auto r = world.run(k_archive);
    INFO(r.out << r.err);
    CHECK(r.code == 1);
    CHECK(live(world) == "600");
    CHECK(archived(world) == "0/0");
}

TEST_CASE("a server that dies while it archives loses no row, and resume finishes (T33)")
{
    if (postgres_missing())
        return;
    PostgresServer server({"fsync=on"}); // a crash must find what was committed
    PostgresWorld world(server);
    make_logs(world, 3000);
    // Slow, so that it is in the middle.
    world.sql("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05); "
              "RETURN NULL; "
              "END $$");
    world.sql(R"(CREATE TRIGGER t AFTER INSERT ON "Request Logs_archive" EXECUTE FUNCTION slow())");
    std::thread killer([&] {
        (void)eventually([&] {
            const auto seen =
                server.open(world.database)
                    ->run({.text = R"(SELECT count(*) AS n FROM public."Request Logs_archive")"},
                          Deadline(1s));
            return seen && seen->value("n") != "0";
        });
        server.kill(SIGQUIT);
    });
    auto r = world.run(k_archive);
    killer.join();
    INFO(r.out << r.err);
    CHECK((r.code == 10 || r.code == 12));
    server.start();
    CHECK(
        world.text(
            R"(SELECT (SELECT count(*) FROM "Request Logs") + (SELECT count(*) FROM "Request Logs_archive"))") ==
        "6000");
    CHECK(live(world) != "3000");
    world.sql(R"(DROP TRIGGER t ON "Request Logs_archive")");
    r = world.run({"resume", newest_operation(world), "-y"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(live(world) == "3000");
    CHECK(archived(world) == "3000/3000");
}

TEST_CASE("a connection that is cut while it archives loses no row either")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    PostgresWorld world(server);
    make_logs(world, 1000);
    world.sql("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.05); "
              "RETURN NULL; "
              "END $$");
    world.sql(R"(CREATE TRIGGER t AFTER INSERT ON "Request Logs_archive" EXECUTE FUNCTION slow())");
    std::thread cutter([&] {
        (void)eventually([&] {
            return archived(world) != "0/0" &&
                   world.text(
                       "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '/* "
                       "conduitctl archive */%' AND pid <> pg_backend_pid()") != "0";
        });
    });
    auto r = world.run(k_archive);
    cutter.join();
    INFO(r.out << r.err);
    CHECK((r.code == 10 || r.code == 12));
    CHECK(
        world.text(
            R"(SELECT (SELECT count(*) FROM "Request Logs") + (SELECT count(*) FROM "Request Logs_archive"))") ==
        "2000");
    world.sql(R"(DROP TRIGGER t ON "Request Logs_archive")");
    r = world.run({"resume", newest_operation(world), "-y"});
    INFO(r.out << r.err);
    CHECK(r.code == 0);
    CHECK(archived(world) == "1000/1000");
}

TEST_CASE("the deadline stops between batches, and says what stands")
{
    if (postgres_missing())
        return;
    PostgresWorld world(shared_postgres());
    make_logs(world, 2000);
    world.sql("CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.1); "
              "RETURN NULL; "
              "END $$");
    world.sql(R"(CREATE TRIGGER t AFTER INSERT ON "Request Logs_archive" EXECUTE FUNCTION slow())");
    auto words = k_archive;
    words.insert(words.end(), {"--timeout", "600ms"});
    const auto r = world.run(words);
    INFO(r.out << r.err);
    CHECK(r.code == 10);
    CHECK(r.err.contains("rows were done before"));
    CHECK(
        world.text(
            R"(SELECT (SELECT count(*) FROM "Request Logs") + (SELECT count(*) FROM "Request Logs_archive"))") ==
        "4000");
}

TEST_CASE("a plan from elsewhere cannot put words into the statement")
{
    Json document{{"schema", "public"}, {"table", "t"},   {"to_schema", "public"},  {"to_table", "a"},
                  {"column", "at"},     {"type", "date"}, {"cutoff", "2026-01-01"}, {"columns", {"id"}}};
    CHECK(sql::archive_from_json(document).has_value());
    for (const auto* type : {"text", "date; DROP TABLE t", "timestamp'--", "", "DATE"}) {
        document["type"] = type;
        CHECK_FALSE(sql::archive_from_json(document).has_value());
    }
    document["type"] = "timestamp(3) with time zone";
    CHECK(sql::archive_from_json(document).has_value());
    document["columns"] = Json::array();
    CHECK_FALSE(sql::archive_from_json(document).has_value());
    CHECK_FALSE(sql::archive_from_json(Json("x")).has_value());
}
