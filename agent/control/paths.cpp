// SPDX-License-Identifier: Apache-2.0
#include "agent/control/paths.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::int64_t k_max_epoch = INT64_MAX / 2;
constexpr std::int64_t k_max_cache = std::int64_t{1} << 40;
constexpr std::size_t k_max_text = 500;

ProviderConfig& provider(Snapshot& s, PathParts p)
{
    return *find_provider(s.config, p[1]); // match_path has seen that it exists
}
const ProviderConfig& provider(const Snapshot& s, PathParts p)
{
    return *find_provider(s.config, p[1]);
}

Operation operation(std::string_view name)
{
    return *std::ranges::find(k_operations, name, operation_name);
}

Result<> done(const auto& result)
{
    if (!result)
        return std::unexpected(result.error());
    return {};
}

Result<> check_bool(const Config&, PathParts, const Json& v)
{
    return done(bool_value(v));
}
Result<> check_duration(const Config&, PathParts, const Json& v)
{
    return done(duration_value(v));
}
Result<> check_rate(const Config&, PathParts, const Json& v)
{
    return done(rate_value(v));
}
Result<> check_epoch(const Config&, PathParts, const Json& v)
{
    return done(int_value(v, 0, k_max_epoch));
}
Result<> check_name(const Config&, PathParts, const Json& v)
{
    TRY_ASSIGN(const auto text, text_value(v, 200));
    if (text.empty())
        return fail(ErrorKind::usage, "a name is expected, not \"\"");
    return {};
}
Result<> check_url(const Config& config, PathParts p, const Json& v)
{
    TRY_ASSIGN(const auto text, text_value(v, 2000));
    return check_endpoint(text, find_provider(config, p[1])->insecure);
}

Result<> check_region(const Config& config, PathParts p, const Json& v)
{
    TRY_ASSIGN(const auto name, text_value(v, 128));
    const auto& owner = *find_provider(config, p[1]);
    if (owner.kind == ProviderKind::aws) {
        if (!is_path_name(name))
            return fail(ErrorKind::usage, fmt::format("'{}' cannot be an AWS region", printable(name)));
        return {};
    }
    if (name.empty() || owner.regions.contains(name))
        return {};
    std::vector<std::string> names;
    for (const auto& [region, url] : owner.regions)
        names.push_back(region);
    return fail(ErrorKind::usage, unknown_name("region", name, names),
                fmt::format("Set providers/{}/regions/{} to its URL first.", p[1], printable(name)));
}

Result<> check_clear(const Config&, PathParts, const Json& v)
{
    if (!v.is_object() || v.size() != 2 || !v.contains("epoch") || !v.contains("prefix"))
        return fail(ErrorKind::usage, R"(an object {"epoch": N, "prefix": TEXT} is expected)");
    TRY(int_value(v["epoch"], 0, k_max_epoch));
    TRY_ASSIGN(const auto prefix, text_value(v["prefix"], 200));
    if (prefix.empty())
        return fail(ErrorKind::usage, "a cache prefix is expected, not \"\"",
                    "Use audio: for everything, audio:tts: or audio:stt: for one kind.");
    return {};
}

