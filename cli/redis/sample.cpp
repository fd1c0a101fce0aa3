// SPDX-License-Identifier: Apache-2.0
#include "cli/redis/sample.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit::redis {
namespace {

constexpr std::size_t k_page = 500;
constexpr std::size_t k_most_prefixes = 1'000;
constexpr std::size_t k_most_queues = 5;

bool is_number(std::string_view text)
{
    return !text.empty() && text.size() <= 20 &&
           text.find_first_not_of("0123456789") == std::string_view::npos;
}

// What matches is found by our own eyes when a prefix is literal: then the keys that do not match count as
// looked at.
bool wanted(const SampleOptions& options, std::string_view key)
{
    return options.prefix.empty() || key.starts_with(options.prefix);
}

void take(KeySample& sample, const SampleOptions& options, std::vector<std::string>& keys)
{
    for (auto& key : keys) {
        if (!wanted(options, key))
            continue;
        ++sample.matched;
        auto prefix = prefix_of(key);
        if (sample.prefixes.size() < k_most_prefixes || sample.prefixes.contains(prefix))
            ++sample.prefixes[std::move(prefix)];
        if (sample.some.size() < options.some)
            sample.some.push_back(std::move(key));
    }
}

} // namespace

std::string scan_command(const std::string& cursor, const std::string& pattern, std::size_t count)
{
    if (pattern.empty())
        return command({"SCAN", cursor, "COUNT", std::to_string(count)});
    return command({"SCAN", cursor, "MATCH", pattern, "COUNT", std::to_string(count)});
}

Result<ScanPage> read_page(const Reply& reply, const std::string& server)
{
    if (reply.is_error())
        return reply_error(reply, fmt::format("SCAN on Redis {}", server));
    if (!reply.is_array() || reply.items.size() != 2 || !is_number(reply.items[0].text) ||
        !reply.items[1].is_array())
        return fail(ErrorKind::unknown, fmt::format("SCAN on Redis {} gave no page of keys", server));
    ScanPage page{reply.items[0].text, {}};
    page.keys.reserve(reply.items[1].items.size());
    for (const auto& key : reply.items[1].items) {
        if (!key.is_text())
            return fail(ErrorKind::unknown, fmt::format("SCAN on Redis {} gave a key that is none", server));
        page.keys.push_back(key.text);
    }
    return page;
}

std::uint64_t KeySample::estimate() const
{
    if (whole || looked == 0)
        return matched;
    return static_cast<std::uint64_t>(static_cast<double>(matched) / static_cast<double>(looked) *
                                      static_cast<double>(std::max(total, looked)));
}

std::string prefix_of(std::string_view key)
{
    const auto colon = key.find(':');
    return colon == std::string_view::npos ? "(none)" : std::string(key.substr(0, colon + 1));
}

std::string pattern_of(const SampleOptions& options)
{
    if (!options.pattern.empty())
        return options.pattern;
    return options.prefix.empty() ? std::string() : match_literal(options.prefix) + "*";
}

Result<KeySample> sample_keys(const Masters& masters, const SampleOptions& options, Deadline deadline)
{
    KeySample sample;
    sample.whole = true;
    const auto share =
        std::max<std::size_t>(1, options.most / std::max<std::size_t>(1, masters.servers.size()));
    for (const auto& server : masters.servers) {
        TRY_ASSIGN(const auto size, server->ask({"DBSIZE"}, deadline));
        sample.total += static_cast<std::uint64_t>(std::max<std::int64_t>(0, size.integer));
        std::string cursor = "0";
        std::size_t looked = 0;
        do {
            TRY_ASSIGN(const auto replies,
                       server->pipeline(scan_command(cursor, options.pattern, k_page), 1, deadline));
            TRY_ASSIGN(auto page, read_page(replies.front(), server->name()));
            looked += options.pattern.empty() ? page.keys.size() : k_page;
            take(sample, options, page.keys);
            cursor = page.cursor;
        } while (cursor != "0" && looked < share && !deadline.passed());
        sample.looked += looked;
        sample.whole = sample.whole && cursor == "0";
    }
    return sample;
}

Result<TypeSample> sample_memory(RedisSession& server, std::size_t most, std::size_t keep, Deadline deadline)
{
    TypeSample out;
    std::string cursor = "0";
    do {
        TRY_ASSIGN(const auto scanned, server.pipeline(scan_command(cursor, "", 200), 1, deadline));
        TRY_ASSIGN(const auto page, read_page(scanned.front(), server.name()));
        std::string commands;
        for (const auto& key : page.keys)
            commands += command({"TYPE", key}) + command({"MEMORY", "USAGE", key, "SAMPLES", "5"});
        TRY_ASSIGN(const auto replies, server.pipeline(commands, page.keys.size() * 2, deadline));
        for (std::size_t i = 0; i < page.keys.size(); ++i) {
            const auto& type = replies[i * 2];
            const auto& bytes = replies[i * 2 + 1];
            if (type.is_error())
                return reply_error(type, fmt::format("TYPE on Redis {}", server.name()));
            if (bytes.is_error())
                return reply_error(bytes, fmt::format("MEMORY USAGE on Redis {}", server.name()));
            if (type.text == "none" || !bytes.is_integer())
                continue; // it went meanwhile
            ++out.types[type.text];
            if ((type.text == "list" || type.text == "stream" || type.text == "zset") &&
                out.queues.size() < k_most_queues)
                out.queues.push_back(page.keys[i]);
            out.biggest.push_back(
                {page.keys[i], type.text, static_cast<std::uint64_t>(bytes.integer), server.name()});
        }
        out.looked += page.keys.size();
        std::ranges::sort(out.biggest, std::greater{}, &BigKey::bytes);
        if (out.biggest.size() > keep)
            out.biggest.resize(keep);
        cursor = page.cursor;
    } while (cursor != "0" && out.looked < most && !deadline.passed());
    return out;
}

} // namespace conduit::redis
