// SPDX-License-Identifier: Apache-2.0
// `redis cluster`: what all its nodes say, and changing who is master.
#include "cli/commands/redis.hpp"
#include "cli/commands/support.hpp"
#include "cli/targets/redis.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

constexpr Duration k_limit{30'000};

Result<std::vector<redis::ClusterView>> views_of(App& app)
{
    TRY_ASSIGN(RedisServers * servers, app.redis());
    return redis::read_views(*servers, app.deadline(k_limit));
}

Json node_item(const std::vector<redis::ClusterView>& views, const redis::ClusterView& view)
{
    Json item{{"name", view.address}};
    if (!view.error.empty()) {
        item["error"] = view.error;
        return item;
    }
    const auto* self = view.self();
    item["id"] = view.id;
    item["role"] = self->master.empty() ? "master" : "replica";
    item["master"] = self->master.empty() ? Json() : Json(address_of(views, self->master));
    item["slots"] = redis::slots_text(self->slots);
    item["slot_count"] = self->slot_count();
    item["state"] = view.state;
    item["link"] = view.role == "slave" ? Json(view.link) : Json();
    item["epoch"] = self->epoch;
    item["current_epoch"] = view.current_epoch;
    item["offset"] = view.offset;
    item["keys"] = view.keys;
    return item;
}

std::vector<Column> node_columns()
{
    using enum Column::Format;
    const auto right = Column::Align::right;
    return {{.head = "NODE", .field = "name"},
            {.head = "ROLE", .field = "role"},
            {.head = "SLOTS", .field = "slots"},
            {.head = "FOLLOWS", .field = "master"},
            {.head = "LINK", .field = "link"},
            {.head = "STATE", .field = "state"},
            {.head = "EPOCH", .field = "epoch", .format = integer, .align = right},
            {.head = "OFFSET", .field = "offset", .format = integer, .align = right},
            {.head = "KEYS", .field = "keys", .format = integer, .align = right},
            {.head = "ID", .field = "id", .wide_only = true}};
}

Report nodes_report(const std::vector<redis::ClusterView>& views)
{
    Json items = Json::array();
    auto sorted = views;
    std::ranges::sort(sorted, {}, &redis::ClusterView::address);
    for (const auto& view : sorted)
        items.push_back(node_item(sorted, view));
    return list_report(std::move(items), node_columns());
}

Result<Report> status(App& app)
{
    TRY_ASSIGN(const auto views, views_of(app));
    auto report = nodes_report(views);
    for (const auto& view : views)
        if (!view.error.empty()) {
            report.notes.push_back(fmt::format("{}: {}", view.address, view.error));
            report.verdict = ErrorKind::unknown;
        }
    return report;
}

Result<Report> check(App& app)
{
    TRY_ASSIGN(const auto views, views_of(app));
    const auto verdict = redis::judge(views);
    auto report = nodes_report(views);
    Json findings = Json::array();
    for (const auto& one : verdict.findings) {
        findings.push_back({{"level", one.split ? "split" : one.bad ? "bad" : "note"}, {"what", one.what}});
        report.notes.push_back(fmt::format("{}: {}",
                                           one.split ? "SPLIT"
                                           : one.bad ? "bad"
                                                     : "note",
                                           one.what));
    }
    report.notes.insert(report.notes.begin(),
                        fmt::format("{}: {} of {} slots have one owner, {} masters, {} replicas",
                                    verdict.state, verdict.covered, redis::k_slots, verdict.masters,
                                    verdict.replicas));
    (*report.data)["state"] = verdict.state;
    (*report.data)["covered"] = verdict.covered;
    (*report.data)["masters"] = verdict.masters;
    (*report.data)["replicas"] = verdict.replicas;
    (*report.data)["findings"] = std::move(findings);
    report.verdict = verdict.ok() ? ErrorKind::ok : ErrorKind::breached;
    return report;
}

struct FailoverOptions {
    std::string node;
    std::string mode = "graceful";
    ops::ChangeOptions change;
};

Result<Report> failover(App& app, const FailoverOptions& o)
{
    TRY_ASSIGN(const auto views, views_of(app));
    TRY_ASSIGN(const auto plan, redis::plan_failover(views, o.node, o.mode == "force"));
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(auto* target, redis_target(*operations));
    return operations->change(ops::failover_intent(*target, plan), o.change);
}

struct RejoinOptions {
    std::string node;
    std::string master;
    ops::ChangeOptions change;
};

Result<Report> rejoin(App& app, const RejoinOptions& o)
{
    TRY_ASSIGN(const auto views, views_of(app));
    TRY_ASSIGN(const auto plan, redis::plan_rejoin(views, o.node, o.master));
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(auto* target, redis_target(*operations));
    return operations->change(ops::rejoin_intent(*target, plan), o.change);
}

Completer node_completer()
{
    return {.key = "redis-nodes",
            .fetch = [](App& app, std::span<const std::string>) -> Result<std::vector<Candidate>> {
                TRY_ASSIGN(RedisServers * servers, app.redis());
                TRY_ASSIGN(const auto nodes, redis::reach_nodes(*servers, app.deadline(Duration{2'000})));
                std::vector<Candidate> out;
                for (const auto& node : nodes)
                    out.push_back({node.address, ""});
                return out;
            }};
}

Verb check_verb()
{
    return verb(
        {.name = "cluster check",
         .summary = "Compare what all nodes of a Cluster say",
         .text = "Several masters are normal, and one node's word cannot show a partition: every node is "
                 "asked, and their maps of slots, epochs and states are compared. Exit code 13 when they "
                 "disagree about the owner of a slot or about who belongs together (split), or when slots, "
                 "nodes or links are missing (degraded).",
         .examples = {"conduitctl redis cluster check"},
         .also = {ErrorKind::refused, ErrorKind::breached},
         .covers = {"E-dr-split-id-1", "E-dr-split-id-2"},
         .backends = {"redis"}},
        check);
}

Verb failover_verb()
{
    return verb<FailoverOptions>(
        {.name = "cluster failover",
         .summary = "Make a replica of a Cluster the master of its shard",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::none,
         .text =
             "Graceful: the master stops, the replica copies the rest, and takes over; nothing is lost. With "
             "--mode force, only while the master does not answer: the plan shows how far the replica is "
             "behind, "
             "since what it did not copy is lost; it still needs the votes of most masters. A takeover, "
             "which "
             "asks nobody, is not offered.",
         .examples = {"conduitctl redis cluster failover 10.1.2.3:6379 --yes"},
         .covers = {"E-dr-split-fix-1"},
         .backends = {"redis"},
         .steps = false},
        [](Flags& f, FailoverOptions& o) {
            f.arg("NODE", o.node, "The replica to promote: address, id or name").complete(node_completer());
            f.choice("--mode", o.mode, {"graceful", "force"}, "force: its master is away");
            change_flags(f, o.change);
        },
        failover);
}

Verb rejoin_verb()
{
    return verb<RejoinOptions>(
        {.name = "cluster rejoin",
         .summary = "Reset a node and take it back as a replica",
         .effect = Effect::destroy,
         .tier = Tier::severe,
         .undo = Undo::none,
         .text =
             "For a replica, or a master without slots and keys, that lost its way. Refused when it owns "
             "slots, "
             "when others follow it, when it may hold the only copy, or when the rest is no whole Cluster "
             "without it. What it knew of the Cluster is kept in the record; then every node forgets it, it "
             "is "
             "reset (soft: it keeps its id), met again and told to follow. Done when every node knows it as "
             "a "
             "replica and it has the data.",
         .examples = {"conduitctl redis cluster rejoin 10.1.2.3:6379 --confirm 10.1.2.3:6379 --reason drill"},
         .omitted = {{ErrorKind::rolled_back, "a reset cannot be taken back: 10"}},
         .covers = {"E-dr-split-fix-2"},
         .backends = {"redis"}},
        [](Flags& f, RejoinOptions& o) {
            f.arg("NODE", o.node, "The node: address, id or name").complete(node_completer());
            f.opt("--master", o.master,
                  "Whom it shall follow; else as before, or who has the fewest replicas")
                .value("NODE");
            change_flags(f, o.change);
        },
        rejoin);
}

} // namespace

std::vector<Verb> redis_cluster_verbs()
{
    std::vector<Verb> verbs;
    verbs.push_back(verb({.name = "cluster status",
                          .summary = "List the nodes of a Cluster, each by its own word",
                          .examples = {"conduitctl redis cluster status"},
                          .also = {ErrorKind::refused},
                          .backends = {"redis"}},
                         status));
    verbs.push_back(check_verb());
    verbs.push_back(failover_verb());
    verbs.push_back(rejoin_verb());
    return verbs;
}

} // namespace conduit::commands
