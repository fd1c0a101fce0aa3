// SPDX-License-Identifier: Apache-2.0
#include "agent/records/record_batch.hpp"

#include "core/json.hpp"
#include "core/json_text.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

template <class T> T number_or(const Json& line, std::string_view key, T otherwise)
{
    const auto value = json_number_or(line, key, static_cast<double>(otherwise));
    return value >= 0 && value < 9e15 ? static_cast<T>(value) : otherwise;
}

template <class T> std::optional<T> named(const Json& line, std::string_view key, T last, auto name_of)
{
    const auto text = json_string_or(line, key, "");
    for (unsigned i = 0; i <= static_cast<unsigned>(last); ++i)
        if (name_of(static_cast<T>(i)) == text)
            return static_cast<T>(i);
    return std::nullopt;
}

double number(double value) // JSON has no infinity
{
    return std::isfinite(value) ? value : 0.0;
}

} // namespace

// Written for every record that the store has not taken yet: no document is built for it.
std::string record_line(const RequestRecord& r)
{
    return fmt::format(
        R"({{"time":{},"request_id":{},"key":{},"operation":{},"provider":{},"model":{},"voice":{},"language":{},)"
        R"("status":{},"error":{},"outcome":{},"cache":{},"attempts":{},"streamed":{},"bytes_in":{},"bytes_out":{},)"
        R"("characters":{},"tokens":{},"audio_seconds":{},"cost_usd":{},"total_us":{},"first_byte_us":{},)"
        R"("overhead_us":{}}})",
        r.time.time_since_epoch().count(), quoted_json(r.request_id), quoted_json(r.key_id),
        quoted_json(operation_name(r.operation)), quoted_json(r.provider), quoted_json(r.model),
        quoted_json(r.voice), quoted_json(r.language), r.status, quoted_json(r.error),
        quoted_json(outcome_name(r.outcome)), quoted_json(cache_use_name(r.cache)), r.attempts, r.streamed,
        r.bytes_in, r.bytes_out, r.characters, r.tokens, number(r.audio_seconds), number(r.cost_usd),
        r.total_us, r.first_byte_us, r.overhead_us);
}

std::optional<RequestRecord> parse_record_line(std::string_view text)
{
    const auto parsed = parse_json(text, {65'536, 4});
    if (!parsed || !parsed->is_object())
        return std::nullopt;
    const auto& line = *parsed;
    const auto operation = named(line, "operation", Operation::chat, operation_name);
    const auto outcome = named(line, "outcome", Outcome::cancelled, outcome_name);
    const auto cache = named(line, "cache", CacheUse::joined, cache_use_name);
    if (!operation || !outcome || !cache)
        return std::nullopt;
    RequestRecord r;
    r.time = WallTime{std::chrono::milliseconds{number_or<std::int64_t>(line, "time", 0)}};
    r.request_id = json_string_or(line, "request_id", "");
    r.key_id = json_string_or(line, "key", "");
    r.operation = *operation;
    r.provider = json_string_or(line, "provider", "");
    r.model = json_string_or(line, "model", "");
    r.voice = json_string_or(line, "voice", "");
    r.language = json_string_or(line, "language", "");
    r.status = number_or<int>(line, "status", 0);
    r.error = json_string_or(line, "error", "");
    r.outcome = *outcome;
    r.cache = *cache;
    r.attempts = number_or<std::uint32_t>(line, "attempts", 0);
    r.streamed = json_bool_or(line, "streamed", false);
    r.bytes_in = number_or<std::uint64_t>(line, "bytes_in", 0);
    r.bytes_out = number_or<std::uint64_t>(line, "bytes_out", 0);
    r.characters = number_or<std::uint32_t>(line, "characters", 0);
    r.tokens = number_or<std::uint32_t>(line, "tokens", 0);
    r.audio_seconds = std::max(0.0, json_number_or(line, "audio_seconds", 0));
    r.cost_usd = std::max(0.0, json_number_or(line, "cost_usd", 0));
    r.total_us = number_or<std::uint32_t>(line, "total_us", 0);
    r.first_byte_us = number_or<std::uint32_t>(line, "first_byte_us", 0);
    r.overhead_us = number_or<std::uint32_t>(line, "overhead_us", 0);
    return r;
}

} // namespace conduit::agent
