// SPDX-License-Identifier: Apache-2.0
// What may happen to a ConfigMap, and what the store makes of it. tests/contract has what every store does.
#include "agent/control/cluster/configmap_store.hpp"
#include "agent/control/cluster/document.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_clock.hpp"
#include "tests/support/fakes/fake_cluster.hpp"
#include "tests/support/wait.hpp"

#include <atomic>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::agent;
using test::eventually;

namespace {

const std::string k_path = "/api/v1/namespaces/audio/configmaps/conduit-control";

StatePatch set(const std::string& path, Json value)
{
    StatePatch patch;
    patch.set[path] = std::move(value);
    patch.actor = "maria";
    return patch;
}

struct Fixture {
    test::FakeCluster cluster;
    test::FakeClock clock;
    std::atomic<bool> away{false}, silent{false}, no_leases{false};
    std::atomic<int> puts{0}, lost_put{-1}; // the one whose answer is lost
    Cancel cancel;
    std::unique_ptr<ControlStore> store;

    Fixture()
    {
        cluster.before = [this](const kube::Call& call) -> std::optional<Result<kube::Answer>> {
            if (away)
                return Error{ErrorKind::unreachable, "cannot reach the API server"};
            if (silent && call.path.contains("watch=true")) {
                (void)eventually([this] { return !silent; }, std::chrono::seconds(20));
                return kube::Answer{200, {}, {}};
            }
            if (no_leases && call.path.contains("/leases/"))
                return Error{ErrorKind::unreachable, "cannot reach the API server"};
            if (call.method != "PUT" || puts++ != lost_put)
                return std::nullopt;
            (void)cluster.handle(call);
            return Error{ErrorKind::unknown, "no whole answer"};
        };
    }
    ~Fixture()
    {
        silent = false;
        store.reset();
    }
    void open()
    {
        store =
            make_configmap_store(std::make_unique<kube::Api>(cluster.transport(), system_clock(), &cancel),
                                 cancel, {.name_space = "audio", .retry = Duration{20}}, clock);
    }
    bool sees(std::uint64_t revision) const
    {
        return eventually([&] { return store->revision().value_or(999) == revision; });
    }
    std::string trouble()
    {
        std::string text;
        (void)eventually([&] {
            clock.advance(Duration{1'000}); // it looks once a second
            const auto revision = store->revision();
            text = revision ? "" : revision.error().message;
            return !text.empty();
        });
        return text;
    }
};

} // namespace

TEST_CASE_METHOD(Fixture, "a ConfigMap that was removed loses no override: the next change writes all of it")
{
    open();
    REQUIRE(sees(0));
    REQUIRE(store->apply(set("a", 1)));
    cluster.remove(k_path);
    CHECK(trouble() == "ConfigMap conduit-control in namespace audio was removed");
    const auto state = store->apply(set("b", 2));
    REQUIRE(state);
    CHECK(state->revision == 2);
    CHECK(state->overrides.contains("a"));
    CHECK(sees(2));
    CHECK(read_document(cluster.at(k_path))->history.size() == 2);
}

TEST_CASE_METHOD(Fixture, "a ConfigMap that was emptied is filled again without any change")
{
    open();
    REQUIRE(sees(0));
    REQUIRE(store->apply(set("a", 1)));
    auto emptied = cluster.at(k_path);
    emptied.erase("data");
    cluster.put(k_path, emptied);
    CHECK(trouble() == "ConfigMap conduit-control in namespace audio was emptied");
    CHECK(*store->expire_due() == 1);
    CHECK(sees(1));
    CHECK(read_document(cluster.at(k_path))->state.overrides.contains("a"));
}

TEST_CASE_METHOD(Fixture, "a write whose answer was lost is found by its operation and not repeated")
{
    open();
    REQUIRE(sees(0));
    REQUIRE(store->apply(set("a", 1)));
    lost_put = puts.load();
    auto patch = set("b", 2);
    patch.operation = "01JD/1";
    const auto state = store->apply(patch);
    REQUIRE(state);
    CHECK(state->changed);
    CHECK(state->revision == 2);
    CHECK(puts == lost_put + 1);
    lost_put = puts.load();
    const auto without = store->apply(set("c", 3)); // nothing tells it apart from another's write
    REQUIRE_FALSE(without);
    CHECK(without.error().kind == ErrorKind::unknown);
}

TEST_CASE_METHOD(Fixture, "a state that was damaged by hand is told, and good again once it is mended")
{
    open();
    REQUIRE(sees(0));
    REQUIRE(store->apply(set("a", 1)));
    auto object = cluster.at(k_path);
    const auto good = object;
    object["data"]["state.json"] = "{\"revision\": ";
    cluster.put(k_path, object);
    CHECK(trouble().starts_with("ConfigMap conduit-control, state.json: "));
    const auto refused = store->apply(set("b", 1));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::failed);
    auto mended = cluster.at(k_path);
    mended["data"] = good["data"];
    cluster.put(k_path, mended);
    CHECK(sees(1));
}

TEST_CASE_METHOD(Fixture, "a server that is away at the start or later is told, and found again")
{
    away = true;
    open();
    CHECK(trouble() == "the API server has not answered yet");
    CHECK(store->apply(set("a", 1)).error().kind == ErrorKind::unreachable);
    away = false;
    REQUIRE(sees(0));
    REQUIRE(store->apply(set("a", 1)));
    away = true;
    CHECK(trouble() == "cannot reach the API server");
    away = false;
    CHECK(eventually([&] {
        clock.advance(Duration{1'000});
        return store->revision().value_or(0) == 1;
    }));
}

TEST_CASE_METHOD(Fixture, "a watch that fell silent is looked past once a heartbeat fails")
{
    open();
    REQUIRE(sees(0));
    REQUIRE(store->apply(set("a", 1)));
    REQUIRE(store->heartbeat({"r1", "", 1, 1, {}, ""}));
    silent = true;
    Cancel other_cancel;
    const auto other =
        make_configmap_store(std::make_unique<kube::Api>(cluster.transport(), system_clock(), &other_cancel),
                             other_cancel, {.name_space = "audio"}, clock);
    REQUIRE(eventually([&] { return other->revision().value_or(0) == 1; }));
    REQUIRE(other->apply(set("a", 2)));
    no_leases = true;
    CHECK_FALSE(store->heartbeat({"r1", "", 1, 1, {}, ""}));
    clock.advance(Duration{1'000});
    CHECK(sees(2));
    silent = false;
}

TEST_CASE("a document keeps within an object's size by forgetting its oldest history first")
{
    ControlDocument document;
    const WallTime now{Duration{1'795'000'000'000}};
    for (int i = 0; i < 3'000; ++i) {
        auto patch = set("a", std::string(100, 'x') + std::to_string(i));
        patch.operation = fmt::format("operation-{}/1", i);
        REQUIRE(change_document(document, patch, now));
    }
    Json map;
    REQUIRE(write_document(map, document));
    CHECK(dump_json(map).size() < 1'000'000);
    const auto again = read_document(map);
    REQUIRE(again);
    CHECK(again->state.revision == 3'000);
    CHECK(again->history.size() < 3'000);
    CHECK(again->history.back().revision == 3'000);
    CHECK(again->operations.back().operation == "operation-2999/1");

    for (int i = 0; i < 100; ++i)
        REQUIRE(change_document(document, set(fmt::format("p{}", i), std::string(8'000, 'x')), now));
    const auto full = write_document(map, document);
    REQUIRE_FALSE(full);
    CHECK(full.error().kind == ErrorKind::refused);
}

TEST_CASE("what is no control state is refused without a crash")
{
    const auto map = [](const char* state) { return Json{{"data", {{"state.json", state}}}}; };
    CHECK(read_document(Json())->state.revision == 0);
    CHECK(read_document(Json{{"data", {{"other", "x"}}}})->state.revision == 0);
    for (const char* bad : {"[]", "{}", "7", R"({"revision":-1,"items":[]})", R"({"revision":1,"items":{}})",
                            R"({"revision":1,"items":[{"path":7}]})"})
        CHECK_FALSE(read_document(map(bad)));
    auto odd = map(R"({"revision":1,"items":[]})");
    odd["data"]["history.jsonl"] = "no json\n[]\n{\"revision\":\"x\"}\n";
    odd["data"]["fences.json"] = "[1]";
    CHECK(read_document(odd)->history.size() == 1);
}

TEST_CASE("the journal's mirror drops its oldest lines at its size")
{
    Json map;
    for (int i = 0; i < 100; ++i)
        append_line(map, fmt::format("{{\"seq\":{},\"pad\":\"{}\"}}", i, std::string(20'000, 'x')));
    const auto lines = last_lines(map, 1'000);
    CHECK(lines.size() < 60);
    CHECK(lines.size() > 40);
    CHECK(lines.back().starts_with("{\"seq\":99"));
    CHECK(lines.front().starts_with("{\"seq\":"));
}
