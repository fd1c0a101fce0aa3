// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/support.hpp"
#include "core/prometheus_text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct MetricsOptions {
    std::string match;
    Duration interval{5000};
};

// Counters are summed over the replicas; everything else is shown by replica, since a sum of gauges may mean
// nothing.
Result<Json> read_series(App& app, const std::string& match)
{
    TRY_ASSIGN(const auto all, get_all(app, "/metrics"));
    if (!all.failed.empty())
        return Error(all.failed.front().second).prefixed(all.failed.front().first);
    std::map<std::string, double> sums;
    std::map<std::string, std::pair<std::string, double>> singles;
    std::vector<std::pair<std::string, bool>> order;
    for (const auto& [replica, body] : all.bodies) {
        TRY_ASSIGN(const auto samples, parse_prometheus_text(json_string_or(*body, "text", "")));
        for (const auto& sample : samples) {
            if (!sample.name.contains(match))
                continue;
            const auto series = sample.series();
            if (sample.counter) {
                if (!sums.contains(series))
                    order.emplace_back(series, true);
                sums[series] += sample.value;
            } else {
                const auto key = series + " " + replica;
                singles[key] = {replica, sample.value};
                order.emplace_back(key, false);
            }
        }
    }
    Json items = Json::array();
    for (const auto& [key, counter] : order)
        if (counter)
            items.push_back({{"name", key}, {"replica", "all"}, {"value", sums.at(key)}});
        else
            items.push_back({{"name", key.substr(0, key.rfind(' '))},
                             {"replica", singles.at(key).first},
                             {"value", singles.at(key).second}});
    return items;
}

Report metrics_report(Json items)
{
    return list_report(std::move(items),
                       {{.head = "SERIES", .field = "name"},
                        {.head = "REPLICA", .field = "replica"},
                        {.head = "VALUE", .field = "value", .align = Column::Align::right}});
}

Result<Report> get_metrics(App& app, const MetricsOptions& o)
{
    TRY_ASSIGN(auto items, read_series(app, o.match));
    if (items.empty())
        return fail(ErrorKind::unknown, fmt::format("no series has '{}' in its name", o.match),
                    "List all of them: conduitctl metrics get");
    return metrics_report(std::move(items));
}

Result<Report> watch(App& app, const MetricsOptions& o)
{
    for (;;) {
        TRY_ASSIGN(auto items, read_series(app, o.match));
        auto report = metrics_report(std::move(items));
        if (app.cancel().requested())
            return report;
        TRY(app.emit(report));
        app.clock().sleep(o.interval);
    }
}

} // namespace

Noun metrics()
{
    return {
        .name = "metrics",
        .summary = "What the agents count and measure",
        .group = Group::seeing,
        .verbs = {
            verb<MetricsOptions>(
                {.name = "get",
                 .summary = "Read metrics of every replica, counters summed",
                 .examples = {"conduitctl metrics get audio_cache_hit_rate"},
                 .covers = {"A-ts-mem-1", "E-roll-ver-3"},
                 .backends = {"agent"}},
                [](Flags& f, MetricsOptions& o) { f.arg("MATCH", o.match, "Part of the name").optional(); },
                get_metrics),
            verb<MetricsOptions>(
                {.name = "watch",
                 .summary = "Read them again and again until interrupted",
                 .examples = {"conduitctl metrics watch audio_operations --interval 5s"},
                 .covers = {"A-em-prov-3"},
                 .backends = {"agent"},
                 .streaming = true},
                [](Flags& f, MetricsOptions& o) {
                    f.arg("MATCH", o.match, "Part of the name").optional();
                    f.opt("--interval", o.interval, "Time between two looks");
                },
                watch),
        }};
}

} // namespace conduit::commands
