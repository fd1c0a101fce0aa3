// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/support.hpp"

#include <nlohmann/json.hpp>

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

struct TopOptions {
    std::int64_t limit = 10;
    Duration since{86'400'000};
    std::string order = "requests";
};

Result<Report> top_keys(App& app, const TopOptions& o)
{
    TRY_ASSIGN(const auto body, get(app, "/admin/v1/usage",
                                    {{"by", "key"},
                                     {"limit", std::to_string(o.limit)},
                                     {"since", since_text(app, o.since)},
                                     {"order", o.order}}));
    auto report = list_report((*body)["items"], figures({{.head = "KEY", .field = "key_id"}}));
    report.name_field = "key_id";
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
    TRY_ASSIGN(const auto body,
               get(app, "/admin/v1/usage",
                   {{"by", o.by}, {"limit", std::to_string(o.limit)}, {"since", since_text(app, o.since)}}));
    static const std::map<std::string, std::string> fields{{"key", "key_id"},
                                                           {"provider", "provider"},
                                                           {"model", "model"},
                                                           {"operation", "operation"},
                                                           {"day", "day"}};
    auto report = list_report((*body)["items"], figures({{.head = "NAME", .field = fields.at(o.by)}}));
    report.name_field = fields.at(o.by);
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
