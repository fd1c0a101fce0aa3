// SPDX-License-Identifier: Apache-2.0
#include "cli/redis/topology.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <set>
#include <thread>

namespace conduit::redis {
namespace {

constexpr Duration k_pause{100};

std::string nodes_text(const std::vector<ClusterView>& views)
{
    std::vector<std::string> names;
    for (const auto& view : views)
        names.push_back(view.address);
    return join(names, ", ");
}

bool is_named(const ClusterView& view, const std::string& name)
{
    if (view.address == name || (name.size() >= 4 && view.id.starts_with(name)))
        return true;
    const auto* self = view.error.empty() ? view.self() : nullptr;
    if (self == nullptr || self->host_name.empty())
        return false;
    return self->host_name == name || self->host_name.substr(0, self->host_name.find('.')) == name;
}

const ClusterView* view_of(const std::vector<ClusterView>& views, const std::string& id)
{
    const auto found =
        std::ranges::find_if(views, [&](const ClusterView& v) { return v.error.empty() && v.id == id; });
    return found == views.end() ? nullptr : &*found;
}

std::string replicas_of(const std::vector<ClusterView>& views, const std::string& id)
{
    std::vector<std::string> out;
    for (const auto& view : views)
        if (view.error.empty() && view.self()->master == id)
            out.push_back(view.address);
    return join(out, ", ");
}

// The vote for a replica needs more than half of the masters.
std::pair<int, int> reached_masters(const std::vector<ClusterView>& views)
{
    std::set<std::string> masters;
    int reached = 0;
    for (const auto& view : views)
        if (view.error.empty())
            for (const auto& node : view.nodes)
                if (!node.slots.empty())
                    masters.insert(node.id);
    for (const auto& view : views)
        if (view.error.empty() && masters.contains(view.id))
            ++reached;
    return {reached, static_cast<int>(masters.size())};
}

Result<> check_force(const std::vector<ClusterView>& views, const ClusterView& replica, FailoverPlan& plan)
{
    for (const auto& other : views)
        if (other.error.empty() && other.id != replica.id && other.self()->master == plan.master &&
            other.offset > replica.offset)
            return fail(ErrorKind::refused,
                        fmt::format("{} has {} bytes more of the writes than {}", other.address,
                                    other.offset - replica.offset, replica.address),
                        fmt::format("Promote that one: conduitctl redis cluster failover {} --mode force",
                                    other.address));
    const auto [reached, all] = reached_masters(views);
    if (reached * 2 <= all)
        return fail(
            ErrorKind::refused, fmt::format("{} of {} masters answer: no majority can vote", reached, all),
            "Bring masters back first. A takeover asks nobody and splits the Cluster: it is not offered.");
    plan.lines.emplace_back("lost", fmt::format("writes that {} took and {} had not copied at offset {}",
                                                plan.master_address, replica.address, replica.offset));
    if (replica.link_down_s >= 0)
        plan.lines.emplace_back("link", fmt::format("down since {} s", replica.link_down_s));
    return {};
}

Result<> check_graceful(const ClusterView* master, const ClusterView& replica, FailoverPlan& plan)
{
    if (master == nullptr)
        return fail(
            ErrorKind::refused,
            fmt::format("master {} does not answer, and a graceful failover needs it", plan.master_address),
            fmt::format("See what would be lost: conduitctl redis cluster failover {} --mode force --dry-run",
                        replica.address));
    if (replica.link != "up")
        return fail(ErrorKind::refused,
                    fmt::format("{} has no link to its master {}", replica.address, plan.master_address),
                    "Wait until it has caught up: conduitctl redis cluster status");
    plan.lines.emplace_back(
        "lag", fmt::format("{} bytes, waited for before the change",
                           master->offset > replica.offset ? master->offset - replica.offset : 0));
    return {};
}

} // namespace

Result<> poll_until(const std::function<Result<std::string>()>& missing, const Waiting& waiting,
                    const Cancel& cancel, Deadline deadline)
{
    for (;;) {
        if (cancel.requested())
            return fail(ErrorKind::interrupted, "interrupted");
        auto left = missing();
        if (!left && left.error().kind == ErrorKind::failed)
            return std::move(left).error();
        if (left && left->empty())
            return {};
        const auto text = left ? *left : left.error().message;
        if (deadline.passed())
            return fail(ErrorKind::unverified, text, "Look again: conduitctl redis cluster check");
        if (waiting)
            waiting(text);
        std::this_thread::sleep_for(std::min<Duration>(k_pause, deadline.left()));
    }
}

Result<const ClusterView*> find_view(const std::vector<ClusterView>& views, const std::string& name)
{
    const ClusterView* found = nullptr;
    for (const auto& view : views) {
        if (!is_named(view, name))
            continue;
        if (found != nullptr)
            return fail(ErrorKind::usage, fmt::format("'{}' is the name of several nodes", printable(name)),
                        "Give the address of one: " + nodes_text(views));
        found = &view;
    }
    if (found == nullptr)
        return fail(ErrorKind::not_found, fmt::format("the Cluster has no node '{}'", printable(name)),
                    "Its nodes: " + nodes_text(views));
    return found;
}

std::string address_of(const std::vector<ClusterView>& views, const std::string& id)
{
    if (const auto* view = view_of(views, id))
        return view->address;
    for (const auto& view : views)
        for (const auto& node : view.nodes)
            if (node.id == id && !node.address.empty())
                return node.address;
    return id.substr(0, 8);
}

Result<FailoverPlan> plan_failover(const std::vector<ClusterView>& views, const std::string& node, bool force)
{
    TRY_ASSIGN(const ClusterView* replica, find_view(views, node));
    if (!replica->error.empty())
        return fail(ErrorKind::unreachable,
                    fmt::format("{} does not answer: {}", replica->address, replica->error));
    const auto* self = replica->self();
    if (self->master.empty())
        return fail(ErrorKind::refused,
                    fmt::format("{} is a master: a replica is promoted", replica->address),
                    fmt::format("Name one of its replicas: {}", replicas_of(views, self->id)));
    FailoverPlan plan{.replica = replica->id,
                      .replica_address = replica->address,
                      .master = self->master,
                      .master_address = address_of(views, self->master),
                      .force = force};
    const auto* master = view_of(views, plan.master);
    if (!force) {
        TRY(check_graceful(master, *replica, plan));
        return plan;
    }
    if (master != nullptr)
        return fail(ErrorKind::refused,
                    fmt::format("master {} answers: by force, its newest writes would be lost for nothing",
                                plan.master_address),
                    fmt::format("Do it gracefully: conduitctl redis cluster failover {}", replica->address));
    TRY(check_force(views, *replica, plan));
    return plan;
}

Result<> start_failover(RedisServers& servers, const FailoverPlan& plan, const std::function<void()>& sent,
                        Deadline deadline)
{
    TRY_ASSIGN(const auto server, servers.open_at(plan.replica_address, deadline));
    TRY_ASSIGN(const auto view, read_view(*server, plan.replica_address, deadline));
    if (view.id != plan.replica || view.self()->master != plan.master)
        return fail(ErrorKind::stale,
                    fmt::format("{} is no replica of {} any more", plan.replica_address, plan.master_address),
                    "Look again: conduitctl redis cluster status");
    auto reply = plan.force ? server->call({"CLUSTER", "FAILOVER", "FORCE"}, deadline)
                            : server->call({"CLUSTER", "FAILOVER"}, deadline);
    if (sent)
        sent();
    if (!reply)
        return fail(ErrorKind::unknown, reply.error().message);
    if (reply->is_error())
        return fail(ErrorKind::refused, fmt::format("{} does not take over: {}", plan.replica_address,
                                                    printable(reply->text.substr(0, 200))));
    return {};
}

Result<> wait_failover(RedisServers& servers, const FailoverPlan& plan, const Waiting& waiting,
                       const Cancel& cancel, Deadline deadline)
{
    return poll_until(
        [&]() -> Result<std::string> {
            TRY_ASSIGN(const auto views, read_views(servers, deadline));
            for (const auto& view : views) {
                if (!view.error.empty())
                    continue;
                const auto* seen = view.find(plan.replica);
                if (seen == nullptr || !seen->is_master() || seen->slots.empty())
                    return fmt::format("{} does not see {} as master yet", view.address,
                                       plan.replica_address);
                if (const auto* old = view.find(plan.master); old != nullptr && !old->slots.empty())
                    return fmt::format("{} still sees slots at {}", view.address, plan.master_address);
                if (view.id == plan.master && (view.role != "slave" || view.link != "up"))
                    return fmt::format("{} does not follow {} yet", view.address, plan.replica_address);
            }
            const auto verdict = judge(views);
            if (verdict.state == "split" || verdict.covered != k_slots)
                return verdict.findings.front().what;
            return std::string();
        },
        waiting, cancel, deadline);
}

} // namespace conduit::redis
