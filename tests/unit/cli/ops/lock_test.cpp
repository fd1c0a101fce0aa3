// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/fakes/child.hpp"
#include "tests/support/fakes/manual_clock.hpp"

#include "cli/ops/lock.hpp"

using namespace conduit;
using namespace conduit::ops;

namespace {

const LockKey k_key{"file:/home/m x/état", "workload/agent"};

LockOwner owner(const Clock& clock, const std::string& who)
{
    return {who, "ops1", 0, "because", "01JD", clock.now(), clock.now() + std::chrono::minutes(2)};
}

} // namespace

TEST_CASE("a lock excludes its own scope only, and tells who has it", "[lock]")
{
    const auto dir = TempDir::make();
    conduit::test::ManualClock clock;
    FlockStore store(dir->path(), clock);
    auto held = store.acquire(k_key, owner(clock, "maria"));
    REQUIRE(held);
    const auto second = store.acquire(k_key, owner(clock, "jonas"));
    REQUIRE_FALSE(second);
    CHECK(second.error().kind == ErrorKind::locked);
    CHECK(second.error().details.at("holder") == "maria");
    CHECK(second.error().details.at("held_for") == "01JD");
    CHECK(second.error().cause == "reason given: because");
    CHECK(store.acquire({k_key.target, "providers"}, owner(clock, "jonas")));
    REQUIRE(store.list()->size() == 1);
    CHECK(store.list()->front().key.target == k_key.target);
    CHECK((*held)->still_held(Duration{1000}));
    held->reset();
    CHECK(store.list()->empty());
    CHECK(store.acquire(k_key, owner(clock, "jonas")));
}

TEST_CASE("fences grow with each holder", "[lock]")
{
    const auto dir = TempDir::make();
    conduit::test::ManualClock clock;
    FlockStore store(dir->path(), clock);
    std::uint64_t last = 0;
    for (int i = 0; i < 3; ++i) {
        const auto held = store.acquire(k_key, owner(clock, "maria"));
        REQUIRE(held);
        CHECK((*held)->fence() > last);
        last = (*held)->fence();
    }
}

TEST_CASE("a lock dies with its process", "[lock]")
{
    const auto dir = TempDir::make();
    conduit::test::ManualClock clock;
    FlockStore store(dir->path(), clock);
    const int status = conduit::test::run_in_child([&] {
        const auto held = store.acquire(k_key, owner(clock, "maria"));
        ::kill(::getpid(), SIGKILL);
        return held ? 0 : 1;
    });
    REQUIRE(WIFSIGNALED(status));
    CHECK(store.list()->empty());
    CHECK(store.acquire(k_key, owner(clock, "jonas")));
}

TEST_CASE("a lock whose file was removed is held no more", "[lock]")
{
    const auto dir = TempDir::make();
    conduit::test::ManualClock clock;
    FlockStore store(dir->path(), clock);
    const auto held = store.acquire(k_key, owner(clock, "maria"));
    for (const auto& entry : fs::directory_iterator(dir->path()))
        fs::remove(entry.path());
    const auto still = (*held)->still_held(Duration{1});
    REQUIRE_FALSE(still);
    CHECK(still.error().kind == ErrorKind::locked);
}

TEST_CASE("a damaged owner file stops nobody", "[lock]")
{
    const auto dir = TempDir::make();
    conduit::test::ManualClock clock;
    FlockStore store(dir->path(), clock);
    REQUIRE(store.acquire(k_key, owner(clock, "maria")));
    for (const auto& entry : fs::directory_iterator(dir->path()))
        REQUIRE(write_file(entry.path(), "\xff{"));
    CHECK(store.list()->empty());
    CHECK(store.acquire(k_key, owner(clock, "jonas")));
}

TEST_CASE("a folder that cannot be written is a failure, not a free lock", "[lock]")
{
    const auto dir = TempDir::make();
    conduit::test::ManualClock clock;
    REQUIRE(write_file(dir->path() / "file", ""));
    FlockStore store(dir->path() / "file", clock);
    const auto held = store.acquire(k_key, owner(clock, "maria"));
    REQUIRE_FALSE(held);
    CHECK(held.error().kind == ErrorKind::failed);
}

TEST_CASE("an flock cannot be stolen from a living process, and the process is named", "[lock]")
{
    const auto dir = TempDir::make();
    conduit::test::ManualClock clock;
    FlockStore store(dir->path(), clock);
    auto held = store.acquire(k_key, owner(clock, "maria"));
    REQUIRE(held);
    const auto stolen = store.steal(k_key);
    REQUIRE_FALSE(stolen);
    CHECK(stolen.error().kind == ErrorKind::refused);
    CHECK(stolen.error().message.find("maria") != std::string::npos);
    CHECK(stolen.error().hint.find("kill " + std::to_string(::getpid())) != std::string::npos);
    held->reset();
    CHECK(store.steal(k_key).value() == false);
    REQUIRE(store.known()->size() == 1);
    CHECK(store.known()->front().text() == k_key.text());
}

TEST_CASE("a folder of locks that cannot be read is an error, one that is not there holds none", "[lock]")
{
    const auto dir = TempDir::make();
    conduit::test::ManualClock clock;
    REQUIRE(write_file(dir->path() / "locks", ""));
    CHECK(FlockStore(dir->path() / "locks", clock).list().error().kind == ErrorKind::failed);
    CHECK(FlockStore(dir->path() / "none", clock).list()->empty());
}
