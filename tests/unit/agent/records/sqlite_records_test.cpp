// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/unit/agent/records/fixture.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <thread>

using namespace conduit;
using namespace conduit::agent;
using namespace conduit::agent::test;

namespace {

constexpr WallTime k_noon{std::chrono::sys_days{std::chrono::year{2026} / 11 / 20} + std::chrono::hours{12}};

template <class F> bool within(Duration limit, F&& condition)
{
    const Deadline deadline{limit};
    while (!condition()) {
        if (deadline.passed())
            return false;
        std::this_thread::sleep_for(2ms);
    }
    return true;
}

} // namespace

TEST_CASE("records are written with their daily sums")
{
    const auto folder = TempDir::make("records").value();
    auto records = make_sqlite_records(config_in(folder.path()), 2).value();
    for (int i = 0; i < 1000; ++i)
        records->push(static_cast<unsigned>(i) % 2, sample_record(i));
    REQUIRE(records->flush(Deadline{20s}).has_value());
    const auto stats = records->stats();
    CHECK(stats.written == 1000);
    CHECK(stats.queued == 0);
    CHECK(stats.dropped == 0);
    CHECK(stats.last_error == "");
    const auto path = folder.path() / "records.db";
    CHECK(count_in(path, "SELECT count(DISTINCT request_id) FROM requests") == 1000);
    CHECK(count_in(path, "SELECT sum(requests) FROM usage_daily") == 1000);
    CHECK(count_in(path, "SELECT sum(characters) FROM usage_daily WHERE key_id = 'team-a'") == 25'000);
}

TEST_CASE("usage is grouped, ordered and limited, fresh records included")
{
    const auto folder = TempDir::make("records").value();
    auto config = config_in(folder.path());
    config.flush_interval = 60s;
    auto records = make_sqlite_records(config, 1).value();
    for (int i = 0; i < 10; ++i) {
        auto record = sample_record(i, k_noon + std::chrono::days{i % 2});
        record.key_id = i < 7 ? "big" : "small";
        record.status = i == 3 ? 503 : 200;
        record.cost_usd = i < 7 ? 0.01 : 1.0;
        records->push(0, record);
    }
    const auto by_key = records->usage({}).value();
    REQUIRE(by_key.size() == 2);
    CHECK(by_key[0].key_id == "big");
    CHECK(by_key[0].requests == 7);
    CHECK(by_key[0].errors == 1);
    CHECK(by_key[0].characters == 350);
    CHECK(by_key[0].audio_seconds == Approx(17.5));
    CHECK(by_key[0].provider == "");

    UsageQuery query;
    query.order = "cost";
    query.limit = 1;
    const auto by_cost = records->usage(query).value();
    REQUIRE(by_cost.size() == 1);
    CHECK(by_cost[0].key_id == "small");
    CHECK(by_cost[0].cost_usd == Approx(3.0));

    query = {{"day", "provider"}, {}, 10, "requests"};
    const auto by_day = records->usage(query).value();
    REQUIRE(by_day.size() == 2);
    CHECK(by_day[0].day == "2026-11-20");
    CHECK(by_day[0].provider == "openai");
}

TEST_CASE("a period may begin within a day")
{
    const auto folder = TempDir::make("records").value();
    auto records = make_sqlite_records(config_in(folder.path()), 1).value();
    for (int hour = 0; hour < 48; ++hour)
        records->push(0, sample_record(hour, k_noon - 12h + std::chrono::hours{hour}));
    UsageQuery query;
    query.by = {"operation"};
    const auto requests_since = [&](WallTime since) {
        query.since = since;
        const auto rows = records->usage(query).value();
        return rows.empty() ? 0 : rows[0].requests;
    };
    CHECK(requests_since(WallTime{}) == 48);
    CHECK(requests_since(k_noon) == 36);
    CHECK(requests_since(k_noon + 12h) == 24);
    CHECK(requests_since(k_noon + 35h) == 1);
    CHECK(requests_since(k_noon + 40h) == 0);
}

TEST_CASE("an unknown grouping or order is a usage error that names the nearest")
{
    const auto folder = TempDir::make("records").value();
    auto records = make_sqlite_records(config_in(folder.path()), 1).value();
    UsageQuery query;
    query.by = {"provder"};
    const auto grouping = records->usage(query);
    REQUIRE_FALSE(grouping.has_value());
    CHECK(grouping.error().kind == ErrorKind::usage);
    CHECK(grouping.error().message.find("provider") != std::string::npos);
    query.by = {};
    query.order = "cost; DROP TABLE requests";
    CHECK(records->usage(query).error().kind == ErrorKind::usage);
}

TEST_CASE("while SQLite is locked records go to the spool and come back exactly once")
{
    const auto folder = TempDir::make("records").value();
    const auto config = config_in(folder.path());
    auto records = make_sqlite_records(config, 1).value();
    records->push(0, sample_record(0));
    REQUIRE(records->flush(Deadline{20s}).has_value());
    {
        SQLite::Database other(config.path.string(), SQLite::OPEN_READWRITE, 5000);
        SQLite::Transaction held(other, SQLite::TransactionBehavior::IMMEDIATE);
        for (int i = 1; i <= 300; ++i) {
            records->push(0, sample_record(i));
            if (i % 100 == 0)
                REQUIRE(records->flush(Deadline{20s}).has_value());
        }
        const auto stats = records->stats();
        CHECK(stats.spooled == 300);
        CHECK(stats.written == 1);
        CHECK(stats.spool_bytes > 0);
        CHECK(stats.last_error.find("records.db") != std::string::npos);
    }
    records->push(0, sample_record(301));
    REQUIRE(
        within(20s, [&] { return records->stats().written == 302 && records->stats().spool_bytes == 0; }));
    CHECK(count_in(config.path, "SELECT count(*) FROM requests") == 302);
    CHECK(count_in(config.path, "SELECT count(DISTINCT request_id) FROM requests") == 302);
    CHECK(count_in(config.path, "SELECT sum(requests) FROM usage_daily") == 302);
    CHECK(records->stats().dropped == 0);
}

TEST_CASE("a spool whose content reached the store before the agent died is not counted twice")
{
    const auto folder = TempDir::make("records").value();
    const auto config = config_in(folder.path());
    const auto spool = fs::path(config.path.string() + ".spool");
    std::string kept;
    {
        auto records = make_sqlite_records(config, 1).value();
        SQLite::Database other(config.path.string(), SQLite::OPEN_READWRITE, 5000);
        SQLite::Transaction held(other, SQLite::TransactionBehavior::IMMEDIATE);
        records->push(0, sample_record(1));
        REQUIRE(records->flush(Deadline{20s}).has_value());
        kept = read_file(spool).value();
        REQUIRE_FALSE(kept.empty());
    } // replayed by the last round, or still in the spool
    for (int restart = 0; restart < 2; ++restart) {
        REQUIRE(write_file(spool, kept).has_value());
        auto records = make_sqlite_records(config, 1).value();
        REQUIRE(records->flush(Deadline{20s}).has_value());
        CHECK(count_in(config.path, "SELECT count(*) FROM requests") == 1);
        CHECK(count_in(config.path, "SELECT sum(requests) FROM usage_daily") == 1);
        CHECK(fs::file_size(spool) == 0);
    }
}

TEST_CASE("beyond the spool's size records are dropped and counted")
{
    const auto folder = TempDir::make("records").value();
    auto config = config_in(folder.path());
    config.spool_bytes = 4096;
    auto records = make_sqlite_records(config, 1).value();
    SQLite::Database other(config.path.string(), SQLite::OPEN_READWRITE, 5000);
    SQLite::Transaction held(other, SQLite::TransactionBehavior::IMMEDIATE);
    for (int i = 0; i < 100; ++i) {
        records->push(0, sample_record(i));
        if (i == 3)
            REQUIRE(records->flush(Deadline{20s}).has_value());
    }
    REQUIRE(records->flush(Deadline{20s}).has_value());
    const auto stats = records->stats();
    CHECK(stats.spooled + stats.dropped == 100);
    CHECK(stats.dropped > 0);
    CHECK(stats.spooled >= 4);
    CHECK(stats.spool_bytes <= 4096);
}

TEST_CASE("a queue that is full drops and counts, and never blocks")
{
    const auto folder = TempDir::make("records").value();
    auto records = make_sqlite_records(config_in(folder.path()), 1).value();
    SQLite::Database other((folder.path() / "records.db").string(), SQLite::OPEN_READWRITE, 5000);
    std::uint64_t pushed = 0;
    {
        SQLite::Transaction held(other, SQLite::TransactionBehavior::IMMEDIATE);
        for (; pushed < 40'000; ++pushed)
            records->push(0, sample_record(static_cast<int>(pushed)));
        records->push(99, sample_record(0)); // no such worker
    }
    REQUIRE(records->flush(Deadline{60s}).has_value());
    REQUIRE(within(60s, [&] { return records->stats().spool_bytes == 0; }));
    const auto stats = records->stats();
    CHECK(stats.written + stats.dropped == pushed + 1);
    CHECK(stats.dropped > 0);
}

TEST_CASE("old records are removed, the daily sums stay")
{
    const auto folder = TempDir::make("records").value();
    auto config = config_in(folder.path());
    config.keep_days = 30;
    const auto now = system_clock().now();
    {
        auto keep_all = config;
        keep_all.keep_days = 0;
        auto records = make_sqlite_records(keep_all, 1).value();
        for (int i = 0; i < 20; ++i)
            records->push(0, sample_record(i, i < 15 ? now - std::chrono::days{31} : now));
        REQUIRE(records->flush(Deadline{20s}).has_value());
    }
    auto records = make_sqlite_records(config, 1).value();
    REQUIRE(records->flush(Deadline{20s}).has_value());
    CHECK(count_in(config.path, "SELECT count(*) FROM requests") == 5);
    CHECK(count_in(config.path, "SELECT sum(requests) FROM usage_daily") == 20);
}

TEST_CASE("several agents may share one store")
{
    const auto folder = TempDir::make("records").value();
    const auto config = config_in(folder.path());
    {
        auto first = make_sqlite_records(config, 1).value();
        auto second = make_sqlite_records(config, 1).value();
        for (int i = 0; i < 500; ++i) {
            first->push(0, sample_record(i));
            second->push(0, sample_record(10'000 + i));
        }
        REQUIRE(within(20s, [&] { return first->stats().written + second->stats().written == 1000; }));
    }
    CHECK(count_in(config.path, "SELECT count(DISTINCT request_id) FROM requests") == 1000);
}

TEST_CASE("a damaged store does not stop the agent, and its records wait in the spool")
{
    const auto folder = TempDir::make("records").value();
    const auto config = config_in(folder.path());
    REQUIRE(write_file(config.path, std::string(8192, 'x')).has_value());
    auto records = make_sqlite_records(config, 1);
    REQUIRE(records.has_value());
    (*records)->push(0, sample_record(1));
    REQUIRE((*records)->flush(Deadline{20s}).has_value());
    CHECK((*records)->stats().spooled == 1);
    CHECK_FALSE((*records)->stats().last_error.empty());
    CHECK_FALSE((*records)->usage({}).has_value());
    REQUIRE(remove_file(config.path).has_value()); // moved away by the operator
    (*records)->push(0, sample_record(2));
    REQUIRE(within(20s, [&] { return (*records)->stats().written == 2; }));
}

TEST_CASE("a store that cannot be anywhere is an error at the start")
{
    RecordsConfig config;
    CHECK(make_sqlite_records(config, 1).error().kind == ErrorKind::usage);
    config.path = "/proc/nowhere/records.db";
    CHECK_FALSE(make_sqlite_records(config, 1).has_value());
}

TEST_CASE("tokens are kept and summed, in a file of before they were counted too")
{
    const auto folder = TempDir::make("records").value();
    const auto config = config_in(folder.path());
    {
        auto records = make_sqlite_records(config, 1).value();
        REQUIRE(records->flush(Deadline{20s}).has_value());
    }
    {
        SQLite::Database old(config.path.string(), SQLite::OPEN_READWRITE, 5000);
        for (const char* table : {"requests", "usage_daily"})
            old.exec(std::string("ALTER TABLE ") + table + " DROP COLUMN tokens");
    }
    auto records = make_sqlite_records(config, 1).value();
    for (int i = 0; i < 3; ++i) {
        auto record = sample_record(i, k_noon);
        record.operation = Operation::chat;
        record.tokens = 100;
        records->push(0, record);
    }
    REQUIRE(records->flush(Deadline{20s}).has_value());
    CHECK(count_in(config.path, "SELECT sum(tokens) FROM requests") == 300);
    const auto rows = records->usage({.by = {"operation"}, .since = k_noon, .order = "tokens"}).value();
    REQUIRE(rows.size() == 1);
    CHECK(rows[0].tokens == 300);
}
