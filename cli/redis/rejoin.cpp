// SPDX-License-Identifier: Apache-2.0
// A node that lost its way: the others forget it, it forgets them, and it is met again as a replica.
#include "cli/redis/topology.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>

namespace conduit::redis {
namespace {

std::vector<ClusterView> without(const std::vector<ClusterView>& views, const ClusterView& node)
{
    std::vector<ClusterView> rest;
    for (auto view : views) {
        if (view.address == node.address)
            continue;
        std::erase_if(view.nodes, [&](const ClusterNode& n) { return n.id == node.id && n.slots.empty(); });
        rest.push_back(std::move(view));
    }
    return rest;
}

Result<> check_holds_nothing(const std::vector<ClusterView>& views, const ClusterView& node)
{
    for (const auto& view : views) {
        if (!view.error.empty())
            continue;
        if (const auto* seen = view.find(node.id); seen != nullptr && !seen->slots.empty())
            return fail(ErrorKind::refused,
                        fmt::format("{} owns slots {} by the word of {}: a reset would lose them",
                                    node.address, slots_text(seen->slots), view.address),
                        "Promote one of its replicas first: conduitctl redis cluster failover REPLICA");
        for (const auto& other : view.nodes)
            if (other.master == node.id)
                return fail(ErrorKind::refused,
                            fmt::format("{} follows {}: it would follow nobody", address_of(views, other.id),
                                        node.address),
                            "Look who follows whom: conduitctl redis cluster status");
    }
    if (node.self()->master.empty() && node.keys > 0)
        return fail(ErrorKind::refused,
                    fmt::format("{} is a master with {} keys and without slots: nobody else may have them",
                                node.address, node.keys),
                    "Copy them, then empty it yourself; this does not.");
    return {};
}

// What is left must be a whole Cluster: slots, a majority, one truth.
Result<> check_rest(const std::vector<ClusterView>& views, const ClusterView& node)
{
    const auto rest = without(views, node);
    const auto verdict = judge(rest);
    std::set<std::string> masters;
    for (const auto& view : rest)
        for (const auto& one : view.nodes)
            if (!one.slots.empty())
                masters.insert(one.id);
    const auto reached = std::ranges::count_if(
        rest, [&](const ClusterView& v) { return v.error.empty() && masters.contains(v.id); });
    if (verdict.state == "split" || verdict.covered != k_slots ||
        reached * 2 <= static_cast<std::ptrdiff_t>(masters.size()))
        return fail(ErrorKind::refused,
                    fmt::format("the Cluster is not whole without {}: {}", node.address,
                                verdict.findings.empty() ? "no majority" : verdict.findings.front().what),
                    "Heal that first: conduitctl redis cluster check");
    const auto master = node.self()->master;
    if (!master.empty() &&
        std::ranges::none_of(rest, [&](const ClusterView& v) { return v.error.empty() && v.id == master; }))
        return fail(ErrorKind::refused,
                    fmt::format("its master {} does not answer: {} may hold the only copy of the data",
                                address_of(views, master), node.address),
                    fmt::format("Promote it instead: conduitctl redis cluster failover {} --mode force",
                                node.address));
    return {};
}

Result<const ClusterView*> choose_master(const std::vector<ClusterView>& views, const ClusterView& node,
                                         const std::string& wanted)
{
    if (!wanted.empty()) {
        TRY_ASSIGN(const ClusterView* view, find_view(views, wanted));
        if (!view->error.empty() || view->self()->slots.empty())
            return fail(ErrorKind::refused,
                        fmt::format("{} is no master with slots that answers", view->address));
        return view;
    }
    const ClusterView* best = nullptr;
    std::ptrdiff_t fewest = 0;
    for (const auto& view : views) {
        if (!view.error.empty() || view.self()->slots.empty() || view.id == node.id)
            continue;
        if (view.id == node.self()->master)
            return &view;
        const auto followers = std::ranges::count_if(
            views, [&](const ClusterView& v) { return v.error.empty() && v.self()->master == view.id; });
        if (best == nullptr || followers < fewest) {
            best = &view;
            fewest = followers;
        }
    }
    if (best == nullptr)
        return fail(ErrorKind::refused, "no master with slots answers that it could follow");
    return best;
}

std::string nodes_conf(const ClusterView& view)
{
    std::string out;
    for (const auto& node : view.nodes)
        out += fmt::format("{} {}@{} {}{} {} {} {}{}\n", node.id, node.address.empty() ? ":0" : node.address,
                           node.bus_port, node.myself ? "myself," : "", join(node.flags, ","),
                           node.master.empty() ? "-" : node.master, node.epoch,
                           node.linked ? "connected" : "disconnected",
                           node.slots.empty() ? "" : " " + slots_text(node.slots));
    return out;
}

Result<> forget(RedisServers& servers, const RejoinPlan& plan, bool& any, Deadline deadline)
{
    for (const auto& address : plan.others) {
        TRY_ASSIGN(const auto server, servers.open_at(address, deadline));
        for (const auto& id : plan.forget) {
            TRY_ASSIGN(const auto reply, server->call({"CLUSTER", "FORGET", id}, deadline));
            if (reply.is_error() && !reply.text.contains("Unknown node"))
                return reply_error(reply, fmt::format("{} does not forget {}", address, id.substr(0, 8)));
            any = true;
        }
    }
    return {};
}

// Each node is met by itself: those that were told to forget do not believe the word of others for a minute.
Result<> meet(RedisSession& server, const RejoinPlan& plan, Deadline deadline)
{
    for (const auto& [address, bus] : plan.meet) {
        const auto colon = address.rfind(':');
        auto host = address.substr(0, colon);
        if (host.starts_with('['))
            host = host.substr(1, host.size() - 2);
        TRY(server.ask({"CLUSTER", "MEET", host, address.substr(colon + 1), std::to_string(bus)}, deadline));
    }
    return {};
}

} // namespace

Result<RejoinPlan> plan_rejoin(const std::vector<ClusterView>& views, const std::string& name,
                               const std::string& master)
{
    TRY_ASSIGN(const ClusterView* node, find_view(views, name));
    if (!node->error.empty())
        return fail(ErrorKind::unreachable, fmt::format("{} does not answer: {}", node->address, node->error),
                    "Start it first; what does not run cannot join.");
    TRY(check_holds_nothing(views, *node));
    TRY(check_rest(views, *node));
    TRY_ASSIGN(const ClusterView* chosen, choose_master(views, *node, master));
    RejoinPlan plan{.node = node->id,
                    .address = node->address,
                    .master = chosen->id,
                    .master_address = chosen->address,
                    .nodes_before = nodes_conf(*node)};
    std::set<std::string> forget{node->id};
    for (const auto& view : views) {
        if (!view.error.empty() || view.id == node->id)
            continue;
        plan.others.push_back(view.address);
        plan.meet.emplace_back(view.address, view.self()->bus_port);
        for (const auto& entry : view.nodes) {
            const bool dead = entry.slots.empty() && (entry.has("noaddr") || entry.has("fail"));
            const bool known = std::ranges::any_of(
                views, [&](const ClusterView& v) { return v.error.empty() && v.id == entry.id; });
            if (dead && !known && (entry.address.empty() || entry.address == node->address))
                forget.insert(entry.id);
        }
    }
    plan.forget.assign(forget.begin(), forget.end());
    plan.lines.emplace_back("data", fmt::format("the {} keys on {} go, and are copied again from {}",
                                                node->keys, node->address, chosen->address));
    plan.lines.emplace_back(
        "forgotten",
        fmt::format("{} by {} nodes, for at most a minute",
                    plan.forget.size() == 1 ? plan.address : fmt::format("{} entries", plan.forget.size()),
                    plan.others.size()));
    plan.lines.emplace_back("kept", "what the node knew of the Cluster is in the record of the operation");
    return plan;
}

Result<> rejoin(RedisServers& servers, const RejoinPlan& plan, const std::function<void()>& sent,
                const Cancel& cancel, Deadline deadline)
{
    TRY_ASSIGN(const auto server, servers.open_at(plan.address, deadline));
    TRY_ASSIGN(const auto view, read_view(*server, plan.address, deadline));
    if (view.id != plan.node || !view.self()->slots.empty())
        return fail(ErrorKind::stale, fmt::format("{} is not what was planned for any more", plan.address),
                    "Look again: conduitctl redis cluster status");
    bool begun = false;
    const auto half = [&](Error error) {
        if (begun)
            error.kind = ErrorKind::partial;
        return std::move(error).with_hint(fmt::format(
            "See how far it is, and repeat it: conduitctl redis cluster rejoin {}", plan.address));
    };
    if (auto done = forget(servers, plan, begun, deadline); !done)
        return half(std::move(done).error());
    begun = true;
    if (auto reset = server->ask({"CLUSTER", "RESET", "SOFT"}, deadline); !reset)
        return half(std::move(reset).error());
    if (sent)
        sent();
    if (auto met = meet(*server, plan, deadline); !met)
        return half(std::move(met).error());
    auto followed = poll_until(
        [&]() -> Result<std::string> {
            TRY_ASSIGN(const auto reply, server->call({"CLUSTER", "REPLICATE", plan.master}, deadline));
            return reply.is_error() ? printable(reply.text.substr(0, 200)) : std::string();
        },
        {}, cancel, deadline);
    if (!followed)
        return half(std::move(followed).error());
    return {};
}

Result<> wait_rejoined(RedisServers& servers, const RejoinPlan& plan, const Waiting& waiting,
                       const Cancel& cancel, Deadline deadline)
{
    return poll_until(
        [&]() -> Result<std::string> {
            TRY_ASSIGN(const auto server, servers.open_at(plan.address, deadline));
            TRY_ASSIGN(const auto self, read_view(*server, plan.address, deadline));
            if (self.link != "up")
                return fmt::format("{} copies the data of {}", plan.address, plan.master_address);
            for (const auto& address : plan.others) {
                TRY_ASSIGN(const auto other, servers.open_at(address, deadline));
                TRY_ASSIGN(const auto view, read_view(*other, address, deadline));
                const auto* seen = view.find(plan.node);
                if (seen == nullptr || seen->master != plan.master || seen->failing() ||
                    seen->has("handshake"))
                    return fmt::format("{} does not know {} as a replica yet", address, plan.address);
                for (const auto& id : plan.forget)
                    if (id != plan.node && view.find(id) != nullptr)
                        return fmt::format("{} still remembers {}", address, id.substr(0, 8));
            }
            return std::string();
        },
        waiting, cancel, deadline);
}

} // namespace conduit::redis
