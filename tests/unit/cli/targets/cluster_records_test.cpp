// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/cluster_records.hpp"
#include "core/fs.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_cluster.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

const std::string k_maps = "/api/v1/namespaces/audio/configmaps/";

// Two engineers, each with a journal of their own, and the cluster between them.
struct Fixture {
    TempDir dir = TempDir::make("conduit-records").value();
    FakeCluster cluster;
    kube::Api api{cluster.transport(), system_clock()};
    ClusterRecords records{
        [this]() -> Result<ClusterRecords::Place> { return ClusterRecords::Place{&api, "audio"}; }};
    ops::Journal maria{dir.path() / "maria", system_clock()};
    ops::Journal bob{dir.path() / "bob", system_clock()};
    Fixture()
    {
        maria.set_mirror(&records);
        bob.set_mirror(&records);
    }
    static ops::Entry entry(const std::string& id, ops::Phase phase, const std::string& who = "maria")
    {
        ops::Entry out;
        out.id = id;
        out.phase = phase;
        out.operator_name = who;
        out.host = who + "s-laptop";
        out.command = {"scale", "to", "5"};
        if (phase == ops::Phase::end)
            out.verdict = "ok";
        return out;
    }
};

ops::Reversal reversal(const std::string& id, const std::string& due)
{
    return {.operation = id,
            .due = *parse_time(due),
            .summary = "scale to 5",
            .operator_name = "maria",
            .context = "audio",
            .target_kind = "kubernetes",
            .target = "cluster 1",
            .paths = {"a"}};
}

} // namespace

TEST_CASE_METHOD(Fixture, "what one engineer did another finds, and both may write of the same operation")
{
    REQUIRE(maria.append(entry("01AAA1", ops::Phase::begin)));
    REQUIRE(maria.append(entry("01AAA1", ops::Phase::step_start)));
    CHECK(bob.operation("01AAA").value().unfinished());
    REQUIRE(bob.append(entry("01AAA1", ops::Phase::resume, "bob")));
    REQUIRE(bob.append(entry("01AAA1", ops::Phase::end, "bob")));
    const auto seen = maria.operation("01AAA").value();
    CHECK(seen.entries.size() == 4);
    CHECK(seen.verdict() == "ok");
    CHECK(bob.operation("01AAA").value().entries.size() == 4);
}

TEST_CASE_METHOD(Fixture, "plans, rehearsals and refusals stay with who made them")
{
    for (const auto phase : {ops::Phase::plan, ops::Phase::dry_run, ops::Phase::refused})
        REQUIRE(maria.append(entry("01AAA1", phase)));
    CHECK(cluster.objects() == 0);
    CHECK(bob.operation("01AAA").error().kind == ErrorKind::not_found);
}

TEST_CASE_METHOD(Fixture, "a cluster that cannot be written costs one try, and is told")
{
    int tries = 0;
    cluster.before = [&](const kube::Call& call) -> std::optional<Result<kube::Answer>> {
        if (call.method == "GET")
            return std::nullopt;
        ++tries;
        return Result<kube::Answer>(Error{ErrorKind::unreachable, "no network"});
    };
    REQUIRE(maria.append(entry("01AAA1", ops::Phase::begin)));
    REQUIRE(maria.append(entry("01AAA1", ops::Phase::end)));
    CHECK(tries == 1);
    REQUIRE(maria.mirror_error());
    CHECK(maria.mirror_error()->message == "no network");
    CHECK(maria.operation("01AAA").value().verdict() == "ok");
}

TEST_CASE_METHOD(Fixture, "an entry that somebody made up or moved is not believed")
{
    REQUIRE(maria.append(entry("01AAA1", ops::Phase::begin)));
    auto map = cluster.at(k_maps + "conduit-op-01aaa1");
    const auto line = map["data"].begin()->get<std::string>();
    map["data"]["2.2.end"] = line.substr(0, line.size() - 2) + "x\"}"; // its hash does not fit
    map["data"]["3.3.end"] = "{}";
    map["data"]["4.4.end"] = std::string(100, '[');
    cluster.put(k_maps + "conduit-op-01aaa1", map);
    auto other = cluster.at(k_maps + "conduit-op-01aaa1");
    other["metadata"]["name"] = "conduit-op-01bbb2"; // another operation's name over this one's lines
    cluster.put(k_maps + "conduit-op-01bbb2", other);
    CHECK(bob.operation("01AAA").value().entries.size() == 1);
    CHECK(bob.operation("01BBB").error().kind == ErrorKind::not_found);
}

