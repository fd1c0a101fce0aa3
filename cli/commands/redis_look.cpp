// SPDX-License-Identifier: Apache-2.0
// `redis ping` and `redis info`: is it well, and how busy.
#include "cli/commands/redis.hpp"
#include "cli/commands/support.hpp"
#include "cli/redis/info.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

// What speaks against a server that answers PING.
std::vector<std::string> problems_of(const redis::Info& info)
{
    std::vector<std::string> out;
    if (info.text_or("loading", "0") != "0")
        out.emplace_back("it still loads its data");
    if (info.text_or("role", "") == "slave" && info.text_or("master_link_status", "up") != "up")
        out.push_back(fmt::format("the link to its master {}:{} is {}", info.text_or("master_host", "?"),
                                  info.text_or("master_port", "?"), info.text_or("master_link_status", "")));
    if (info.text_or("rdb_last_bgsave_status", "ok") != "ok")
        out.emplace_back("its last save failed");
    if (info.text_or("aof_enabled", "0") == "1" && info.text_or("aof_last_write_status", "ok") != "ok")
        out.emplace_back("its append-only file cannot be written");
    return out;
}

double round_trip_ms(App& app, SteadyTime from)
{
    return std::chrono::duration<double, std::milli>(app.clock().steady() - from).count();
}

Result<Json> ping_item(App& app, const redis::Reached& node, Deadline deadline,
                       std::vector<std::string>& problems)
{
    Json item{{"name", node.address}};
    if (!node.server) {
        problems.push_back(node.error.message);
        item["answer"] = Json();
        item["problems"] = problems;
        return item;
    }
    const auto from = app.clock().steady();
    TRY_ASSIGN(const auto pong, node.server->ask({"PING"}, deadline));
    if (pong.text != "PONG")
        return fail(ErrorKind::unknown, fmt::format("Redis {} answers PING with '{}'", node.address,
                                                    printable(pong.text.substr(0, 80))));
    item["answer"] = "PONG";
    item["took_ms"] = round_trip_ms(app, from);
    TRY_ASSIGN(const auto info, redis::read_info(*node.server, "", deadline));
    TRY_ASSIGN(item["role"], info.text("role"));
    problems = problems_of(info);
    item["version"] = info.text_or("redis_version", "");
    item["mode"] = info.text_or("redis_mode", "");
    item["uptime_ms"] = optional_number(info.maybe("uptime_in_seconds"));
    if (item["uptime_ms"].is_number())
        item["uptime_ms"] = item["uptime_ms"].get<double>() * 1000;
    item["loading"] = info.text_or("loading", "0") != "0";
    item["link"] = is_master(info) ? Json() : Json(info.text_or("master_link_status", ""));
    item["replicas"] = optional_number(info.maybe("connected_slaves"));
    item["last_save"] = info.text_or("rdb_last_bgsave_status", "");
    item["unsaved_changes"] = optional_number(info.maybe("rdb_changes_since_last_save"));
    item["append_only"] = info.text_or("aof_enabled", "0") == "1"
                              ? Json(info.text_or("aof_last_write_status", ""))
                              : Json("off");
    item["problems"] = problems;
    return item;
}

// A server that loads answers nothing else, not even who it is: it is there, and not well.
Report still_loading(const Error& error)
{
    auto report = list_report(Json::array(), {});
    (*report.data)["loading"] = true;
    report.notes = {error.message};
    report.verdict = ErrorKind::breached;
    return report;
}

Result<Report> ping(App& app)
{
    TRY_ASSIGN(RedisServers * servers, app.redis());
    const auto deadline = app.deadline(k_read_timeout);
    auto nodes = redis::reach_nodes(*servers, deadline);
    if (!nodes && nodes.error().message.contains("LOADING "))
        return still_loading(nodes.error());
    if (!nodes)
        return std::move(nodes).error();
    Json items = Json::array();
    std::vector<std::string> notes;
    for (const auto& node : *nodes) {
        std::vector<std::string> problems;
        TRY_ASSIGN(auto item, ping_item(app, node, deadline, problems));
        for (const auto& problem : problems)
            notes.push_back(fmt::format("{}: {}", node.address, problem));
        items.push_back(std::move(item));
    }
    using enum Column::Format;
    const auto right = Column::Align::right;
    auto report = list_report(
        std::move(items), {{.head = "NODE", .field = "name"},
                           {.head = "ANSWER", .field = "answer"},
                           {.head = "TOOK", .field = "took_ms", .format = milliseconds, .align = right},
                           {.head = "ROLE", .field = "role"},
                           {.head = "LINK", .field = "link"},
                           {.head = "REPLICAS", .field = "replicas", .format = integer, .align = right},
                           {.head = "LAST-SAVE", .field = "last_save"},
                           {.head = "APPEND-ONLY", .field = "append_only"},
                           {.head = "UPTIME", .field = "uptime_ms", .format = milliseconds, .align = right},
                           {.head = "VERSION", .field = "version", .wide_only = true}});
    report.verdict = notes.empty() ? ErrorKind::ok : ErrorKind::breached;
    report.notes = std::move(notes);
    return report;
}

