// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/retention.hpp"

#include <fmt/format.h>
#include <functional>
#include <map>
#include <set>

namespace conduit::backup {
namespace {

std::string day_of(WallTime time)
{
    return format_time(time).substr(0, 10);
}
std::string month_of(WallTime time)
{
    return format_time(time).substr(0, 7);
}
std::string week_of(WallTime time) // its Monday
{
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const auto back = (std::chrono::weekday(day) - std::chrono::Monday);
    return day_of(WallTime(day - back));
}

using Period = std::function<std::string(WallTime)>;

void keep_newest_of(const Catalog& catalog, int count, const Period& period, std::string_view why,
                    std::map<std::string, std::string>& kept)
{
    std::set<std::string> seen;
    for (auto it = catalog.entries.rbegin(); it != catalog.entries.rend(); ++it) {
        if (!it->fault.empty()) // one that cannot be restored stands for no day
            continue;
        const auto name = period(time_of(it->id));
        if (seen.contains(name))
            continue;
        if (static_cast<int>(seen.size()) >= count)
            return;
        seen.insert(name);
        kept.try_emplace(it->id, why);
    }
}

} // namespace

std::vector<Verdict> judge(const Catalog& catalog, const Retention& retention, WallTime now)
{
    constexpr std::chrono::hours k_untouched{24};
    std::map<std::string, std::string> kept;
    const auto* proven = catalog.newest_proven();
    if (proven != nullptr)
        kept.try_emplace(proven->id, fmt::format("newest proven ({})", level_name(proven->level)));
    for (auto it = catalog.entries.rbegin(); proven == nullptr && it != catalog.entries.rend(); ++it)
        if (it->fault.empty()) {
            kept.try_emplace(it->id, "the newest, and none was proved by a restore");
            break;
        }
    for (const auto& entry : catalog.entries)
        if (now - time_of(entry.id) < k_untouched)
            kept.try_emplace(entry.id, "younger than 24 h");
    keep_newest_of(catalog, retention.daily, day_of, "daily", kept);
    keep_newest_of(catalog, retention.weekly, week_of, "weekly", kept);
    keep_newest_of(catalog, retention.monthly, month_of, "monthly", kept);
    std::vector<Verdict> verdicts;
    verdicts.reserve(catalog.entries.size());
    for (const auto& entry : catalog.entries) {
        const auto found = kept.find(entry.id);
        verdicts.push_back({entry.id, found != kept.end(),
                            found != kept.end() ? found->second : std::string("beyond what is kept")});
    }
    return verdicts;
}

} // namespace conduit::backup
