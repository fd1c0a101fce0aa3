// SPDX-License-Identifier: Apache-2.0
#include "cli/redis/sentinel.hpp"

#include "cli/redis/info.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <set>

namespace conduit::redis {
namespace {

constexpr Duration k_patience{3'000};

using Fields = std::map<std::string, std::string>;

Result<Fields> fields_of(const Reply& reply, const std::string& what)
{
    if (!reply.is_array() || reply.items.size() % 2 != 0)
        return fail(ErrorKind::unknown, fmt::format("{} is no list of fields", what));
    Fields out;
    for (std::size_t i = 0; i + 1 < reply.items.size(); i += 2)
        out[reply.items[i].text] = reply.items[i + 1].text;
    return out;
}

std::int64_t number_of(const Fields& fields, const std::string& name)
{
    std::int64_t value = 0;
    if (const auto found = fields.find(name); found != fields.end())
        std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
    return value;
}

std::string text_of(const Fields& fields, const std::string& name)
{
    const auto found = fields.find(name);
    return found == fields.end() ? "" : found->second;
}

std::string address_of(const Fields& fields)
{
    const auto host = text_of(fields, "ip");
    return fmt::format("{}:{}", host.contains(':') ? "[" + host + "]" : host, text_of(fields, "port"));
}

Result<SentinelView> read_sentinel(RedisServers& servers, const std::string& address, Deadline deadline)
{
    SentinelView view{.sentinel = address};
    const auto name = servers.master();
    TRY_ASSIGN(const auto server, servers.open_sentinel(address, deadline));
    TRY_ASSIGN(const auto master, server->ask({"SENTINEL", "MASTER", name}, deadline));
    TRY_ASSIGN(const auto fields, fields_of(master, "SENTINEL MASTER"));
    view.master = address_of(fields);
    view.flags = text_of(fields, "flags");
    view.quorum = number_of(fields, "quorum");
    view.others = number_of(fields, "num-other-sentinels");
    TRY_ASSIGN(const auto check, server->call({"SENTINEL", "CKQUORUM", name}, deadline));
    if (check.is_error())
        view.quorum_problem = printable(check.text.substr(0, 200));
    TRY_ASSIGN(const auto replicas, server->ask({"SENTINEL", "REPLICAS", name}, deadline));
    for (const auto& one : replicas.items) {
        TRY_ASSIGN(const auto replica, fields_of(one, "SENTINEL REPLICAS"));
        view.replicas.push_back(
            {address_of(replica), text_of(replica, "flags"), text_of(replica, "master-link-status"),
             number_of(replica, "slave-repl-offset"), number_of(replica, "slave-priority")});
    }
    return view;
}

} // namespace

Result<std::vector<SentinelView>> read_sentinels(RedisServers& servers, Deadline deadline)
{
    if (servers.sentinels().empty())
        return fail(ErrorKind::refused, "this Redis has no sentinels that the context names",
                    "Name them: conduitctl context set redis.sentinels '[HOST:26379]'. In a Cluster: "
                    "conduitctl redis "
                    "cluster failover NODE");
    std::vector<SentinelView> views;
    Error last;
    for (const auto& address : servers.sentinels()) {
        auto view = read_sentinel(servers, address, deadline.sooner(k_patience));
        if (!view && (view.error().kind == ErrorKind::interrupted || view.error().kind == ErrorKind::auth))
            return std::move(view).error();
        if (!view)
            last = view.error();
        views.push_back(view ? *std::move(view)
                             : SentinelView{.sentinel = address, .error = view.error().message});
    }
    if (std::ranges::all_of(views, [](const SentinelView& v) { return !v.error.empty(); }))
        return last;
    return views;
}

Result<SentinelPlan> plan_sentinel_failover(const std::vector<SentinelView>& views, const std::string& name)
{
    SentinelPlan plan{.name = name};
    const SentinelView* asked = nullptr;
    std::set<std::string> masters;
    for (const auto& view : views) {
        if (!view.error.empty()) {
            plan.lines.emplace_back("silent", fmt::format("sentinel {}: {}", view.sentinel, view.error));
            continue;
        }
        masters.insert(view.master);
        if (asked == nullptr)
            asked = &view;
    }
    if (asked == nullptr)
        return fail(ErrorKind::unreachable, "no sentinel answers");
    if (masters.size() > 1)
        return fail(ErrorKind::refused,
                    fmt::format("the sentinels name different masters: {}",
                                join(std::vector<std::string>(masters.begin(), masters.end()), ", ")),
                    "Wait until a failover that runs has ended, and look again.");
    if (!asked->quorum_problem.empty())
        return fail(ErrorKind::refused, fmt::format("the sentinels cannot decide: {}", asked->quorum_problem),
                    "Bring more of them back first.");
    plan.sentinel = asked->sentinel;
    plan.old_master = asked->master;
    plan.lines.emplace_back("master", fmt::format("{} ({})", asked->master, asked->flags));
    bool usable = false;
    for (const auto& replica : asked->replicas) {
        usable = usable || replica.usable();
        plan.lines.emplace_back("replica", fmt::format("{} ({}, link {}, offset {})", replica.address,
                                                       replica.flags, replica.link, replica.offset));
    }
    if (!usable)
        return fail(ErrorKind::refused, fmt::format("no replica of {} could be promoted", asked->master),
                    "Start a replica, and wait until it has copied the data.");
    return plan;
}

Result<> start_sentinel_failover(RedisServers& servers, const SentinelPlan& plan,
                                 const std::function<void()>& sent, Deadline deadline)
{
    TRY_ASSIGN(const auto server, servers.open_sentinel(plan.sentinel, deadline));
    TRY_ASSIGN(const auto now, server->ask({"SENTINEL", "MASTER", plan.name}, deadline));
    TRY_ASSIGN(const auto fields, fields_of(now, "SENTINEL MASTER"));
    if (address_of(fields) != plan.old_master)
        return fail(ErrorKind::stale,
                    fmt::format("{} is not the master any more, {} is", plan.old_master, address_of(fields)),
                    "Look again, and decide anew.");
    auto reply = server->call({"SENTINEL", "FAILOVER", plan.name}, deadline);
    if (sent)
        sent();
    if (!reply)
        return fail(ErrorKind::unknown, reply.error().message);
    if (reply->is_error())
        return fail(ErrorKind::refused, fmt::format("sentinel {} does not do it: {}", plan.sentinel,
                                                    printable(reply->text.substr(0, 200))));
    return {};
}

Result<> wait_sentinel_failover(RedisServers& servers, const SentinelPlan& plan, const Waiting& waiting,
                                const Cancel& cancel, Deadline deadline)
{
    return poll_until(
        [&]() -> Result<std::string> {
            TRY_ASSIGN(const auto views, read_sentinels(servers, deadline));
            std::set<std::string> masters;
            for (const auto& view : views)
                if (view.error.empty())
                    masters.insert(view.master);
            if (masters.size() != 1 || masters.contains(plan.old_master))
                return std::string("the sentinels do not all name a new master yet");
            const auto& address = *masters.begin();
            TRY_ASSIGN(const auto server, servers.open_at(address, deadline.sooner(k_patience)));
            TRY_ASSIGN(const auto info, read_info(*server, "replication", deadline));
            if (!is_master(info))
                return fmt::format("{} is not master yet", address);
            auto old = servers.open_at(plan.old_master, deadline.sooner(k_patience));
            if (!old)
                return std::string(); // it is away: the sentinels turn it when it is back
            TRY_ASSIGN(const auto state, read_info(**old, "replication", deadline));
            if (is_master(state))
                return fmt::format("{} still believes to be master", plan.old_master);
            return state.text_or("master_link_status", "") == "up"
                       ? std::string()
                       : fmt::format("{} copies the data of {}", plan.old_master, address);
        },
        waiting, cancel, deadline);
}

} // namespace conduit::redis