struct InfoOptions {
    std::string section;
    Duration window{1'000};
};

Json info_json(const redis::Info& info)
{
    Json out = Json::object();
    for (const auto& [section, fields] : info.sections())
        for (const auto& [name, value] : fields)
            out[section][name] = value;
    return out;
}

std::string info_text(const std::string& node, const redis::Info& info, bool several)
{
    std::string out;
    for (const auto& [section, fields] : info.sections()) {
        out += several ? fmt::format("{}: {}\n", node, section) : fmt::format("{}\n", section);
        for (const auto& [name, value] : fields)
            out += fmt::format("  {:<34} {}\n", printable(name), printable(value));
    }
    return out;
}

Json rates_item(const redis::Reached& node, const redis::Info& info, const redis::Rates& rates)
{
    return Json{{"name", node.address},
                {"role", info.text_or("role", "")},
                {"commands_per_s", optional_number(rates.commands)},
                {"hits_per_s", optional_number(rates.hits)},
                {"misses_per_s", optional_number(rates.misses)},
                {"hit_ratio", optional_number(rates.hit_ratio)},
                {"hit_ratio_total", optional_number(rates.hit_ratio_total)},
                {"evicted_per_s", optional_number(rates.evicted)},
                {"evicted_total", optional_number(info.maybe("evicted_keys"))},
                {"expired_per_s", optional_number(rates.expired)},
                {"used_bytes", optional_number(info.maybe("used_memory"))},
                {"max_bytes", optional_number(info.maybe("maxmemory"))},
                {"clients", optional_number(info.maybe("connected_clients"))}};
}

std::vector<Column> rate_columns()
{
    using enum Column::Format;
    const auto right = Column::Align::right;
    return {{.head = "NODE", .field = "name"},
            {.head = "ROLE", .field = "role"},
            {.head = "COMMANDS/S", .field = "commands_per_s", .format = integer, .align = right},
            {.head = "HITS/S", .field = "hits_per_s", .format = integer, .align = right},
            {.head = "MISSES/S", .field = "misses_per_s", .format = integer, .align = right},
            {.head = "HIT-RATIO", .field = "hit_ratio", .format = percent, .align = right},
            {.head = "SINCE-START", .field = "hit_ratio_total", .format = percent, .align = right},
            {.head = "EVICTED/S", .field = "evicted_per_s", .format = integer, .align = right},
            {.head = "EVICTED", .field = "evicted_total", .format = integer, .align = right},
            {.head = "USED", .field = "used_bytes", .format = bytes, .align = right},
            {.head = "CLIENTS", .field = "clients", .format = integer, .align = right}};
}

Result<Report> info(App& app, const InfoOptions& o)
{
    TRY_ASSIGN(RedisServers * servers, app.redis());
    const auto deadline = app.deadline(k_read_timeout + o.window);
    TRY_ASSIGN(const auto nodes, redis::reach_nodes(*servers, deadline));
    std::vector<redis::Info> before;
    for (const auto& node : nodes) {
        before.emplace_back();
        if (node.server) {
            TRY_ASSIGN(before.back(), redis::read_info(*node.server, "", deadline));
        }
    }
    const auto from = app.clock().steady();
    app.clock().sleep(o.window);
    if (app.cancel().requested())
        return fail(ErrorKind::interrupted, "interrupted");
    Json items = Json::array();
    std::string text;
    std::vector<std::string> notes;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
        const auto& node = nodes[i];
        if (!node.server) {
            notes.push_back(fmt::format("{}: {}", node.address, node.error.message));
            items.push_back({{"name", node.address}});
            continue;
        }
        TRY_ASSIGN(const auto after, redis::read_info(*node.server, "", deadline));
        TRY(after.number("keyspace_hits"));
        const double seconds = round_trip_ms(app, from) / 1000;
        items.push_back(rates_item(node, after, redis::rates_between(before[i], after, seconds)));
        auto shown = after;
        if (!o.section.empty()) {
            TRY_ASSIGN(shown, redis::read_info(*node.server, o.section, deadline));
            if (shown.sections().empty())
                return fail(ErrorKind::not_found,
                            fmt::format("Redis {} has no section '{}'", node.address, printable(o.section)),
                            "See all: conduitctl redis info -o yaml");
            text += info_text(node.address, shown, nodes.size() > 1);
        }
        items.back()["info"] = info_json(shown);
    }
    auto report = list_report(std::move(items), rate_columns());
    report.text = std::move(text);
    (*report.data)["window_ms"] = o.window.count();
    report.verdict = notes.empty() ? ErrorKind::ok : ErrorKind::unknown;
    report.notes = std::move(notes);
    return report;
}

} // namespace

std::vector<Verb> redis_look_verbs()
{
    std::vector<Verb> verbs;
    verbs.push_back(verb(
        {.name = "ping",
         .summary = "Whether every server is there, and well",
         .text =
             "An answer alone is not enough: a server that loads its data, a replica without its master, a "
             "save that failed and an append-only file that cannot be written are exit code 13; a missing "
             "password is 5. Of a Cluster every node is asked.",
         .examples = {"conduitctl redis ping"},
         .also = {ErrorKind::breached},
         .covers = {"A-cache-clear-1", "E-chk-6"},
         .backends = {"redis"}},
        ping));
    verbs.push_back(verb<InfoOptions>(
        {.name = "info",
         .summary = "Show how busy every server is, from two samples",
         .text = "The counters of a server are totals since its start, so they are read twice: the rates and "
                 "the hit "
                 "ratio are of the window between. With a section its fields are shown as they are; -o json "
                 "has both.",
         .examples = {"conduitctl redis info", "conduitctl redis info stats",
                      "conduitctl redis info --window 10s"},
         .covers = {"E-perf-cache-1"},
         .backends = {"redis"}},
        [](Flags& f, InfoOptions& o) {
            f.arg("SECTION", o.section, "stats, memory, replication and the like").optional();
            f.opt("--window", o.window, "Between the two samples");
        },
        info));
    return verbs;
}

} // namespace conduit::commands