TEST_CASE_METHOD(Fixture, "what is to be taken back is listed soonest first, until it is removed")
{
    REQUIRE(maria.append(entry("01AAA1", ops::Phase::begin)));
    REQUIRE(records.add(reversal("01AAA1", "2026-11-22T16:00:00Z")));
    REQUIRE(records.add(reversal("01BBB2", "2026-11-22T15:00:00Z"))); // its journal could not be mirrored
    auto all = records.list().value();
    REQUIRE(all.size() == 2);
    CHECK(all[0].operation == "01BBB2");
    CHECK(all[1].paths == std::vector<std::string>{"a"});
    REQUIRE(records.remove("01AAA1"));
    REQUIRE(records.remove("01AAA1"));
    REQUIRE(records.remove("01CCC3"));
    all = records.list().value();
    REQUIRE(all.size() == 1);
    CHECK(bob.operation("01AAA").has_value()); // its record stays
}

TEST_CASE_METHOD(Fixture, "a damaged or borrowed reversal is listed as such")
{
    REQUIRE(records.add(reversal("01AAA1", "2026-11-22T16:00:00Z")));
    auto map = cluster.at(k_maps + "conduit-op-01aaa1");
    map["metadata"]["name"] = "conduit-op-01bbb2";
    cluster.put(k_maps + "conduit-op-01bbb2", map);
    map["data"]["reversal.json"] = "{";
    cluster.put(k_maps + "conduit-op-01aaa1", map);
    for (const auto& one : records.list().value())
        CHECK(one.state == "damaged");
}

TEST_CASE_METHOD(Fixture, "somebody serves them as long as the heartbeat is young by the server's clock")
{
    cluster.clock_ahead =
        GENERATE(Duration{0}, Duration{std::chrono::hours(-3)}, Duration{std::chrono::hours(3)});
    CHECK_FALSE(records.answered());
    REQUIRE(records.beat());
    CHECK(records.answered());
    const auto path = "/apis/coordination.k8s.io/v1/namespaces/audio/leases/conduit-reversals";
    const auto first = cluster.at(path)["spec"]["renewTime"];
    REQUIRE(records.beat()); // within 30 s: nothing is written
    CHECK(cluster.at(path)["spec"]["renewTime"] == first);
    auto old = cluster.at(path);
    old["spec"]["renewTime"] = "2020-01-01T00:00:00.000000Z";
    cluster.put(path, old);
    CHECK_FALSE(records.answered());
}

TEST_CASE_METHOD(Fixture, "old records go, the newest 200 and what is to be taken back stay")
{
    for (int i = 0; i < 210; ++i) {
        const auto id = fmt::format("01{:04}X", i);
        REQUIRE(maria.append(entry(id, ops::Phase::begin)));
        auto map = cluster.at(k_maps + fmt::format("conduit-op-01{:04}x", i));
        map["metadata"]["creationTimestamp"] =
            format_time(system_clock().now() - std::chrono::hours(i == 5 ? 24 * 31 : 1) + Duration{i * 1000});
        cluster.put(k_maps + fmt::format("conduit-op-01{:04}x", i), map);
    }
    REQUIRE(records.add(reversal("010000X", "2026-11-22T16:00:00Z")));
    REQUIRE(records.prune());
    CHECK(cluster.objects() == 201);
    CHECK_FALSE(cluster.at(k_maps + "conduit-op-010000x").is_null());
    CHECK(cluster.at(k_maps + "conduit-op-010005x").is_null());
    CHECK_FALSE(cluster.at(k_maps + "conduit-op-010209x").is_null());
}
