// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/support.hpp"
#include "cli/targets/control_target.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

Result<Report> stats(App& app)
{
    TRY_ASSIGN(const auto all, get_all(app, "/admin/v1/pool"));
    Json rows = Json::array();
    for (const auto& [replica, body] : all.bodies)
        for (const auto& item : (*body)["items"]) {
            Json row = item;
            row["replica"] = replica;
            rows.push_back(std::move(row));
        }
    using enum Column::Format;
    const auto right = Column::Align::right;
    auto report = list_report(
        rows,
        {{.head = "REPLICA", .field = "replica"},
         {.head = "PROVIDER", .field = "provider"},
         {.head = "IN-USE", .field = "in_use", .format = integer, .align = right},
         {.head = "IDLE", .field = "idle", .format = integer, .align = right},
         {.head = "LIMIT", .field = "limit", .format = integer, .align = right},
         {.head = "USE", .field = "usage", .format = percent, .align = right, .decimals = 0},
         {.head = "WAITING", .field = "waiting", .format = integer, .align = right},
         {.head = "DRAINING", .field = "draining", .format = integer, .align = right, .wide_only = true},
         {.head = "CREATED", .field = "created", .format = integer, .align = right},
         {.head = "REUSED", .field = "reused", .format = integer, .align = right},
         {.head = "FAILED", .field = "failed", .format = integer, .align = right}});
    report.name_field = "provider";
    for (const auto& [replica, error] : all.failed)
        report.notes.push_back(fmt::format("{}: {}", replica, error.message));
    report.verdict = all.failed.empty() ? ErrorKind::ok : ErrorKind::unknown;
    return report;
}

struct ResetOptions {
    std::optional<Duration> drain;
    ops::ChangeOptions change;
};

Result<Report> reset(App& app, const ResetOptions& o)
{
    TRY_ASSIGN(const auto values, read_paths(app, {"pool/reset_epoch"}));
    const auto& now = *values.at("pool/reset_epoch").effective;
    ControlChange change;
    change.verb = "pool reset";
    change.scope = "pool";
    change.resource = "pool";
    change.summary = "replace every connection to the providers";
    change.tier = ops::Tier::mild;
    change.fields = {{"pool/reset_epoch", Json((now.is_number() ? now.get<std::int64_t>() : 0) + 1)},
                     {"pool/realtime_drain", drain_json(o.drain)}};
    change.shown = "idle connections close now, busy ones after their request";
    if (o.drain)
        change.lines = {{"drain", fmt::format("realtime sessions have {}, then they are closed (1001)",
                                              human_duration(*o.drain))}};
    change.verify = "no older connection is left in any replica";
    change.undo = "none: connections are opened anew as they are needed";
    change.reversible = false;
    change.watch = "conduitctl pool stats";
    return change_control(app, std::move(change), waiting_for(o.change, o.drain));
}

struct SetOptions {
    std::string provider;
    std::optional<std::int64_t> max_per_provider;
    std::optional<Duration> connect_timeout;
    std::optional<Duration> max_idle;
    ops::ChangeOptions change;
};

Result<Report> set(App& app, const SetOptions& o)
{
    ControlChange change;
    if (o.max_per_provider) {
        TRY_ASSIGN(auto names, provider_names(app));
        if (!o.provider.empty()) {
            TRY(provider_item(app, o.provider));
            names = {o.provider};
        }
        for (const auto& name : names)
            change.fields.emplace_back(provider_path(name, "max_connections"), Json(*o.max_per_provider));
    }
    if (o.connect_timeout)
        change.fields.emplace_back("pool/connect_timeout", Json(format_duration(*o.connect_timeout)));
    if (o.max_idle)
        change.fields.emplace_back("pool/max_idle", Json(format_duration(*o.max_idle)));
    if (change.fields.empty())
        return fail(ErrorKind::usage, "nothing to set is given",
                    "Give a setting: conduitctl pool set --max-per-provider 200");
    change.verb = "pool set";
    change.scope = "pool";
    change.resource = "pool";
    change.summary = "settings of the connection pool";
    change.tier = ops::Tier::mild;
    change.watch = "conduitctl pool stats";
    return change_control(app, std::move(change), o.change);
}

