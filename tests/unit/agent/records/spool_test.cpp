// SPDX-License-Identifier: Apache-2.0
#include "agent/records/record_spool.hpp"
#include "tests/support/catch.hpp"
#include "tests/unit/agent/records/fixture.hpp"

#include <fstream>

using namespace conduit;
using namespace conduit::agent;
using namespace conduit::agent::test;

namespace {

RecordBatch batch_of(std::int64_t number, int records)
{
    RecordBatch batch{"writer", number, {}};
    for (int i = 0; i < records; ++i)
        batch.records.push_back(sample_record(static_cast<int>(number) * 1000 + i));
    return batch;
}

} // namespace

TEST_CASE("a record survives its line of JSON")
{
    auto record = sample_record(7);
    record.operation = Operation::realtime;
    record.outcome = Outcome::broken;
    record.cache = CacheUse::joined;
    record.error = "odd \"text\"\n";
    record.streamed = true;
    const auto back = parse_record_line(record_line(record));
    REQUIRE(back.has_value());
    CHECK(record_line(*back) == record_line(record));
    CHECK(back->outcome == Outcome::broken);
    CHECK(back->time == record.time);
    for (const auto* bad : {"", "7", "{}", "[1]", R"({"operation":"dance","outcome":"ok","cache":"off"})"})
        CHECK_FALSE(parse_record_line(bad).has_value());
}

TEST_CASE("batches come back in order, over a restart too")
{
    const auto folder = TempDir::make("spool").value();
    const auto path = folder.path() / "spool";
    {
        auto spool = RecordSpool::open(path, 1U << 20U).value();
        for (int i = 1; i <= 3; ++i)
            CHECK(spool.append(batch_of(i, 2)).value());
    }
    auto spool = RecordSpool::open(path, 1U << 20U).value();
    std::uint64_t damaged = 0;
    for (int i = 1; i <= 3; ++i) {
        auto batch = spool.next(damaged).value();
        REQUIRE(batch.has_value());
        CHECK(batch->number == i);
        CHECK(batch->writer == "writer");
        CHECK(batch->records.size() == 2);
        CHECK(spool.next(damaged).value()->number == i); // not taken: it comes again
        spool.taken();
    }
    CHECK_FALSE(spool.next(damaged).value().has_value());
    CHECK(damaged == 0);
    CHECK(spool.clear_when_done().has_value());
    CHECK(spool.empty());
    CHECK(fs::file_size(path) == 0);
}

TEST_CASE("a full spool takes no more")
{
    const auto folder = TempDir::make("spool").value();
    auto spool = RecordSpool::open(folder.path() / "spool", 2000).value();
    CHECK(spool.append(batch_of(1, 2)).value());
    CHECK_FALSE(spool.append(batch_of(2, 20)).value());
    CHECK(spool.size() <= 2000);
}

TEST_CASE("a spool that was cut in mid-line loses that line alone")
{
    const auto folder = TempDir::make("spool").value();
    const auto path = folder.path() / "spool";
    {
        auto spool = RecordSpool::open(path, 1U << 20U).value();
        CHECK(spool.append(batch_of(1, 5)).value());
    }
    fs::resize_file(path, fs::file_size(path) - 40);
    auto spool = RecordSpool::open(path, 1U << 20U).value();
    CHECK(spool.append(batch_of(2, 3)).value());
    std::uint64_t damaged = 0;
    auto first = spool.next(damaged).value();
    REQUIRE(first.has_value());
    CHECK(first->records.size() == 4);
    spool.taken();
    auto second = spool.next(damaged).value();
    REQUIRE(second.has_value());
    CHECK(second->number == 2);
    CHECK(second->records.size() == 3);
    CHECK(damaged >= 1);
}

TEST_CASE("rubbish in the spool is skipped and counted")
{
    const auto folder = TempDir::make("spool").value();
    const auto path = folder.path() / "spool";
    std::ofstream(path) << "rubbish\n{}\n\x01\xff\n{\"writer\":\"w\",\"number\":1,\"count\":1e300}\n";
    auto spool = RecordSpool::open(path, 1U << 20U).value();
    CHECK(spool.append(batch_of(9, 1)).value());
    std::uint64_t damaged = 0;
    const auto batch = spool.next(damaged).value();
    REQUIRE(batch.has_value());
    CHECK(batch->number == 9);
    CHECK(damaged == 4);
}

TEST_CASE("two agents beside one store have spools of their own")
{
    const auto folder = TempDir::make("spool").value();
    const auto path = folder.path() / "spool";
    auto first = RecordSpool::open(path, 1U << 20U).value();
    auto second = RecordSpool::open(path, 1U << 20U).value();
    CHECK(first.append(batch_of(1, 1)).value());
    CHECK(second.empty());
    CHECK(fs::exists(path.string() + ".1"));
}
