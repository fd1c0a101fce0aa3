// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/cache_store.hpp"

#include "cli/app/operations.hpp"
#include "cli/commands/redis.hpp"
#include "cli/redis/sample.hpp"
#include "cli/targets/redis.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <ranges>

namespace conduit::commands {
namespace {

constexpr Duration k_look{60'000};
constexpr Duration k_clear_limit{3'600'000};
constexpr std::array k_caches{"cache:", "audio:"}; // what may be dropped as a whole without another word

Result<redis::ClearRequest> request_of(const StoreClear& wanted)
{
    const int ways =
        (wanted.prefix.empty() ? 0 : 1) + (wanted.pattern.empty() ? 0 : 1) + (wanted.all ? 1 : 0);
    if (ways != 1)
        return fail(ErrorKind::usage, "one of PREFIX, --pattern and --all says which keys",
                    "conduitctl cache clear cache: --store redis");
    if (wanted.all) {
        if (!wanted.database)
            return fail(ErrorKind::usage, "--all needs the number of the database",
                        "Add --db 0, if that is the one.");
        return redis::ClearRequest{};
    }
    if (!wanted.allowed.empty())
        return fail(ErrorKind::usage, "--allow is for --all", "A prefix says by itself what is dropped.");
    TRY_ASSIGN(auto request, wanted.pattern.empty() ? redis::clear_by_prefix(wanted.prefix)
                                                    : redis::clear_by_pattern(wanted.pattern));
    if (wanted.rate)
        request.per_second = wanted.rate->per_second();
    return request;
}

std::string prefixes_text(const std::map<std::string, std::uint64_t>& prefixes)
{
    std::vector<std::pair<std::uint64_t, std::string>> order;
    for (const auto& [prefix, count] : prefixes)
        order.emplace_back(count, prefix);
    std::ranges::sort(order, std::greater{});
    std::string out;
    for (const auto& [count, prefix] : order | std::views::take(10))
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", printable(sanitize_utf8(prefix)), count);
    return out + (order.size() > 10 ? fmt::format(", and {} more", order.size() - 10) : "");
}

// Sessions, queues and key rings live in the same Redis as caches do.
Result<> check_all_caches(const redis::KeySample& sample, const std::vector<std::string>& allowed)
{
    std::map<std::string, std::uint64_t> foreign;
    for (const auto& [prefix, count] : sample.prefixes)
        if (std::ranges::find(k_caches, prefix) == k_caches.end() &&
            std::ranges::find(allowed, prefix) == allowed.end())
            foreign.emplace(prefix, count);
    if (!sample.whole)
        return fail(ErrorKind::refused, "the keys could not all be looked at in time",
                    "Give it longer: --timeout 10m; or drop by prefix.");
    if (foreign.empty())
        return {};
    return fail(
        ErrorKind::refused,
        fmt::format("the database has keys that are not known as a cache's: {}", prefixes_text(foreign)),
        fmt::format("Drop by prefix instead; or, when they may go as well: --allow '{}'",
                    printable(foreign.begin()->first)));
}

std::string samples_text(const redis::KeySample& sample)
{
    std::vector<std::string> out;
    for (const auto& key : sample.some)
        out.push_back(printable(sanitize_utf8(key.substr(0, 60))));
    return out.empty() ? "no such key was found" : join(out, "  ");
}

std::string count_text(const redis::KeySample& sample)
{
    return sample.whole ? fmt::format("{} of {} keys", sample.matched, sample.total)
                        : fmt::format("about {} of {} keys, by a sample of {}", sample.estimate(),
                                      sample.total, sample.looked);
}

} // namespace

Result<Report> clear_store(App& app, const StoreClear& wanted, ops::ChangeOptions change)
{
    TRY_ASSIGN(auto request, request_of(wanted));
    TRY_ASSIGN(RedisServers * servers, app.redis());
    const auto deadline = app.deadline(k_look);
    const auto database =
        static_cast<unsigned>(wanted.database.value_or(static_cast<int>(servers->database())));
    TRY_ASSIGN(const auto masters, redis::reach_masters(*servers, deadline));
    if (masters.cluster && database != 0)
        return fail(ErrorKind::usage, "a Cluster has database 0 only", "Leave out --db.");
    if (database != servers->database())
        for (const auto& server : masters.servers)
            TRY(server->ask({"SELECT", std::to_string(database)}, deadline));
    redis::SampleOptions look{.prefix = request.prefix};
    if (!request.pattern.empty())
        look.pattern = request.pattern;
    if (wanted.all)
        look.most = std::numeric_limits<std::size_t>::max();
    TRY_ASSIGN(const auto sample, redis::sample_keys(masters, look, deadline));
    if (wanted.all)
        TRY(check_all_caches(sample, wanted.allowed));
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(auto* target, redis_target(*operations));
    auto intent = ops::clear_intent(
        *target,
        {.request = std::move(request), .all = wanted.all, .database = database, .about = sample.estimate()});
    intent.lines = {{"keys", count_text(sample)},
                    {"on", masters.cluster ? fmt::format("{} masters of a Cluster", masters.servers.size())
                                           : masters.servers.front()->name()},
                    {"for instance", samples_text(sample)}};
    if (wanted.all)
        intent.lines.emplace_back("prefixes", prefixes_text(sample.prefixes));
    intent.lines.emplace_back("afterwards",
                              "requests are misses until the cache fills again, which costs money and "
                              "time: conduitctl cache warm");
    if (!app.global().timeout)
        change.timeout = k_clear_limit;
    return operations->change(intent, change);
}

} // namespace conduit::commands