struct ConnectionsOptions {
    std::int64_t limit = 200;
};

Result<Report> connections(App& app, const ConnectionsOptions& o)
{
    TRY_ASSIGN(const auto all, get_all(app, "/admin/v1/connections", {{"limit", std::to_string(o.limit)}}));
    Json rows = Json::array();
    for (const auto& [replica, body] : all.bodies)
        for (const auto& item : (*body)["items"]) {
            Json row = item;
            row["replica"] = replica;
            rows.push_back(std::move(row));
        }
    using enum Column::Format;
    const auto right = Column::Align::right;
    auto report =
        list_report(rows, {{.head = "REPLICA", .field = "replica"},
                           {.head = "SIDE", .field = "side"},
                           {.head = "PEER", .field = "peer"},
                           {.head = "STATE", .field = "state"},
                           {.head = "REQUESTS", .field = "requests", .format = integer, .align = right},
                           {.head = "IN", .field = "bytes_in", .format = bytes, .align = right},
                           {.head = "OUT", .field = "bytes_out", .format = bytes, .align = right},
                           {.head = "AGE", .field = "age_ms", .format = milliseconds, .align = right}});
    report.name_field = "peer";
    report.verdict = all.failed.empty() ? ErrorKind::ok : ErrorKind::unknown;
    return report;
}

} // namespace

Noun pool()
{
    return {
        .name = "pool",
        .summary = "Connections from the agents to the providers",
        .group = Group::data_path,
        .verbs = {
            verb({.name = "stats",
                  .summary = "Show the connection pool of every replica",
                  .examples = {"conduitctl pool stats"},
                  .covers = {"A-overview-3", "A-pool-stats-1", "A-ts-lat-4"},
                  .backends = {"agent"}},
                 stats),
            verb<ResetOptions>(
                {.name = "reset",
                 .summary = "Replace connections gracefully, cutting none",
                 .effect = Effect::change,
                 .tier = Tier::mild,
                 .undo = Undo::none,
                 .text =
                     "Idle connections close at once, busy ones after their request; realtime sessions "
                     "keep theirs until they end, and are not waited for. With --drain they are, and those "
                     "left after the time are closed with 1001 (going away).",
                 .examples = {"conduitctl pool reset", "conduitctl pool reset --drain=1m"},
                 .omitted = {{ErrorKind::rolled_back, "it cannot be taken back: 10"}},
                 .covers = {"A-pool-reset-1"},
                 .backends = {"agent"}},
                [](Flags& f, ResetOptions& o) {
                    drain_flag(f, o.drain, "Wait for realtime sessions too, and end those left after");
                    change_flags(f, o.change);
                },
                reset),
            verb<SetOptions>(
                {.name = "set",
                 .summary = "Change the pool's limits and timeouts",
                 .effect = Effect::change,
                 .tier = Tier::mild,
                 .undo = Undo::exact,
                 .examples = {"conduitctl pool set --max-per-provider 200",
                              "conduitctl pool set --connect-timeout 10s --max-idle 15m"},
                 .covers = {"A-tune-pool-1", "A-tune-pool-2", "A-tune-pool-3", "A-ts-lat-7"},
                 .backends = {"agent"}},
                [](Flags& f, SetOptions& o) {
                    f.opt("--provider", o.provider, "Only this one").value("PROVIDER").complete(k_providers);
                    f.opt("--max-per-provider", o.max_per_provider,
                          "Most connections to one provider, in each replica")
                        .between(1, 100'000);
                    f.opt("--connect-timeout", o.connect_timeout, "Longest wait for a new connection");
                    f.opt("--max-idle", o.max_idle, "An idle connection is closed after this");
                    change_flags(f, o.change);
                },
                set),
            verb<ConnectionsOptions>(
                {.name = "connections",
                 .summary = "List open connections of every replica",
                 .examples = {"conduitctl pool connections -o wide"},
                 .covers = {"A-ts-mem-6"},
                 .backends = {"agent"}},
                [](Flags& f, ConnectionsOptions& o) {
                    f.opt("--limit", o.limit, "At most so many of each replica").between(1, 10'000);
                },
                connections),
        }};
}

} // namespace conduit::commands
