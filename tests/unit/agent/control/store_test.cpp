// SPDX-License-Identifier: Apache-2.0
#include "agent/control/state.hpp"
#include "core/fs.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_clock.hpp"

#include <nlohmann/json.hpp>
#include <sys/stat.h>

using namespace conduit;
using namespace conduit::agent;

namespace {

struct Fixture {
    TempDir dir = *TempDir::make("store");
    test::FakeClock clock;
    std::unique_ptr<ControlStore> store = open();
    std::unique_ptr<ControlStore> open()
    {
        auto made = make_sqlite_store((dir.path() / "control.db").string(), clock);
        REQUIRE(made);
        return std::move(*made);
    }
};

StatePatch set(const std::string& path, Json value)
{
    StatePatch patch;
    patch.set[path] = std::move(value);
    patch.actor = "maria";
    patch.reason = "test";
    return patch;
}

} // namespace

TEST_CASE_METHOD(Fixture, "the store's file is for its owner alone")
{
    struct stat info{};
    REQUIRE(::stat((dir.path() / "control.db").c_str(), &info) == 0);
    CHECK((info.st_mode & 0077) == 0);
}

TEST_CASE("a damaged or foreign file is a clear error and stays as it is")
{
    const auto dir = *TempDir::make("store");
    test::FakeClock clock;
    const auto path = dir.path() / "control.db";
    std::string garbage(8192, 'x');
    SECTION("not a database")
    {
        REQUIRE(write_file(path, garbage));
    }
    SECTION("a database with a page overwritten")
    {
        {
            auto store = make_sqlite_store(path.string(), clock);
            REQUIRE(store);
            for (int i = 0; i < 50; ++i)
                REQUIRE((*store)->apply(set("p" + std::to_string(i), std::string(500, 'v'))));
        }
        garbage = *read_file(path);
        REQUIRE(garbage.size() > 16384);
        garbage.replace(4096, 8192, std::string(8192, '\xa5'));
        REQUIRE(write_file(path, garbage));
    }
    const auto store = make_sqlite_store(path.string(), clock);
    REQUIRE_FALSE(store);
    CHECK(store.error().kind == ErrorKind::failed);
    CHECK(store.error().message.find("is damaged") != std::string::npos);
    CHECK(*read_file(path) == garbage);
}

TEST_CASE("a store in a place that cannot be written says where")
{
    test::FakeClock clock;
    const auto store = make_sqlite_store("/proc/no/control.db", clock);
    REQUIRE_FALSE(store);
    CHECK(store.error().message.find("/proc/no") != std::string::npos);
}
