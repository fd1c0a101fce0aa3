// SPDX-License-Identifier: Apache-2.0
#include "agent/control/state.hpp"
#include "core/fs.hpp"
#include "tests/support/catch.hpp"

#include <csignal>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

using namespace conduit;
using namespace conduit::agent;

namespace {

StatePatch counter(std::int64_t value)
{
    StatePatch patch;
    patch.set["pool/reset_epoch"] = Json(value);
    patch.set["providers/p/weight"] = Json(value); // both or none
    patch.actor = "chaos";
    return patch;
}

// Writes 1, 2, 3, ... and tells each number only after the store has acknowledged it.
[[noreturn]] void write_until_killed(const std::string& path, std::int64_t from, int out)
{
    auto store = make_sqlite_store(path, system_clock());
    if (!store)
        ::_exit(1);
    for (auto value = from;; ++value) {
        if (!(*store)->apply(counter(value)))
            ::_exit(2);
        if (::write(out, &value, sizeof value) != sizeof value)
            ::_exit(3);
    }
}

// What the child acknowledged until it died; it is killed `after` this many acknowledgements and some more
// time.
std::int64_t run_and_kill(const std::string& path, std::int64_t from, int after,
                          std::chrono::microseconds more)
{
    std::array<int, 2> ends{};
    REQUIRE(::pipe(ends.data()) == 0);
    const UniqueFd in(ends[0]);
    UniqueFd out(ends[1]);
    const auto child = ::fork();
    if (child == 0)
        write_until_killed(path, from, out.get());
    out.reset();
    std::int64_t last = from - 1;
    for (int i = 0; i < after; ++i)
        if (::read(in.get(), &last, sizeof last) != sizeof last)
            break;
    pollfd none{-1, 0, 0};
    const timespec wait{0, std::chrono::nanoseconds(more).count()};
    ::ppoll(&none, 1, &wait, nullptr);
    ::kill(child, SIGKILL);
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WIFSIGNALED(status));
    std::int64_t value = 0;
    while (::read(in.get(), &value, sizeof value) == sizeof value)
        last = value;
    return last;
}

void increment(const std::string& path, int times)
{
    auto store = make_sqlite_store(path, system_clock());
    if (!store)
        ::_exit(1);
    for (int done = 0; done < times;) {
        const auto state = (*store)->load();
        if (!state)
            ::_exit(2);
        const auto it = state->overrides.find("pool/reset_epoch");
        const Json now = it == state->overrides.end() ? Json() : *it->second.value;
        StatePatch patch;
        patch.set["pool/reset_epoch"] = Json(now.is_null() ? 1 : now.get<int>() + 1);
        patch.expect["pool/reset_epoch"] = now;
        const auto applied = (*store)->apply(patch);
        if (applied)
            ++done;
        else if (applied.error().kind != ErrorKind::stale)
            ::_exit(3);
    }
    ::_exit(0);
}

} // namespace

TEST_CASE("killing the writer at any moment loses no acknowledged patch and leaves no half one")
{
    const auto dir = *TempDir::make("chaos");
    const auto path = (dir.path() / "control.db").string();
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    std::int64_t acknowledged = 0;
    for (int round = 0; round < 25; ++round) {
        acknowledged = run_and_kill(path, acknowledged + 1, static_cast<int>(random() % 8),
                                    std::chrono::microseconds(random() % 20'000));
        auto store = make_sqlite_store(path, system_clock());
        REQUIRE(store);
        const auto state = (*store)->load();
        REQUIRE(state);
        if (acknowledged == 0 && state->overrides.empty())
            continue;
        const auto value = state->overrides.at("pool/reset_epoch").value->get<std::int64_t>();
        CHECK(value >= acknowledged);
        CHECK(value <= acknowledged + 1); // committed, killed before it could say so
        CHECK(*state->overrides.at("providers/p/weight").value == value);
        CHECK(state->revision == static_cast<std::uint64_t>(value));
        acknowledged = value;
    }
    CHECK(acknowledged > 0);
}

TEST_CASE("eight processes that compare and set at once lose no update")
{
    const auto dir = *TempDir::make("chaos");
    const auto path = (dir.path() / "control.db").string();
    constexpr int k_each = 25;
    std::vector<pid_t> children;
    for (int i = 0; i < 8; ++i) {
        const auto child = ::fork();
        if (child == 0)
            increment(path, k_each);
        children.push_back(child);
    }
    for (const auto child : children) {
        int status = 0;
        ::waitpid(child, &status, 0);
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0);
    }
    auto store = make_sqlite_store(path, system_clock());
    REQUIRE(store);
    const auto state = (*store)->load();
    REQUIRE(state);
    CHECK(*state->overrides.at("pool/reset_epoch").value == 8 * k_each);
    CHECK(state->revision == 8 * k_each);
}
