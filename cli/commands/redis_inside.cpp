// SPDX-License-Identifier: Apache-2.0
// What is inside of Redis: memory, keys, clients, settings, and what is slow there.
#include "cli/commands/redis.hpp"
#include "cli/commands/support.hpp"
#include "cli/redis/info.hpp"
#include "cli/redis/sample.hpp"
#include "cli/redis/settings.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <ranges>

namespace conduit::commands {
namespace {

using enum Column::Format;
constexpr auto k_right = Column::Align::right;

struct MemoryOptions {
    std::int64_t sample = 1'000;
    std::int64_t biggest = 10;
};

// Queues in a store that may throw away any key are lost without a word.
void warn_of_eviction(const std::string& node, const redis::Info& info, const redis::TypeSample& sample,
                      std::vector<std::string>& warnings)
{
    const auto policy = info.text_or("maxmemory_policy", "");
    if (policy.starts_with("allkeys-") && !sample.queues.empty()) {
        std::vector<std::string> shown;
        for (const auto& key : sample.queues)
            shown.push_back(printable(key));
        warnings.push_back(fmt::format(
            "{}: {} may evict the queues that live here ({}): use noeviction, or a Redis of their own", node,
            policy, join(shown, ", ")));
    }
    const auto used = info.maybe("used_memory"), most = info.maybe("maxmemory");
    if (used && most && *most > 0 && *used > 0.8 * *most)
        warnings.push_back(
            fmt::format("{}: {:.0f} % of maxmemory is used{}", node, *used / *most * 100,
                        policy == "noeviction" ? "; when it is full, writes are refused" : ""));
    if (most && *most == 0)
        warnings.push_back(fmt::format("{}: maxmemory is not set: it grows until the system ends it", node));
    if (info.maybe("evicted_keys").value_or(0) > 0 && !sample.queues.empty())
        warnings.push_back(
            fmt::format("{}: {} keys were evicted since the start", node, info.text_or("evicted_keys", "")));
}

Json memory_item(const std::string& node, const redis::Info& info, const redis::TypeSample& sample)
{
    const auto used = info.maybe("used_memory"), most = info.maybe("maxmemory");
    Json item{{"name", node},
              {"used_bytes", optional_number(used)},
              {"max_bytes", optional_number(most)},
              {"used", used && most && *most > 0 ? Json(*used / *most) : Json()},
              {"policy", info.text_or("maxmemory_policy", "")},
              {"fragmentation", optional_number(info.maybe("mem_fragmentation_ratio"))},
              {"peak_bytes", optional_number(info.maybe("used_memory_peak"))},
              {"evicted", optional_number(info.maybe("evicted_keys"))},
              {"looked", sample.looked},
              {"types", sample.types}};
    return item;
}

std::string biggest_text(const std::vector<redis::BigKey>& keys)
{
    std::string out;
    for (const auto& key : keys)
        out += fmt::format("{}{} ({}, {})", out.empty() ? "" : ", ", printable(key.key.substr(0, 60)),
                           key.type, human_bytes(key.bytes));
    return out;
}

Result<Report> memory(App& app, const MemoryOptions& o)
{
    TRY_ASSIGN(RedisServers * servers, app.redis());
    const auto deadline = app.deadline(Duration{30'000});
    TRY_ASSIGN(const auto nodes, redis::reach_nodes(*servers, deadline));
    Json items = Json::array();
    std::vector<redis::BigKey> biggest;
    std::vector<std::string> notes, warnings;
    auto verdict = ErrorKind::ok;
    for (const auto& node : nodes) {
        if (!node.server) {
            notes.push_back(fmt::format("{}: {}", node.address, node.error.message));
            verdict = ErrorKind::unknown;
            continue;
        }
        TRY_ASSIGN(const auto info, redis::read_info(*node.server, "", deadline));
        TRY(info.number("used_memory"));
        redis::TypeSample sample;
        if (is_master(info)) { // its replicas have the same keys
            TRY_ASSIGN(sample, redis::sample_memory(*node.server, static_cast<std::size_t>(o.sample),
                                                    static_cast<std::size_t>(o.biggest), deadline));
        }
        warn_of_eviction(node.address, info, sample, warnings);
        items.push_back(memory_item(node.address, info, sample));
        std::ranges::move(sample.biggest, std::back_inserter(biggest));
    }
    std::ranges::sort(biggest, std::greater{}, &redis::BigKey::bytes);
    biggest.resize(std::min(biggest.size(), static_cast<std::size_t>(o.biggest)));
    auto report = list_report(
        std::move(items),
        {{.head = "NODE", .field = "name"},
         {.head = "USED", .field = "used_bytes", .format = bytes, .align = k_right},
         {.head = "LIMIT", .field = "max_bytes", .format = bytes, .align = k_right},
         {.head = "OF-LIMIT", .field = "used", .format = percent, .align = k_right},
         {.head = "POLICY", .field = "policy"},
         {.head = "FRAGMENTATION", .field = "fragmentation", .format = ratio3, .align = k_right},
         {.head = "PEAK", .field = "peak_bytes", .format = bytes, .align = k_right, .wide_only = true},
         {.head = "EVICTED", .field = "evicted", .format = integer, .align = k_right}});
    Json big = Json::array();
    for (const auto& key : biggest)
        big.push_back(
            {{"key", sanitize_utf8(key.key)}, {"type", key.type}, {"bytes", key.bytes}, {"node", key.node}});
    (*report.data)["biggest"] = std::move(big);
    (*report.data)["warnings"] = warnings;
    if (!biggest.empty())
        notes.push_back("biggest keys of the sample: " + biggest_text(biggest));
    for (auto& warning : warnings)
        notes.push_back("warning: " + std::move(warning));
    report.notes = std::move(notes);
    report.verdict = verdict;
    return report;
}

struct KeysOptions {
    std::string prefix;
    std::int64_t sample = 20'000;
};

Result<Report> keys(App& app, const KeysOptions& o)
{
    TRY_ASSIGN(RedisServers * servers, app.redis());
    const auto deadline = app.deadline(Duration{30'000});
    TRY_ASSIGN(const auto masters, redis::reach_masters(*servers, deadline));
    TRY_ASSIGN(const auto sample,
               redis::sample_keys(masters, {.prefix = o.prefix, .most = static_cast<std::size_t>(o.sample)},
                                  deadline));
    std::vector<std::pair<std::string, std::uint64_t>> prefixes(sample.prefixes.begin(),
                                                                sample.prefixes.end());
    std::ranges::stable_sort(prefixes, std::greater{}, &std::pair<std::string, std::uint64_t>::second);
    Json items = Json::array();
    for (const auto& [prefix, count] : prefixes) {
        const double share =
            sample.looked == 0 ? 0 : static_cast<double>(count) / static_cast<double>(sample.looked);
        items.push_back(
            {{"name", printable(prefix)},
             {"keys", sample.whole ? static_cast<double>(count) : share * static_cast<double>(sample.total)},
             {"share", share}});
    }
    auto report = list_report(std::move(items),
                              {{.head = "PREFIX", .field = "name"},
                               {.head = "KEYS", .field = "keys", .format = integer, .align = k_right},
                               {.head = "SHARE", .field = "share", .format = percent, .align = k_right}});
    (*report.data)["total"] = sample.total;
    (*report.data)["looked"] = sample.looked;
    (*report.data)["exact"] = sample.whole;
    report.notes.push_back(sample.whole
                               ? fmt::format("all {} keys were looked at", sample.looked)
                               : fmt::format("estimated from {} of {} keys", sample.looked, sample.total));
    return report;
}

struct LatencyOptions {
    std::int64_t count = 100;
};

double at_share(const std::vector<double>& sorted, double share)
{
    return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

// Only which command and how long: its words may be anything, personal data too.
Json slow_commands(const redis::Reply& reply)
{
    Json out = Json::array();
    for (const auto& entry : reply.items)
        if (entry.items.size() >= 4 && entry.items[3].is_array() && !entry.items[3].items.empty())
            out.push_back({{"command", printable(entry.items[3].items[0].text.substr(0, 40))},
                           {"words", entry.items[3].items.size()},
                           {"took_ms", static_cast<double>(entry.items[2].integer) / 1000}});
    return out;
}

Result<Json> latency_item(App& app, RedisSession& server, const LatencyOptions& o, Deadline deadline)
{
    std::vector<double> took;
    for (std::int64_t i = 0; i < o.count; ++i) {
        if (app.cancel().requested())
            return fail(ErrorKind::interrupted, "interrupted");
        const auto from = app.clock().steady();
        TRY(server.ask({"PING"}, deadline));
        took.push_back(std::chrono::duration<double, std::milli>(app.clock().steady() - from).count());
    }
    std::ranges::sort(took);
    Json item{{"p50_ms", at_share(took, 0.5)}, {"p99_ms", at_share(took, 0.99)}, {"max_ms", took.back()}};
    TRY_ASSIGN(const auto slow, server.ask({"SLOWLOG", "GET", "5"}, deadline));
    if (!slow.is_array())
        return fail(ErrorKind::unknown, fmt::format("SLOWLOG of Redis {} is no list", server.name()));
    item["slowest"] = slow_commands(slow);
    TRY_ASSIGN(const auto threshold, redis::read_setting(server, "slowlog-log-slower-than", deadline));
    item["slow_from_us"] = threshold;
    return item;
}

Result<Report> latency(App& app, const LatencyOptions& o)
{
    TRY_ASSIGN(RedisServers * servers, app.redis());
    const auto deadline = app.deadline(Duration{30'000});
    TRY_ASSIGN(const auto nodes, redis::reach_nodes(*servers, deadline));
    Json items = Json::array();
    std::vector<std::string> notes;
    auto verdict = ErrorKind::ok;
    for (const auto& node : nodes) {
        if (!node.server) {
            notes.push_back(fmt::format("{}: {}", node.address, node.error.message));
            verdict = ErrorKind::unknown;
            continue;
        }
        TRY_ASSIGN(auto item, latency_item(app, *node.server, o, deadline));
        for (const auto& slow : item["slowest"])
            notes.push_back(fmt::format("{}: a {} of {} words took {:.1f} ms", node.address,
                                        json_string_or(slow, "command", ""), slow["words"].get<int>(),
                                        json_number_or(slow, "took_ms", 0)));
        item["name"] = node.address;
        items.push_back(std::move(item));
    }
    auto report = list_report(std::move(items),
                              {{.head = "NODE", .field = "name"},
                               {.head = "P50", .field = "p50_ms", .format = milliseconds, .align = k_right},
                               {.head = "P99", .field = "p99_ms", .format = milliseconds, .align = k_right},
                               {.head = "MAX", .field = "max_ms", .format = milliseconds, .align = k_right}});
    report.notes = std::move(notes);
    report.verdict = verdict;
    return report;
}

struct ClientsOptions {
    std::int64_t limit = 50;
};

std::int64_t integer_of(const redis::Client& client, std::string_view field)
{
    const auto found = client.find(field);
    std::int64_t value = 0;
    if (found != client.end())
        std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
    return value;
}

Result<Report> clients(App& app, const ClientsOptions& o)
{
    TRY_ASSIGN(RedisServers * servers, app.redis());
    const auto deadline = app.deadline(k_read_timeout);
    TRY_ASSIGN(const auto nodes, redis::reach_nodes(*servers, deadline));
    Json items = Json::array();
    std::vector<std::string> notes;
    auto verdict = ErrorKind::ok;
    for (const auto& node : nodes) {
        if (!node.server) {
            notes.push_back(fmt::format("{}: {}", node.address, node.error.message));
            verdict = ErrorKind::unknown;
            continue;
        }
        TRY_ASSIGN(const auto reply, node.server->ask({"CLIENT", "LIST"}, deadline));
        const auto all = redis::parse_clients(reply.text);
        if (all.empty())
            return fail(ErrorKind::unknown,
                        fmt::format("Redis {} lists no client, not even this one", node.address));
        TRY_ASSIGN(const auto most, redis::read_setting(*node.server, "maxclients", deadline));
        notes.push_back(fmt::format("{}: {} of {} clients{}", node.address, all.size(), most,
                                    all.size() > static_cast<std::size_t>(o.limit)
                                        ? fmt::format(", the first {} are shown", o.limit)
                                        : ""));
        const auto text = [](const redis::Client& client, std::string_view field) {
            const auto found = client.find(field);
            return found == client.end() ? std::string() : printable(found->second);
        };
        for (const auto& one : all | std::views::take(o.limit))
            items.push_back({{"node", node.address},
                             {"name", text(one, "addr")},
                             {"client", text(one, "name")},
                             {"user", text(one, "user")},
                             {"age_ms", integer_of(one, "age") * 1000},
                             {"idle_ms", integer_of(one, "idle") * 1000},
                             {"command", text(one, "cmd")},
                             {"memory_bytes", integer_of(one, "tot-mem")}});
    }
    auto report = list_report(
        std::move(items), {{.head = "NODE", .field = "node"},
                           {.head = "ADDRESS", .field = "name"},
                           {.head = "NAME", .field = "client"},
                           {.head = "USER", .field = "user"},
                           {.head = "AGE", .field = "age_ms", .format = milliseconds, .align = k_right},
                           {.head = "IDLE", .field = "idle_ms", .format = milliseconds, .align = k_right},
                           {.head = "LAST-COMMAND", .field = "command"},
                           {.head = "MEMORY", .field = "memory_bytes", .format = bytes, .align = k_right}});
    report.notes = std::move(notes);
    report.verdict = verdict;
    return report;
}

struct ConfigOptions {
    std::string pattern = "*";
};

Result<Report> config_get(App& app, const ConfigOptions& o)
{
    TRY_ASSIGN(RedisServers * servers, app.redis());
    const auto deadline = app.deadline(k_read_timeout);
    TRY_ASSIGN(const auto nodes, redis::reach_nodes(*servers, deadline));
    std::map<std::string, std::map<std::string, std::vector<std::string>>> values; // name -> value -> nodes
    std::vector<std::string> notes;
    auto verdict = ErrorKind::ok;
    for (const auto& node : nodes) {
        if (!node.server) {
            notes.push_back(fmt::format("{}: {}", node.address, node.error.message));
            verdict = ErrorKind::unknown;
            continue;
        }
        TRY_ASSIGN(const auto settings, redis::read_settings(*node.server, o.pattern, deadline));
        for (const auto& [name, value] : settings)
            values[name][value].push_back(node.address);
    }
    if (values.empty())
        return fail(ErrorKind::not_found, fmt::format("Redis has no setting '{}'", printable(o.pattern)),
                    "See all: conduitctl redis config get");
    Json items = Json::array();
    for (const auto& [name, by_value] : values)
        for (const auto& [value, where] : by_value)
            items.push_back({{"name", name},
                             {"value", sanitize_utf8(value)},
                             {"nodes", by_value.size() == 1 ? Json("all") : Json(join(where, " "))}});
    auto report =
        list_report(std::move(items), {{.head = "NAME", .field = "name"},
                                       {.head = "VALUE", .field = "value"},
                                       {.head = "NODES", .field = "nodes", .wide_only = nodes.size() == 1}});
    report.notes = std::move(notes);
    report.verdict = verdict;
    return report;
}

} // namespace

std::vector<Verb> redis_inside_verbs()
{
    std::vector<Verb> verbs;
    verbs.push_back(verb<MemoryOptions>(
        {.name = "memory",
         .summary = "Show memory against its limit, and the biggest keys",
         .text = "The keys are a sample with a limit, so that a large store is not held up. It warns of "
                 "queues that "
                 "live under a policy that may evict them, of a limit that is near, and of none.",
         .examples = {"conduitctl redis memory", "conduitctl redis memory --sample 10000"},
         .covers = {"A-cache-mon-2"},
         .backends = {"redis"}},
        [](Flags& f, MemoryOptions& o) {
            f.opt("--sample", o.sample, "Keys of each master to look at").between(1, 1'000'000);
            f.opt("--biggest", o.biggest, "So many of them are shown").between(0, 1'000);
        },
        memory));
    verbs.push_back(verb<LatencyOptions>(
        {.name = "latency",
         .summary = "Measure round trips, and show the slowest commands",
         .text = "Of slow commands only the name is shown, since their words may be anybody's data.",
         .examples = {"conduitctl redis latency"},
         .backends = {"redis"}},
        [](Flags& f, LatencyOptions& o) {
            f.opt("--count", o.count, "Round trips to measure").between(1, 10'000);
        },
        latency));
    verbs.push_back(verb<ClientsOptions>(
        {.name = "clients",
         .summary = "List the clients of every server",
         .examples = {"conduitctl redis clients"},
         .backends = {"redis"}},
        [](Flags& f, ClientsOptions& o) {
            f.opt("--limit", o.limit, "At most so many a server").between(1, 10'000);
        },
        clients));
    verbs.push_back(verb<KeysOptions>(
        {.name = "keys",
         .summary = "Count keys by prefix, from a sample",
         .examples = {"conduitctl redis keys", "conduitctl redis keys --prefix audio:tts:"},
         .also = {ErrorKind::refused},
         .backends = {"redis"}},
        [](Flags& f, KeysOptions& o) {
            f.opt("--prefix", o.prefix, "Only keys that begin so");
            f.opt("--sample", o.sample, "Keys to look at").between(1, 10'000'000);
        },
        keys));
    verbs.push_back(verb<ConfigOptions>(
        {.name = "config get",
         .summary = "Show settings of the servers, without their secrets",
         .examples = {"conduitctl redis config get", "conduitctl redis config get 'maxmemory*'"},
         .backends = {"redis"}},
        [](Flags& f, ConfigOptions& o) { f.arg("PATTERN", o.pattern, "As CONFIG GET takes it").optional(); },
        config_get));
    return verbs;
}

} // namespace conduit::commands
