// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/retention.hpp"

#include "tests/support/catch.hpp"

#include <algorithm>

using namespace conduit;
using namespace conduit::backup;

namespace {

Entry at(const std::string& time, Level level = Level::hashed, const std::string& fault = {})
{
    Entry entry;
    entry.id = make_id(*parse_time(time));
    entry.level = level;
    entry.fault = fault;
    return entry;
}

std::vector<std::string> days_kept(const Catalog& catalog, const Retention& retention, const std::string& now)
{
    std::vector<std::string> kept;
    for (const auto& verdict : judge(catalog, retention, *parse_time(now)))
        if (verdict.keep)
            kept.push_back(verdict.id.substr(0, 8));
    return kept;
}

Catalog every_day(int days)
{
    Catalog catalog;
    for (int i = days; i > 0; --i)
        catalog.entries.push_back(
            at(format_time(*parse_time("2026-11-22T02:00:00Z") - std::chrono::days(i))));
    return catalog;
}

} // namespace

TEST_CASE("the newest of each day, week and month stays")
{
    auto catalog = every_day(60);
    const auto kept = days_kept(catalog, {.daily = 3, .weekly = 2, .monthly = 2}, "2026-11-22T12:00:00Z");
    // 19..21 are days; 21 is the newest of its week, 15 (a Sunday) of the one before; 31 October of its
    // month.
    CHECK(kept == std::vector<std::string>{"20261031", "20261115", "20261119", "20261120", "20261121"});
}

TEST_CASE("the newest proven backup stays, whatever the rules say")
{
    auto catalog = every_day(60);
    catalog.entries[3].level = Level::counted;
    catalog.entries[2].level = Level::counted;
    const auto kept = days_kept(catalog, {.daily = 1}, "2026-11-22T12:00:00Z");
    CHECK(kept == std::vector<std::string>{catalog.entries[3].id.substr(0, 8), "20261121"});
    const auto none = days_kept(catalog, {}, "2026-12-22T12:00:00Z");
    CHECK(none == std::vector<std::string>{catalog.entries[3].id.substr(0, 8)});
}

TEST_CASE("a damaged backup is no proof, and stands for no day")
{
    Catalog catalog;
    catalog.entries = {at("2026-11-10T02:00:00Z", Level::restored),
                       at("2026-11-11T02:00:00Z", Level::stored, "x"),
                       at("2026-11-11T03:00:00Z", Level::stored, "x"), at("2026-11-12T02:00:00Z")};
    catalog.entries[3].fault = "its plain bytes have another SHA-256";
    CHECK(days_kept(catalog, {.daily = 1}, "2026-11-22T12:00:00Z") == std::vector<std::string>{"20261110"});
}

TEST_CASE("where nothing was proved the newest stays, and nothing of the last day is touched")
{
    Catalog catalog;
    catalog.entries = {at("2026-11-01T02:00:00Z"), at("2026-11-21T13:00:00Z", Level::stored, "damaged"),
                       at("2026-11-22T02:00:00Z")};
    CHECK(days_kept(catalog, {}, "2026-11-22T12:00:00Z") == std::vector<std::string>{"20261121", "20261122"});
    CHECK(days_kept(catalog, {}, "2027-11-22T12:00:00Z") == std::vector<std::string>{"20261122"});
}
