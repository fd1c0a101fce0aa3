// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/instances.hpp"
#include "cli/commands/port_call.hpp"
#include "cli/commands/support.hpp"
#include "core/prometheus_text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct MetricsOptions {
    std::string match;
    Duration interval{5000};
    std::string instance;
    int port = 0;
    std::string path = "/metrics";
    std::optional<Duration> between;
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

using Samples = std::map<std::string, double>;

// Of one instance, whoever made it, through its port: the image needs no curl.
Result<Samples> scrape(App& app, const MetricsOptions& o, const StreamPlace& place)
{
    TRY_ASSIGN(InstanceStreams * streams, app.streams());
    TRY_ASSIGN(const auto text,
               get_over_port(
                   *streams,
                   {.instance = place.instance, .port = static_cast<std::uint16_t>(o.port), .path = o.path},
                   app.cancel(), app.deadline(k_read_timeout)));
    TRY_ASSIGN(const auto samples, parse_prometheus_text(text));
    Samples out;
    for (const auto& sample : samples)
        if (sample.name.contains(o.match))
            out[sample.series()] = sample.value;
    if (out.empty())
        return fail(ErrorKind::unknown,
                    fmt::format("{} has no series with '{}' in its name", place.instance, o.match),
                    fmt::format("List all of them: conduitctl metrics get --instance {} --port {}",
                                place.instance, o.port));
    return out;
}

Result<Report> instance_metrics(App& app, const MetricsOptions& o)
{
    if (o.port == 0)
        return fail(ErrorKind::usage, "--instance needs the port that its metrics are at",
                    "Add: --port 8080");
    TRY_ASSIGN(InstanceStreams * streams, app.streams());
    TRY_ASSIGN(const auto place, streams->place(o.instance, "", app.deadline(k_read_timeout)));
    TRY_ASSIGN(const auto first, scrape(app, o, place));
    std::optional<Samples> second;
    if (o.between) {
        for (const Deadline until(*o.between); !until.passed() && !app.cancel().requested();)
            app.clock().sleep(std::min(Duration{100}, until.left()));
        TRY_ASSIGN(second, scrape(app, o, place));
    }
    Json items = Json::array();
    for (const auto& [series, value] : second ? *second : first) {
        Json item{{"name", series}, {"replica", place.instance}, {"value", value}};
        if (second) {
            const auto before = first.find(series);
            item["change"] = before == first.end() ? Json() : Json(value - before->second);
        }
        items.push_back(std::move(item));
    }
    auto report = metrics_report(std::move(items));
    if (second)
        report.columns.push_back({.head = "CHANGE", .field = "change", .align = Column::Align::right});
    return report;
}

Result<Report> get_metrics(App& app, const MetricsOptions& o)
{
    if (!o.instance.empty())
        return instance_metrics(app, o);
    if (o.port != 0 || o.between)
        return fail(ErrorKind::usage, "--port and --between belong to --instance",
                    "Name the instance: --instance NAME");
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
                 .text = "With --instance those of that one, whatever it runs, through its port: nothing is "
                         "needed in its image.",
                 .examples = {"conduitctl metrics get audio_cache_hit_rate",
                              "conduitctl metrics get dotnet_gc --instance conduit-api --port 8080 --between "
                              "30s"},
                 .covers = {"A-ts-mem-1", "E-mem-leak-1", "E-roll-ver-3"},
                 .backends = {"agent", "orchestrator"}},
                [](Flags& f, MetricsOptions& o) {
                    f.arg("MATCH", o.match, "Part of the name").optional();
                    f.opt("--instance", o.instance, "Of this one, or of one of a workload")
                        .value("NAME")
                        .complete(instance_completer());
                    f.opt("--port", o.port, "With --instance: where its metrics are").between(1, 65535);
                    f.opt("--path", o.path, "With --instance: their path").value("PATH");
                    f.opt("--between", o.between, "With --instance: look twice and show what changed");
                },
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