Result<> check_emergency(const Config&, PathParts, const Json& v)
{
    if (!v.is_object() || v.size() != 1 || !v.contains("requests_per_minute"))
        return fail(ErrorKind::usage, R"(an object {"requests_per_minute": N} is expected)");
    return done(int_value(v["requests_per_minute"], 1, 1'000'000'000));
}

Result<> check_block(const Config&, PathParts, const Json& v)
{
    if (!v.is_object() || (!v.empty() && (v.size() != 1 || !v.contains("reason"))))
        return fail(ErrorKind::usage, R"(an object {"reason": TEXT} is expected)");
    return v.empty() ? Result<>{} : done(text_value(v["reason"], k_max_text));
}

Json duration_json(Duration value)
{
    return format_duration(value);
}

// Rows of the same shape differ only in the member they name.
template <auto Member> void set_provider_count(Snapshot& s, PathParts p, const Json& v)
{
    provider(s, p).*Member = v.get<std::uint32_t>();
}
template <auto Member> void set_provider_duration(Snapshot& s, PathParts p, const Json& v)
{
    provider(s, p).*Member = *duration_value(v);
}
template <auto Section, auto Member> void set_duration(Snapshot& s, PathParts, const Json& v)
{
    s.config.*Section.*Member = *duration_value(v);
}
template <auto Section, auto Member> Json get_duration(const Snapshot& s, PathParts)
{
    return duration_json(s.config.*Section.*Member);
}
template <auto Section, auto Member> void set_bool(Snapshot& s, PathParts, const Json& v)
{
    s.config.*Section.*Member = v.get<bool>();
}
template <auto Section, auto Member> Json get_plain(const Snapshot& s, PathParts)
{
    return s.config.*Section.*Member;
}
template <auto Member> void set_rate(Snapshot& s, PathParts, const Json& v)
{
    s.config.limits.*Member = *rate_value(v);
}
template <auto Member> Json get_rate(const Snapshot& s, PathParts)
{
    return format_rate(s.config.limits.*Member);
}
template <auto Member> Json get_provider(const Snapshot& s, PathParts p)
{
    return provider(s, p).*Member;
}
template <auto Member> Json get_provider_duration(const Snapshot& s, PathParts p)
{
    return duration_json(provider(s, p).*Member);
}

using P = ProviderConfig;
using C = Config;

constexpr std::array k_provider_rules{
    PathRule{"providers/<provider>/enabled", "true or false", check_bool,
             [](Snapshot& s, PathParts p, const Json& v) { provider(s, p).enabled = v.get<bool>(); },
             get_provider<&P::enabled>},
    PathRule{"providers/<provider>/weight", "a whole number from 0 to 1000",
             [](const Config&, PathParts, const Json& v) { return done(int_value(v, 0, k_max_weight)); },
             [](Snapshot& s, PathParts p, const Json& v) { provider(s, p).weight = v.get<int>(); },
             get_provider<&P::weight>},
    PathRule{"providers/<provider>/max_connections", "a whole number from 1 to 100000",
             [](const Config&, PathParts, const Json& v) { return done(int_value(v, 1, 100'000)); },
             set_provider_count<&P::max_connections>, get_provider<&P::max_connections>},
    PathRule{"providers/<provider>/max_concurrent", "a whole number from 1 to 1000000",
             [](const Config&, PathParts, const Json& v) { return done(int_value(v, 1, 1'000'000)); },
             set_provider_count<&P::max_concurrent>, get_provider<&P::max_concurrent>},
    PathRule{"providers/<provider>/timeout", "a duration", check_duration, set_provider_duration<&P::timeout>,
             get_provider_duration<&P::timeout>},
    PathRule{"providers/<provider>/first_byte_timeout", "a duration", check_duration,
             set_provider_duration<&P::first_byte_timeout>, get_provider_duration<&P::first_byte_timeout>},
    PathRule{"providers/<provider>/realtime_drain", "a duration", check_duration,
             set_provider_duration<&P::realtime_drain>, get_provider_duration<&P::realtime_drain>},
    PathRule{"providers/<provider>/endpoint", "a URL", check_url,
             [](Snapshot& s, PathParts p, const Json& v) { provider(s, p).endpoint = v.get<std::string>(); },
             get_provider<&P::endpoint>},
    PathRule{
        "providers/<provider>/regions/<region>", "a URL", check_url,
        [](Snapshot& s, PathParts p, const Json& v) { provider(s, p).regions[p[3]] = v.get<std::string>(); },
        [](const Snapshot& s, PathParts p) {
            const auto& regions = provider(s, p).regions;
            const auto it = regions.find(p[3]);
            return it == regions.end() ? Json(nullptr) : Json(it->second);
        }},
    PathRule{"providers/<provider>/region", "the name of a region of this provider", check_region,
             [](Snapshot& s, PathParts p, const Json& v) { provider(s, p).region = v.get<std::string>(); },
             get_provider<&P::region>},
    PathRule{"providers/<provider>/models/<operation>", "the name of a model", check_name,
             [](Snapshot& s, PathParts p, const Json& v) {
                 provider(s, p).models[operation(p[3])] = v.get<std::string>();
             },
             [](const Snapshot& s, PathParts p) {
                 const auto& models = provider(s, p).models;
                 const auto it = models.find(operation(p[3]));
                 return it == models.end() ? Json(nullptr) : Json(it->second);
             }},
    PathRule{"providers/<provider>/circuit_epoch", "a whole number, higher than before", check_epoch,
             [](Snapshot& s, PathParts p, const Json& v) { s.circuit_epochs[p[1]] = v.get<std::uint64_t>(); },
             [](const Snapshot& s, PathParts p) {
                 const auto it = s.circuit_epochs.find(p[1]);
                 return Json(it == s.circuit_epochs.end() ? 0 : it->second);
             }},
};

constexpr std::array k_other_rules{
    PathRule{"pool/reset_epoch", "a whole number, higher than before", check_epoch,
             [](Snapshot& s, PathParts, const Json& v) { s.pool_reset_epoch = v.get<std::uint64_t>(); },
             [](const Snapshot& s, PathParts) { return Json(s.pool_reset_epoch); }},
    PathRule{"pool/realtime_drain", "a duration", check_duration,
             set_duration<&C::pool, &PoolConfig::realtime_drain>,
             get_duration<&C::pool, &PoolConfig::realtime_drain>},
    PathRule{"pool/max_idle", "a duration", check_duration, set_duration<&C::pool, &PoolConfig::max_idle>,
             get_duration<&C::pool, &PoolConfig::max_idle>},
    PathRule{"pool/connect_timeout", "a duration", check_duration,
             set_duration<&C::pool, &PoolConfig::connect_timeout>,
             get_duration<&C::pool, &PoolConfig::connect_timeout>},
    PathRule{"cache/ttl/speech", "a duration", check_duration,
             set_duration<&C::cache, &CacheConfig::ttl_speech>,
             get_duration<&C::cache, &CacheConfig::ttl_speech>},
    PathRule{"cache/ttl/transcription", "a duration", check_duration,
             set_duration<&C::cache, &CacheConfig::ttl_transcription>,
             get_duration<&C::cache, &CacheConfig::ttl_transcription>},
    PathRule{"cache/max_bytes", "a whole number of bytes",
             [](const Config&, PathParts, const Json& v) { return done(int_value(v, 0, k_max_cache)); },
             [](Snapshot& s, PathParts, const Json& v) { s.config.cache.max_bytes = v.get<std::uint64_t>(); },
             get_plain<&C::cache, &CacheConfig::max_bytes>},
    PathRule{"cache/enabled", "true or false", check_bool, set_bool<&C::cache, &CacheConfig::enabled>,
             get_plain<&C::cache, &CacheConfig::enabled>},
    PathRule{"cache/clear", R"({"epoch": a higher number, "prefix": text})", check_clear,
             [](Snapshot& s, PathParts, const Json& v) {
                 s.cache_clear = {v["epoch"].get<std::uint64_t>(), v["prefix"].get<std::string>()};
             },
             [](const Snapshot& s, PathParts) {
                 return Json{{"epoch", s.cache_clear.epoch}, {"prefix", s.cache_clear.prefix}};
             }},
    PathRule{"limits/per_key", "a rate", check_rate, set_rate<&LimitsConfig::per_key>,
             get_rate<&LimitsConfig::per_key>},
    PathRule{"limits/global", "a rate", check_rate, set_rate<&LimitsConfig::global>,
             get_rate<&LimitsConfig::global>},
    PathRule{"limits/keys/<key>", "a rate", check_rate,
             [](Snapshot&, PathParts, const Json&) {}, // laid over when the key table is built
             [](const Snapshot& s, PathParts p) {
                 const auto* key = s.keys.find_id(p[2]);
                 return Json(format_rate(key != nullptr && key->limit.count > 0 ? key->limit
                                                                                : s.config.limits.per_key));
             }},
    PathRule{"limits/emergency", R"({"requests_per_minute": N})", check_emergency,
             [](Snapshot& s, PathParts, const Json& v) {
                 s.emergency_rpm = v["requests_per_minute"].get<std::uint32_t>();
             },
             [](const Snapshot& s, PathParts) {
                 return s.emergency_rpm ? Json{{"requests_per_minute", *s.emergency_rpm}} : Json(nullptr);
             }},
    PathRule{"blocklist/<key>", R"({"reason": text})", check_block,
             [](Snapshot& s, PathParts p, const Json&) { s.blocklist.insert(p[1]); },
             [](const Snapshot& s, PathParts p) {
                 const auto it = s.state.overrides.find("blocklist/" + p[1]);
                 return it == s.state.overrides.end() ? Json(nullptr) : *it->second.value;
             }},
    PathRule{"safety/enabled", "true or false", check_bool, set_bool<&C::safety, &SafetyConfig::enabled>,
             get_plain<&C::safety, &SafetyConfig::enabled>},
    PathRule{"safety/emergency", "true or false", check_bool, set_bool<&C::safety, &SafetyConfig::emergency>,
             get_plain<&C::safety, &SafetyConfig::emergency>},
};

constexpr auto k_rules = [] {
    std::array<PathRule, k_provider_rules.size() + k_other_rules.size()> all{};
    std::ranges::copy(k_provider_rules, all.begin());
    std::ranges::copy(k_other_rules, all.begin() + k_provider_rules.size());
    return all;
}();

bool same_shape(const std::vector<std::string>& pattern, const std::vector<std::string>& parts)
{
    if (pattern.size() != parts.size())
        return false;
    for (std::size_t i = 0; i < parts.size(); ++i)
        if (!pattern[i].starts_with('<') && pattern[i] != parts[i])
            return false;
    return true;
}

Result<> check_part(const Config& config, std::string_view wildcard, const std::string& part)
{
    std::vector<std::string> names;
    if (wildcard == "<provider>")
        for (const auto& p : config.providers)
            names.push_back(p.name);
    else if (wildcard == "<operation>")
        for (const auto known : k_operations)
            names.emplace_back(operation_name(known));
    else if (!is_path_name(part))
        return fail(ErrorKind::usage, fmt::format("'{}' cannot be part of a path", printable(part)),
                    "Names are 1 to 128 letters, digits or ._:@-");
    else
        return {};
    if (std::ranges::find(names, part) == names.end())
        return fail(ErrorKind::not_found, unknown_name(wildcard.substr(1, wildcard.size() - 2), part, names));
    return {};
}

std::vector<std::string> concrete_paths(const Config& config)
{
    std::vector<std::string> paths;
    for (const auto& rule : k_rules)
        if (!rule.pattern.starts_with("providers/"))
            paths.emplace_back(rule.pattern);
        else
            for (const auto& p : config.providers)
                paths.push_back(replace_all(std::string(rule.pattern), "<provider>", p.name));
    return paths;
}

} // namespace

std::span<const PathRule> path_rules()
{
    return k_rules;
}

Result<PathMatch> match_path(const Config& config, std::string_view path)
{
    if (path.size() > 512)
        return fail(ErrorKind::usage, "a path is longer than 512 bytes");
    PathMatch match{nullptr, split(path, '/')};
    for (const auto& rule : k_rules) {
        const auto pattern = split(rule.pattern, '/');
        if (!same_shape(pattern, match.parts))
            continue;
        for (std::size_t i = 0; i < pattern.size(); ++i)
            if (pattern[i].starts_with('<'))
                TRY(check_part(config, pattern[i], match.parts[i]));
        match.rule = &rule;
        return match;
    }
    return fail(ErrorKind::not_found, unknown_name("path", printable(path), concrete_paths(config)),
                "The paths that exist are listed in /admin/v1/openapi.json.");
}

std::vector<PathInfo> known_paths()
{
    std::vector<PathInfo> paths;
    for (const auto& rule : k_rules)
        paths.push_back({rule.pattern, rule.value});
    return paths;
}

} // namespace conduit::agent
