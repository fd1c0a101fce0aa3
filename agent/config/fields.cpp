// SPDX-License-Identifier: Apache-2.0
#include "agent/config/fields.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fmt/format.h>

namespace conduit::agent {
namespace {

constexpr Duration k_longest{365LL * 24 * 3600 * 1000};
constexpr std::size_t k_max_secret = 64U << 10U;

fs::path absolute_path(const fs::path& folder, std::string_view text)
{
    const fs::path path(text);
    return path.is_absolute() || folder.empty() ? path : folder / path;
}

Result<std::string> resolve_secret(const YamlNode& node, std::string_view text, FieldContext& context)
{
    if (text.starts_with("env:")) {
        const std::string name(text.substr(4));
        const char* value = std::getenv(name.c_str()); // NOLINT(concurrency-mt-unsafe): nobody calls setenv
        if (value == nullptr || *value == '\0')
            return node.error(fmt::format("the environment variable {} is not set", printable(name)));
        return std::string(value);
    }
    if (!text.starts_with("file:"))
        return node.error("a secret is named here, not written",
                          "Write file:PATH or env:NAME, so that the secret stays out of the configuration.");
    const auto path = absolute_path(context.folder, text.substr(5));
    context.secret_files.push_back(path);
    auto content = read_file(path, k_max_secret);
    if (!content)
        return node.error(fmt::format("the secret cannot be read: {}", content.error().message),
                          content.error().hint);
    while (content->ends_with('\n') || content->ends_with('\r'))
        content->pop_back();
    if (content->empty())
        return node.error(fmt::format("the secret file {} is empty", path.string()));
    if (content->find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos)
        return node.error(fmt::format("the secret file {} has more than one line", path.string()));
    return content;
}

} // namespace

Fields::Fields(YamlNode node, std::string_view name, FieldContext& context)
    : node_(std::move(node)), context_(context)
{
    if (!node_.is_null() && !node_.is_map())
        report(node_.error(fmt::format("'{}' must be a map of settings", name)));
}

Fields::~Fields()
{
    for (auto& error : node_.unknown_keys(known_))
        report(std::move(error));
}

YamlNode Fields::take(std::string_view key)
{
    if (std::ranges::find(known_, key) == known_.end())
        known_.push_back(key);
    return node_.get(key);
}

template <class T, class Read> void Fields::read(std::string_view key, T& out, Read read)
{
    const auto node = take(key);
    if (!node.exists())
        return;
    if (node.is_null())
        return report(node.error(fmt::format("'{}' has no value", key)));
    auto value = read(node);
    if (value)
        out = *std::move(value);
    else
        report(std::move(value).error());
}

void Fields::text(std::string_view key, std::string& out)
{
    read(key, out, [](const YamlNode& node) { return node.as_string(); });
}

void Fields::flag(std::string_view key, bool& out)
{
    read(key, out, [](const YamlNode& node) { return node.as_bool(); });
}

void Fields::count(std::string_view key, std::uint32_t& out, std::uint32_t low, std::uint32_t high)
{
    read(key, out, [&](const YamlNode& node) -> Result<std::uint32_t> {
        TRY_ASSIGN(const auto value, node.as_int());
        if (value < low || value > high)
            return node.error(fmt::format("'{}' must be from {} to {}, not {}", key, low, high, value));
        return static_cast<std::uint32_t>(value);
    });
}

void Fields::bytes(std::string_view key, std::uint64_t& out, std::uint64_t low, std::uint64_t high)
{
    read(key, out, [&](const YamlNode& node) -> Result<std::uint64_t> {
        TRY_ASSIGN(const auto value, node.as_bytes());
        if (value < low || value > high)
            return node.error(fmt::format("'{}' must be from {} to {}, not {}", key, format_bytes(low),
                                          format_bytes(high), format_bytes(value)));
        return value;
    });
}

void Fields::money(std::string_view key, double& out)
{
    read(key, out, [&](const YamlNode& node) -> Result<double> {
        TRY_ASSIGN(const auto value, node.as_double());
        if (!std::isfinite(value) || value < 0 || value > 1000)
            return node.error(fmt::format("'{}' must be a price from 0 to 1000 US dollars", key));
        return value;
    });
}

void Fields::ratio(std::string_view key, double& out)
{
    read(key, out, [&](const YamlNode& node) -> Result<double> {
        TRY_ASSIGN(const auto value, node.as_ratio());
        if (!std::isfinite(value) || value < 0 || value > 1)
            return node.error(fmt::format("'{}' must be from 0% to 100%", key));
        return value;
    });
}

void Fields::rate(std::string_view key, Rate& out)
{
    read(key, out, [](const YamlNode& node) { return node.as_rate(); });
}

void Fields::duration(std::string_view key, Duration& out)
{
    read(key, out, [&](const YamlNode& node) -> Result<Duration> {
        TRY_ASSIGN(const auto value, node.as_duration());
        if (value <= Duration{0} || value > k_longest)
            return node.error(
                fmt::format("'{}' must be longer than 0 and at most {}", key, format_duration(k_longest)));
        return value;
    });
}

void Fields::path(std::string_view key, fs::path& out)
{
    read(key, out, [&](const YamlNode& node) -> Result<fs::path> {
        TRY_ASSIGN(const auto value, node.as_string());
        if (value.empty())
            return node.error(fmt::format("'{}' must name a file", key));
        return absolute_path(context_.folder, value);
    });
}

void Fields::choice(std::string_view key, std::string& out, std::span<const std::string_view> allowed)
{
    read(key, out, [&](const YamlNode& node) -> Result<std::string> {
        TRY_ASSIGN(auto value, node.as_string());
        const std::vector<std::string> names(allowed.begin(), allowed.end());
        if (std::ranges::find(allowed, value) == allowed.end())
            return node.error(
                fmt::format("'{}' must be one of {}, not '{}'", key, join(names, ", "), printable(value)));
        return value;
    });
}

void Fields::secret(std::string_view key, std::string& out)
{
    read(key, out, [&](const YamlNode& node) -> Result<std::string> {
        TRY_ASSIGN(const auto value, node.as_string());
        return resolve_secret(node, value, context_);
    });
}

} // namespace conduit::agent
