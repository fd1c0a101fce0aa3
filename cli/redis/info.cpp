// SPDX-License-Identifier: Apache-2.0
#include "cli/redis/info.hpp"

#include "core/text.hpp"

#include <charconv>
#include <cmath>
#include <fmt/format.h>

namespace conduit::redis {
namespace {

std::optional<double> number_of(std::string_view text)
{
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
        return std::nullopt;
    return value;
}

std::optional<double> ratio_of(std::optional<double> hits, std::optional<double> misses)
{
    if (!hits || !misses || *hits + *misses <= 0)
        return std::nullopt;
    return *hits / (*hits + *misses);
}

} // namespace

Info Info::parse(std::string_view text)
{
    Info out;
    for (const auto& raw : split(text, '\n')) {
        const auto line = trim(raw);
        if (line.starts_with('#')) {
            out.sections_.emplace_back(to_lower(trim(line.substr(1))),
                                       std::vector<std::pair<std::string, std::string>>{});
            continue;
        }
        const auto colon = line.find(':');
        if (colon == std::string_view::npos)
            continue;
        if (out.sections_.empty())
            out.sections_.emplace_back();
        std::string name(line.substr(0, colon)), value(line.substr(colon + 1));
        out.sections_.back().second.emplace_back(name, value);
        out.fields_.insert_or_assign(std::move(name), std::move(value));
    }
    return out;
}

Result<std::string> Info::text(std::string_view field) const
{
    const auto found = fields_.find(field);
    if (found == fields_.end())
        return fail(ErrorKind::unknown, fmt::format("INFO of Redis has no {}", field),
                    "Look at it: conduitctl redis info");
    return found->second;
}

Result<double> Info::number(std::string_view field) const
{
    TRY_ASSIGN(const auto value, text(field));
    if (const auto number = number_of(value))
        return *number;
    return fail(ErrorKind::unknown, fmt::format("{} of INFO is no number: '{}'", field, printable(value)),
                "Look at it: conduitctl redis info");
}

std::string Info::text_or(std::string_view field, std::string_view otherwise) const
{
    const auto found = fields_.find(field);
    return found == fields_.end() ? std::string(otherwise) : found->second;
}

std::optional<double> Info::maybe(std::string_view field) const
{
    const auto found = fields_.find(field);
    return found == fields_.end() ? std::nullopt : number_of(found->second);
}

Result<Info> read_info(RedisSession& server, std::string_view section, Deadline deadline)
{
    TRY_ASSIGN(const auto reply,
               section.empty() ? server.ask({"INFO"}, deadline) : server.ask({"INFO", section}, deadline));
    if (!reply.is_text())
        return fail(ErrorKind::unknown, fmt::format("INFO of Redis {} is no text", server.name()));
    return Info::parse(reply.text);
}

Rates rates_between(const Info& before, const Info& after, double seconds)
{
    const auto delta = [&](std::string_view field) -> std::optional<double> {
        const auto from = before.maybe(field), to = after.maybe(field);
        if (!from || !to || *to < *from || seconds <= 0)
            return std::nullopt;
        return (*to - *from) / seconds;
    };
    Rates out;
    out.hits = delta("keyspace_hits");
    out.misses = delta("keyspace_misses");
    out.evicted = delta("evicted_keys");
    out.expired = delta("expired_keys");
    out.commands = delta("total_commands_processed");
    out.hit_ratio = ratio_of(out.hits, out.misses);
    out.hit_ratio_total = ratio_of(after.maybe("keyspace_hits"), after.maybe("keyspace_misses"));
    return out;
}

bool is_cluster(const Info& info)
{
    return info.text_or("redis_mode", "") == "cluster" || info.text_or("cluster_enabled", "0") == "1";
}

bool is_master(const Info& info)
{
    return info.text_or("role", "") == "master";
}

} // namespace conduit::redis
