// SPDX-License-Identifier: Apache-2.0
// `redis save`, `redis failover`, `redis config set`.
#include "cli/commands/redis.hpp"
#include "cli/commands/support.hpp"
#include "cli/redis/settings.hpp"
#include "cli/targets/redis.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

constexpr Duration k_limit{30'000};
constexpr Duration k_save_limit{600'000};

struct ChangeOnly {
    ops::ChangeOptions change;
};

Result<Report> save(App& app, const ChangeOnly& o)
{
    TRY(app.redis());
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(auto* target, redis_target(*operations));
    auto options = o.change;
    if (!app.global().timeout)
        options.timeout = k_save_limit;
    return operations->change(ops::save_intent(*target), options);
}

Result<Report> failover(App& app, const ChangeOnly& o)
{
    TRY_ASSIGN(RedisServers * servers, app.redis());
    TRY_ASSIGN(const auto views, redis::read_sentinels(*servers, app.deadline(k_limit)));
    TRY_ASSIGN(const auto plan, redis::plan_sentinel_failover(views, servers->master()));
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(auto* target, redis_target(*operations));
    return operations->change(ops::sentinel_intent(*target, plan), o.change);
}

struct SetOptions {
    std::string name, value;
    ops::ChangeOptions change;
};

// As the server itself writes it, so that the value can be compared afterwards.
Result<std::string> canonical(const std::string& name, const std::string& value)
{
    if (name != "maxmemory")
        return value;
    TRY_ASSIGN(const auto bytes, parse_bytes(value));
    return std::to_string(bytes);
}

Result<> check_policy(RedisServers& servers, const SetOptions& o, Deadline deadline)
{
    if (o.name != "maxmemory-policy" || !o.value.starts_with("allkeys-") || o.change.force)
        return {};
    TRY_ASSIGN(const auto masters, redis::reach_masters(servers, deadline));
    for (const auto& server : masters.servers) {
        TRY_ASSIGN(const auto sample, redis::sample_memory(*server, 2'000, 0, deadline));
        if (!sample.queues.empty())
            return fail(
                ErrorKind::refused,
                fmt::format("{} would evict queues that live on {}, such as {}", o.value, server->name(),
                            printable(sample.queues.front())),
                "Use noeviction or a volatile- policy, or a Redis of its own for the cache; --force and "
                "--reason set it all the same.");
    }
    return {};
}

Result<Report> config_set(App& app, const SetOptions& o)
{
    if (redis::is_secret_setting(o.name))
        return fail(ErrorKind::usage,
                    fmt::format("{} is a secret: it would stand in the list of processes", o.name),
                    "Change it in the server's own configuration, or with ACL SETUSER from redis-cli.");
    TRY_ASSIGN(RedisServers * servers, app.redis());
    TRY_ASSIGN(const auto value, canonical(o.name, o.value));
    TRY(check_policy(*servers, o, app.deadline(k_limit)));
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(auto* target, redis_target(*operations));
    return operations->change(ops::setting_intent(*target, o.name, value), o.change);
}

} // namespace

std::vector<Verb> redis_change_verbs()
{
    std::vector<Verb> verbs;
    verbs.push_back(verb<ChangeOnly>(
        {.name = "save",
         .summary = "Write the data of every master to its disk",
         .effect = Effect::change,
         .tier = Tier::mild,
         .undo = Undo::none,
         .text = "Done when the time of the last save is later than before and its status is ok; that it has "
                 "begun "
                 "is not enough. The file stays on the server's disk: that is no backup.",
         .examples = {"conduitctl redis save"},
         .omitted = {{ErrorKind::stale, "nothing that was there counts"}},
         .backends = {"redis"},
         .steps = false},
        [](Flags& f, ChangeOnly& o) { change_flags(f, o.change); }, save));
    verbs.push_back(verb<ChangeOnly>(
        {.name = "failover",
         .summary = "Let the sentinels make another server the master",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::none,
         .text =
             "The plan shows the master, its replicas and how far they are. Refused when the sentinels "
             "disagree, "
             "have no majority or know no replica that could be promoted. Done when all of them name the new "
             "master, it says so itself, and the old one follows it.",
         .examples = {"conduitctl redis failover --yes"},
         .backends = {"redis"},
         .steps = false},
        [](Flags& f, ChangeOnly& o) { change_flags(f, o.change); }, failover));
    verbs.push_back(verb<SetOptions>(
        {.name = "config set",
         .summary = "Change a setting of every server until it restarts",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::exact,
         .text =
             "All servers or none; undo sets the value before. A policy that evicts any key is refused where "
             "queues live. Secrets are not taken, since a command line is no place for them.",
         .examples = {"conduitctl redis config set maxmemory 2Gi --yes",
                      "conduitctl redis config set maxmemory-policy noeviction --yes"},
         .omitted = {{ErrorKind::rolled_back, "it is one step: all servers or none"}},
         .covers = {"B-tune-redis-1", "B-tune-redis-2", "B-tune-redis-3", "B-tune-redis-4"},
         .backends = {"redis"}},
        [](Flags& f, SetOptions& o) {
            f.arg("NAME", o.name, "As CONFIG GET has it");
            f.arg("VALUE", o.value, "What it shall be");
            change_flags(f, o.change);
        },
        config_set));
    return verbs;
}

} // namespace conduit::commands
