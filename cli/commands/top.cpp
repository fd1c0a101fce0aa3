// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/instances.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct TopOptions {
    std::string workload;
    Duration between{500};
    bool containers = false;
    std::optional<Duration> over;
};

void top_flags(Flags& flags, TopOptions& o)
{
    flags.arg("WORKLOAD", o.workload, "Only this workload's").optional().complete(workload_completer());
    flags.opt("--between", o.between, "Time between the two samples of the processor time");
    flags.flag("--containers", o.containers, "A line for each container, beside what it may have");
    flags.opt("--over", o.over, "Look again after this long, and show how memory grew");
}

Json or_null(const auto& value)
{
    return value ? Json(*value) : Json();
}

// Of a limit; null where there is none.
Json share_of(std::uint64_t used, const std::optional<std::uint64_t>& limit)
{
    return limit && *limit > 0 ? Json(static_cast<double>(used) / static_cast<double>(*limit)) : Json();
}

Json container_item(const Usage& usage, const ContainerUsage& one)
{
    return Json{{"name", usage.instance},
                {"workload", usage.workload},
                {"container", one.container},
                {"cpu", one.cpu_cores},
                {"memory_bytes", one.memory_bytes},
                {"cpu_request", or_null(one.cpu_request)},
                {"cpu_limit", or_null(one.cpu_limit)},
                {"memory_request_bytes", or_null(one.memory_request)},
                {"memory_limit_bytes", or_null(one.memory_limit)},
                {"memory_share", share_of(one.memory_bytes, one.memory_limit)}};
}

// An instance's limit is the sum of its containers', where each has one.
std::optional<std::uint64_t> limit_of(const Usage& usage)
{
    std::uint64_t sum = 0;
    for (const auto& one : usage.containers) {
        if (!one.memory_limit)
            return std::nullopt;
        sum += *one.memory_limit;
    }
    return usage.containers.empty() ? std::nullopt : std::optional(sum);
}

Json items_of(const std::vector<Usage>& usages, bool containers)
{
    Json items = Json::array();
    for (const auto& usage : usages) {
        if (!containers) {
            const auto limit = limit_of(usage);
            items.push_back(Json{{"name", usage.instance},
                                 {"workload", usage.workload},
                                 {"cpu", usage.cpu_cores},
                                 {"memory_bytes", usage.memory_bytes},
                                 {"memory_limit_bytes", or_null(limit)},
                                 {"memory_share", share_of(usage.memory_bytes, limit)},
                                 {"threads", usage.threads},
                                 {"open_files", usage.open_files}});
            continue;
        }
        for (const auto& one : usage.containers)
            items.push_back(container_item(usage, one));
    }
    return items;
}

std::string key_of(const Json& item)
{
    return json_string_or(item, "name", "") + "/" + json_string_or(item, "container", "");
}

void add_growth(Json& items, const Json& before)
{
    for (auto& item : items) {
        item["memory_growth_bytes"] = nullptr; // an instance that is new has no past
        for (const auto& old : before)
            if (key_of(old) == key_of(item))
                item["memory_growth_bytes"] =
                    static_cast<std::int64_t>(json_number_or(item, "memory_bytes", 0)) -
                    static_cast<std::int64_t>(json_number_or(old, "memory_bytes", 0));
    }
}

std::vector<Column> columns_of(const TopOptions& o)
{
    using enum Column::Format;
    constexpr auto k_right = Column::Align::right;
    std::vector<Column> columns{{.head = "NAME", .field = "name"}};
    if (o.containers)
        columns.push_back({.head = "CONTAINER", .field = "container"});
    else
        columns.push_back({.head = "WORKLOAD", .field = "workload"});
    columns.push_back({.head = "CPU", .field = "cpu", .format = percent, .align = k_right});
    columns.push_back({.head = "MEMORY", .field = "memory_bytes", .format = bytes, .align = k_right});
    if (o.over)
        columns.push_back({.head = "GROWTH", .field = "memory_growth_bytes", .align = k_right});
    if (o.containers) {
        columns.push_back(
            {.head = "LIMIT", .field = "memory_limit_bytes", .format = bytes, .align = k_right});
        columns.push_back({.head = "OF-LIMIT", .field = "memory_share", .format = percent, .align = k_right});
        return columns;
    }
    columns.push_back({.head = "THREADS", .field = "threads", .format = integer, .align = k_right});
    columns.push_back({.head = "FILES", .field = "open_files", .format = integer, .align = k_right});
    return columns;
}

Result<Report> top_run(App& app, const TopOptions& o)
{
    if (o.between < 50ms || o.between > 60s)
        return fail(ErrorKind::usage, "--between must be from 50ms to 60s");
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    const auto look = [&]() -> Result<Json> {
        TRY_ASSIGN(const auto usages,
                   orchestrator->top(o.workload, o.between, app.deadline(o.between + 10s)));
        return items_of(usages, o.containers);
    };
    TRY_ASSIGN(auto items, look());
    if (o.over) {
        for (const Deadline until(*o.over); !until.passed() && !app.cancel().requested();)
            app.clock().sleep(std::min<Duration>(200ms, until.left()));
        if (app.cancel().requested())
            return fail(ErrorKind::interrupted, "interrupted");
        TRY_ASSIGN(auto later, look());
        add_growth(later, items);
        items = std::move(later);
    }
    Report report;
    if (o.containers && items.empty())
        report.notes = {"what runs here has no containers"};
    report.data = Json{{"items", std::move(items)}};
    report.columns = columns_of(o);
    return report;
}

} // namespace

Noun top()
{
    return standalone<TopOptions>(
        Group::instances,
        {.name = "top",
         .summary = "Show processor and memory use of the instances",
         .text = "CPU is a share of one core: 150 % is one and a half.",
         .examples = {"conduitctl top", "conduitctl top agent --between 2s",
                      "conduitctl top conduit-audio-service --containers --over 5m"},
         .covers = {"A-ts-lat-6", "A-ts-mem-4", "E-mem-use-1", "E-diag-4"},
         .backends = {"orchestrator"}},
        top_flags, top_run);
}

} // namespace conduit::commands
