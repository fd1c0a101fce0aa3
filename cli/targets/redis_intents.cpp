// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/redis.hpp"
#include "cli/targets/redis_steps.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

Intent irreversible(RedisTarget& target, Step step, std::string verb, std::string summary, Tier tier)
{
    step.reversible = false;
    Intent intent;
    intent.target = &target;
    intent.verb = std::move(verb);
    intent.scope = "redis";
    intent.summary = std::move(summary);
    intent.tier = tier;
    intent.undo = UndoKind::none;
    intent.rollback = false;
    intent.steps.push_back(std::move(step));
    return intent;
}

} // namespace

Intent clear_intent(RedisTarget& target, const ClearIntent& clear)
{
    const auto& request = clear.request;
    Step step;
    step.resource = fmt::format("redis/db{}", clear.database);
    step.action = clear.all ? k_flush : k_clear;
    step.arguments = Json{{"database", clear.database},
                          {"prefix", request.prefix},
                          {"pattern", request.pattern},
                          {"per_second", request.per_second}};
    step.verify = "a second look at every master finds none";
    step.undo = "none: what made the keys makes them again";
    const auto what = clear.all ? fmt::format("every key of database {}", clear.database)
                      : request.pattern.empty()
                          ? fmt::format("every key that begins with {}", printable(request.prefix))
                          : fmt::format("every key that matches {}", printable(request.pattern));
    step.summary = fmt::format("about {} keys → gone", clear.about);
    auto intent = irreversible(target, std::move(step), "cache clear", "drop " + what, Tier::severe);
    intent.confirm_name = clear.all                 ? fmt::format("db{}", clear.database)
                          : request.pattern.empty() ? request.prefix
                                                    : request.pattern;
    intent.watch = "conduitctl redis info";
    return intent;
}

Intent save_intent(RedisTarget& target)
{
    Step step;
    step.resource = "redis/data";
    step.action = k_save;
    step.arguments = Json::object();
    step.summary = "written to the servers' disks";
    step.verify = "the time of the last save is later than before, and it is ok";
    step.undo = "none: a save replaces the one before";
    auto intent =
        irreversible(target, std::move(step), "redis save", "save the data of every master", Tier::mild);
    intent.watch = "conduitctl redis info persistence";
    return intent;
}

Intent failover_intent(RedisTarget& target, const redis::FailoverPlan& plan)
{
    Step step;
    step.resource = "redis/cluster/" + plan.replica_address;
    step.action = k_failover;
    step.arguments = Json{{"replica", plan.replica},
                          {"replica_address", plan.replica_address},
                          {"master", plan.master},
                          {"master_address", plan.master_address},
                          {"force", plan.force}};
    step.summary = fmt::format("master {} → {}", plan.master_address, plan.replica_address);
    step.verify = "every node sees the new master with all its slots";
    step.undo = fmt::format("fail over to {} when it follows", plan.master_address);
    auto intent = irreversible(
        target, std::move(step), "redis cluster failover",
        fmt::format("make {} the master instead of {}", plan.replica_address, plan.master_address),
        plan.force ? Tier::severe : Tier::moderate);
    intent.confirm_name = plan.replica_address;
    intent.lines = plan.lines;
    intent.watch = "conduitctl redis cluster status";
    return intent;
}

Intent sentinel_intent(RedisTarget& target, const redis::SentinelPlan& plan)
{
    Step step;
    step.resource = "redis/master/" + plan.name;
    step.action = k_sentinel;
    step.arguments = Json{{"name", plan.name}, {"sentinel", plan.sentinel}, {"old_master", plan.old_master}};
    step.summary = fmt::format("{} → a replica that the sentinels choose", plan.old_master);
    step.verify = "all sentinels name a new master, and it says so itself";
    step.undo = "fail over once more";
    auto intent =
        irreversible(target, std::move(step), "redis failover",
                     fmt::format("fail {} over from {}", plan.name, plan.old_master), Tier::moderate);
    intent.lines = plan.lines;
    intent.watch = "conduitctl redis ping";
    return intent;
}

Intent rejoin_intent(RedisTarget& target, const redis::RejoinPlan& plan)
{
    Json meet = Json::array();
    for (const auto& [address, bus] : plan.meet)
        meet.push_back({{"address", address}, {"bus", bus}});
    Step step;
    step.resource = "redis/cluster/" + plan.address;
    step.action = k_rejoin;
    step.arguments = Json{{"node", plan.node},     {"address", plan.address},
                          {"master", plan.master}, {"master_address", plan.master_address},
                          {"others", plan.others}, {"meet", std::move(meet)},
                          {"forget", plan.forget}, {"nodes_before", plan.nodes_before}};
    step.summary = fmt::format("reset → replica of {}", plan.master_address);
    step.verify = "every node knows it as a replica, and it has the data";
    step.undo = "none: it was empty or a copy";
    auto intent = irreversible(
        target, std::move(step), "redis cluster rejoin",
        fmt::format("take {} back as a replica of {}", plan.address, plan.master_address), Tier::severe);
    intent.confirm_name = plan.address;
    intent.lines = plan.lines;
    intent.watch = "conduitctl redis cluster check";
    return intent;
}

Intent setting_intent(RedisTarget& target, const std::string& name, const std::string& value)
{
    Step step;
    step.resource = "redis/config/" + name;
    step.fields.push_back({.path = "config/" + name, .after = Json(value)});
    step.verify = "every server says so";
    step.undo = "the value before is set again";
    Intent intent;
    intent.target = &target;
    intent.verb = "redis config set";
    intent.scope = "redis";
    intent.summary = fmt::format("set {} of Redis", name);
    intent.tier = Tier::moderate;
    intent.steps.push_back(std::move(step));
    intent.lines = {{"lasts", "until the server restarts; its own configuration is not written"}};
    intent.watch = "conduitctl redis config get " + name;
    return intent;
}

} // namespace conduit::ops
