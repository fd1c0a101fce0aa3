// SPDX-License-Identifier: Apache-2.0
// An agent killed at any moment loses no record older than a second.
#include "tests/support/catch.hpp"
#include "tests/unit/agent/records/fixture.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <csignal>
#include <set>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace conduit;
using namespace conduit::agent;
using namespace conduit::agent::test;

namespace {

struct Pushed {
    std::int64_t at_ns;
    int number;
};

std::int64_t now_ns()
{
    return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The child: pushes for ever and tells the parent through the pipe what it has pushed.
[[noreturn]] void push_for_ever(const RecordsConfig& config, int pipe, int first)
{
    auto records = make_sqlite_records(config, 1);
    if (!records)
        ::_exit(3);
    for (int number = first;; ++number) {
        (*records)->push(0, sample_record(number));
        const Pushed pushed{now_ns(), number};
        if (::write(pipe, &pushed, sizeof pushed) != sizeof pushed)
            ::_exit(4);
        std::this_thread::sleep_for(2ms); // a sanitizer must keep pace with it
    }
}

// Holds the store's write lock, as a stuck process would.
struct Holder {
    SQLite::Database database;
    SQLite::Transaction transaction;
    explicit Holder(const fs::path& path)
        : database(path.string(), SQLite::OPEN_READWRITE, 5000),
          transaction(database, SQLite::TransactionBehavior::IMMEDIATE)
    {
    }
};

std::vector<Pushed> run_and_kill(const RecordsConfig& config, bool locked, int first, Duration after,
                                 std::int64_t& killed_ns)
{
    int ends[2];
    int go_ends[2];
    REQUIRE(::pipe(ends) == 0);
    REQUIRE(::pipe(go_ends) == 0);
    const UniqueFd read_end(ends[0]);
    UniqueFd write_end(ends[1]);
    const UniqueFd go_read(go_ends[0]);
    UniqueFd go_write(go_ends[1]);
    // SQLite must not be carried over a fork: the parent opens the store only afterwards.
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        char go = 0;
        if (::read(go_read.get(), &go, 1) != 1)
            ::_exit(2);
        push_for_ever(config, write_end.get(), first);
    }
    std::optional<Holder> holder;
    if (locked)
        holder.emplace(config.path);
    REQUIRE(::write(go_write.get(), "g", 1) == 1);
    write_end.reset();
    std::vector<Pushed> pushed;
    Pushed one{};
    const auto read_one = [&] { return ::read(read_end.get(), &one, sizeof one) == sizeof one; };
    REQUIRE(read_one());
    pushed.push_back(one);
    const Deadline deadline{after};
    while (!deadline.passed() && read_one())
        pushed.push_back(one);
    killed_ns = now_ns();
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    while (read_one())
        pushed.push_back(one);
    return pushed;
}

std::set<std::string> stored(const RecordsConfig& config)
{
    std::set<std::string> ids;
    SQLite::Database database(config.path.string(), SQLite::OPEN_READONLY, 5000);
    SQLite::Statement select(database, "SELECT request_id FROM requests");
    while (select.executeStep())
        ids.insert(select.getColumn(0).getString());
    return ids;
}

} // namespace

TEST_CASE("an agent killed at any moment loses no record older than a second")
{
    const auto folder = TempDir::make("records").value();
    auto config = config_in(folder.path());
    config.flush_interval = RecordsConfig{}.flush_interval;
    const bool locked = GENERATE(false, true); // to the store, and to the spool
    // The tables must be there to be locked.
    static_cast<void>(make_sqlite_records(config, 1).value());
    int first = 0;
    std::vector<Pushed> durable;
    for (const auto after : {600ms, 1100ms, 1750ms, 2300ms}) {
        std::int64_t killed = 0;
        for (const auto& pushed : run_and_kill(config, locked, first, after, killed)) {
            if (pushed.at_ns < killed - 1'000'000'000)
                durable.push_back(pushed);
            first = pushed.number + 1;
        }
    }
    REQUIRE(durable.size() > 500);
    {
        auto records = make_sqlite_records(config, 1).value(); // takes over the spool
        const Deadline deadline{30s};
        while (records->flush(deadline).has_value() && records->stats().spool_bytes > 0 &&
               !deadline.passed()) {
        }
        CHECK(records->stats().spool_bytes == 0);
        CHECK(records->stats().last_error == "");
    }
    const auto ids = stored(config);
    int lost = 0;
    int first_lost = -1;
    int last_lost = -1;
    for (const auto& pushed : durable)
        if (!ids.contains("req-" + std::to_string(pushed.number))) {
            ++lost;
            last_lost = pushed.number;
            first_lost = first_lost < 0 ? pushed.number : first_lost;
        }
    INFO("locked " << locked << ", of " << durable.size() << ", first lost " << first_lost << ", last lost "
                   << last_lost);
    CHECK(lost == 0);
    CHECK(count_in(config.path, "SELECT count(*) - count(DISTINCT request_id) FROM requests") == 0);
    CHECK(count_in(config.path, "SELECT (SELECT sum(requests) FROM usage_daily) - count(*) FROM requests") ==
          0);
}
