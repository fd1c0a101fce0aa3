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

TEST_CASE_METHOD(Fixture, "a patch raises the revision by one and is seen by another opener of the file")
{
    CHECK(*store->revision() == 0);
    const auto state = store->apply(set("pool/reset_epoch", 1));
    REQUIRE(state);
    CHECK(state->revision == 1);
    const auto other = open();
    CHECK(*other->revision() == 1);
    const auto loaded = other->load();
    REQUIRE(loaded);
    const auto& item = loaded->overrides.at("pool/reset_epoch");
    CHECK(*item.value == 1);
    CHECK(item.actor == "maria");
    CHECK(item.revision == 1);
    CHECK(item.set_at == clock.now());
}

TEST_CASE_METHOD(Fixture, "a patch that changes nothing keeps the revision")
{
    REQUIRE(store->apply(set("a", 1)));
    CHECK(store->apply(set("a", 1))->revision == 1);
    StatePatch unset;
    unset.unset = {"not-there"};
    CHECK(store->apply(unset)->revision == 1);
}

TEST_CASE_METHOD(Fixture, "an expectation that fails writes nothing and tells who changed it")
{
    REQUIRE(store->apply(set("a", 1)));
    auto patch = set("b", 2);
    patch.expect["a"] = Json(5);
    const auto result = store->apply(patch);
    REQUIRE_FALSE(result);
    CHECK(result.error().kind == ErrorKind::stale);
    CHECK(result.error().details.at("path") == "a");
    CHECK(result.error().details.at("actor") == "maria");
    CHECK(result.error().details.at("found") == "1");
    CHECK(result.error().details.at("revision") == "1");
    CHECK(store->load()->overrides.size() == 1);
    patch.expect["a"] = Json(1);
    patch.expect["b"] = Json();
    CHECK(store->apply(patch));
    CHECK(store->apply(patch).error().details.at("path") == "b");
}

TEST_CASE_METHOD(Fixture, "a patch for another revision is stale")
{
    REQUIRE(store->apply(set("a", 1)));
    auto patch = set("a", 2);
    patch.if_revision = 0;
    CHECK(store->apply(patch).error().kind == ErrorKind::stale);
    patch.if_revision = 1;
    CHECK(store->apply(patch)->revision == 2);
}

TEST_CASE_METHOD(Fixture, "an operation that is repeated is carried out once")
{
    auto patch = set("a", 1);
    patch.operation = "01JD/1";
    patch.if_revision = 0;
    REQUIRE(store->apply(patch));
    const auto again = store->apply(patch); // its expectation no longer holds, and need not
    REQUIRE(again);
    CHECK(again->revision == 1);
    CHECK(store->history(10, "")->size() == 1);
    auto other = set("a", 3);
    other.operation = "01JD/1";
    CHECK(store->apply(other).error().kind == ErrorKind::usage);
}

TEST_CASE_METHOD(Fixture,
                 "an override expires on the store's clock, with history, and by itself in a later patch")
{
    auto patch = set("a", 1);
    patch.expires_in = Duration{60'000};
    patch.operation = "01JD/1";
    REQUIRE(store->apply(patch));
    REQUIRE(store->apply(set("b", 1)));
    clock.advance(Duration{59'999});
    CHECK(*store->expire_due() == 2);
    clock.advance(Duration{1});
    CHECK(*store->expire_due() == 3);
    CHECK(*store->expire_due() == 3);
    CHECK_FALSE(store->load()->overrides.contains("a"));
    const auto history = store->history(10, "01JD");
    REQUIRE(history);
    REQUIRE(history->size() == 2);
    CHECK((*history)[0].kind == "expire");
    CHECK((*(*history)[0].changes)[0]["before"] == 1);
    CHECK((*(*history)[0].changes)[0]["after"].is_null());
    patch.operation = "01JD/2";
    REQUIRE(store->apply(patch));
    clock.advance(Duration{60'000});
    auto late = set("c", 1);
    late.expect["a"] = Json();
    CHECK(store->apply(late));
}

TEST_CASE_METHOD(Fixture, "a fence lower than one seen before is refused")
{
    auto patch = set("a", 1);
    patch.fence = 5;
    REQUIRE(store->apply(patch));
    patch = set("a", 2);
    patch.fence = 4;
    CHECK(store->apply(patch).error().kind == ErrorKind::refused);
    patch.fence = 5;
    CHECK(store->apply(patch));
}

TEST_CASE_METHOD(Fixture, "replicas are those whose heartbeat is fresh")
{
    REQUIRE(store->heartbeat({"r1", "http://127.0.0.1:1", 11, 3, {}, "0.1.0"}));
    clock.advance(Duration{5'000});
    REQUIRE(store->heartbeat({"r2", "http://127.0.0.1:2", 12, 4, {}, "0.1.0"}));
    CHECK(store->replicas(Duration{10'000})->size() == 2);
    const auto fresh = store->replicas(Duration{3'000});
    REQUIRE(fresh);
    REQUIRE(fresh->size() == 1);
    CHECK(fresh->front().name == "r2");
    CHECK(fresh->front().applied_revision == 4);
}

TEST_CASE_METHOD(Fixture,
                 "a replica that said farewell counts no longer, its successor of the same name does")
{
    REQUIRE(store->heartbeat({"r1", "http://127.0.0.1:1", 11, 3, {}, "0.1.0"}));
    REQUIRE(store->farewell({"r1", "", 11, 0, {}, ""}));
    CHECK(store->replicas(Duration{10'000})->empty());
    REQUIRE(store->heartbeat({"r1", "http://127.0.0.1:1", 12, 3, {}, "0.1.0"}));
    REQUIRE(store->farewell({"r1", "", 11, 0, {}, ""})); // late words of the old process
    CHECK(store->replicas(Duration{10'000})->size() == 1);
}

TEST_CASE_METHOD(Fixture, "the mirrored journal keeps its order and refuses what is not one line")
{
    REQUIRE(store->append_journal("{\"seq\":1}"));
    REQUIRE(store->append_journal("{\"seq\":2}"));
    CHECK(*store->journal(10) == std::vector<std::string>{"{\"seq\":1}", "{\"seq\":2}"});
    CHECK(*store->journal(1) == std::vector<std::string>{"{\"seq\":2}"});
    CHECK_FALSE(store->append_journal("a\nb"));
}

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
