// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/support.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit::commands {
namespace {

std::vector<Column> figures(std::vector<Column> columns)
{
    using enum Column::Format;
    const auto right = Column::Align::right;
    columns.push_back({.head = "REQUESTS", .field = "requests", .format = integer, .align = right});
    columns.push_back({.head = "ERRORS", .field = "errors", .format = integer, .align = right});
    columns.push_back({.head = "AUDIO-S", .field = "audio_seconds", .align = right});
    columns.push_back({.head = "CHARS", .field = "characters", .format = integer, .align = right});
    columns.push_back(
        {.head = "TOKENS", .field = "tokens", .format = integer, .align = right, .wide_only = true});
    columns.push_back({.head = "USD", .field = "cost_usd", .align = right});
    return columns;
}

std::string since_text(App& app, Duration since)
{
    return format_time(app.clock().now() - since);
}

constexpr std::int64_t k_all = 10'000; // rows that a replica may answer with

const std::vector<std::string> k_figures{"requests", "errors",    "characters",    "tokens",
                                         "bytes_in", "bytes_out", "audio_seconds", "cost_usd"};

// The figures of the whole fleet, T41: each replica knows the requests that it served. One store that several
// share, as on one host, is counted once.
struct Summed {
    Json items = Json::array();
    std::vector<std::string> notes;
    ErrorKind verdict = ErrorKind::ok;
};

Result<Summed> sum_up(App& app, const std::string& by, Duration since, const std::string& field,
                      const std::string& order, std::int64_t limit)
{
    TRY_ASSIGN(const auto all, get_all(app, "/admin/v1/usage",
                                       {{"by", by},
                                        {"limit", std::to_string(k_all)},
                                        {"since", since_text(app, since)},
                                        {"order", order}}));
    std::set<std::string> stores;
    std::map<std::string, Json> rows;
    for (const auto& [replica, body] : all.bodies) {
        const auto store = json_string_or(*body, "store", "");
        if (!store.empty() && !stores.insert(store).second)
            continue;
        for (const auto& item : (*body)["items"]) {
            const auto [row, first] = rows.try_emplace(json_string_or(item, field, ""), item);
            if (first)
                continue;
            for (const auto& figure : k_figures)
                if (json_find(item, figure) != nullptr)
                    row->second[figure] =
                        item[figure].is_number_integer()
                            ? Json(row->second[figure].get<std::int64_t>() + item[figure].get<std::int64_t>())
                            : Json(json_number_or(row->second, figure, 0) + json_number_or(item, figure, 0));
        }
    }
    std::vector<Json> sorted;
    for (auto& [name, row] : rows)
        sorted.push_back(std::move(row));
    const std::string& figure = order == "cost" ? k_figures.back() : order;
    std::ranges::stable_sort(sorted, std::greater{},
                             [&](const Json& row) { return json_number_or(row, figure, 0); });
    Summed summed;
    for (auto& row : sorted)
        if (std::ssize(summed.items) < limit)
            summed.items.push_back(std::move(row));
    for (const auto& [replica, error] : all.failed)
        summed.notes.push_back(fmt::format("without what {} served: {}", replica, error.message));
    summed.verdict = all.failed.empty() ? ErrorKind::ok : ErrorKind::unknown;
    return summed;
}

struct TopOptions {
    std::int64_t limit = 10;
    Duration since{86'400'000};
    std::string order = "requests";
};

Result<Report> top_keys(App& app, const TopOptions& o)
{
    TRY_ASSIGN(auto summed, sum_up(app, "key", o.since, "key_id", o.order, o.limit));
    auto report = list_report(std::move(summed.items), figures({{.head = "KEY", .field = "key_id"}}));
    report.name_field = "key_id";
    report.notes = std::move(summed.notes);
    report.verdict = summed.verdict;
    if (!(*report.data)["items"].empty())
        report.next = {"conduitctl blocklist add KEY --for 24h --reason TEXT"};
    return report;
}

struct ShowOptions {
    std::string by = "provider";
    Duration since{86'400'000};
    std::int64_t limit = 100;
};

Result<Report> show(App& app, const ShowOptions& o)
{
    static const std::map<std::string, std::string> fields{{"key", "key_id"},
                                                           {"provider", "provider"},
                                                           {"model", "model"},
                                                           {"operation", "operation"},
                                                           {"day", "day"}};
    const auto& field = fields.at(o.by);
    TRY_ASSIGN(auto summed, sum_up(app, o.by, o.since, field, "requests", o.limit));
    auto report = list_report(std::move(summed.items), figures({{.head = "NAME", .field = field}}));
    report.name_field = field;
    report.notes = std::move(summed.notes);
    report.verdict = summed.verdict;
    return report;
}

} // namespace

Noun usage()
{
    return {.name = "usage",
            .summary = "Who used what, and what it cost",
            .group = Group::data_path,
            .verbs = {
                verb<TopOptions>(
                    {.name = "top",
                     .summary = "List the keys that use most",
                     .text = "The sum over all replicas. What a replica served that has ended is in it as "
                             "long as its "
                             "records are where another one reads them.",
                     .examples = {"conduitctl usage top --limit 10", "conduitctl usage top --order cost"},
                     .covers = {"A-em-rate-3"},
                     .backends = {"agent"}},
                    [](Flags& f, TopOptions& o) {
                        f.opt("--limit", o.limit, "At most so many").between(1, 1000);
                        f.opt("--since", o.since, "How far back");
                        f.choice("--order", o.order,
                                 {"requests", "cost", "audio_seconds", "characters", "tokens"},
                                 "What counts as most");
                    },
                    top_keys),
                verb<ShowOptions>(
                    {.name = "show",
                     .summary = "Sum usage and cost by one aspect",
                     .examples = {"conduitctl usage show --by provider --since 7d"},
                     .backends = {"agent"}},
                    [](Flags& f, ShowOptions& o) {
                        f.choice("--by", o.by, {"key", "provider", "model", "operation", "day"},
                                 "Sum by this");
                        f.opt("--since", o.since, "How far back");
                        f.opt("--limit", o.limit, "At most so many").between(1, 10'000);
                    },
                    show),
            }};
}

} // namespace conduit::commands
