// SPDX-License-Identifier: Apache-2.0
#include "core/duration.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <limits>

namespace conduit {
namespace {

struct Unit {
    std::string_view name;
    std::int64_t factor;
};
constexpr std::array k_time_units = std::to_array<Unit>(
    {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}, {"w", 604'800'000}});
constexpr std::array k_byte_units = std::to_array<Unit>({{"", 1},
                                                         {"B", 1},
                                                         {"k", 1000},
                                                         {"K", 1000},
                                                         {"M", 1'000'000},
                                                         {"G", 1'000'000'000},
                                                         {"T", 1'000'000'000'000},
                                                         {"Ki", 1LL << 10},
                                                         {"Mi", 1LL << 20},
                                                         {"Gi", 1LL << 30},
                                                         {"Ti", 1LL << 40}});

bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

std::unexpected<Error> bad(std::string_view what, std::string_view text, std::string_view hint)
{
    return fail(ErrorKind::usage, fmt::format("'{}' is not a {}", text, what), std::string(hint));
}

// Splits "15m" into 15 and "m"; advances text past both.
bool take_number(std::string_view& text, double& value)
{
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc{} || !is_digit(text.front()))
        return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

std::string_view take_unit(std::string_view& text)
{
    std::size_t n = 0;
    while (n < text.size() && !is_digit(text[n]))
        ++n;
    const auto unit = text.substr(0, n);
    text.remove_prefix(n);
    return unit;
}

const Unit* find_unit(std::span<const Unit> units, std::string_view name)
{
    for (const auto& unit : units)
        if (unit.name == name)
            return &unit;
    return nullptr;
}

} // namespace

Result<Duration> parse_duration(std::string_view text)
{
    constexpr std::string_view hint = "Write a number and a unit: 250ms, 90s, 15m, 2h, 1h30m or 7d.";
    if (text == "0")
        return Duration{0};
    if (text.empty())
        return bad("duration", text, hint);
    double total = 0;
    for (auto rest = text; !rest.empty();) {
        double number = 0;
        if (!take_number(rest, number))
            return bad("duration", text, hint);
        const auto* unit = find_unit(k_time_units, take_unit(rest));
        if (unit == nullptr)
            return bad("duration", text, hint);
        total += number * static_cast<double>(unit->factor);
    }
    if (!(total <= 1e15))
        return bad("duration", text, "Give less than 30,000 years.");
    return Duration{std::llround(total)};
}

std::string format_duration(Duration value)
{
    auto ms = value.count();
    if (ms == 0)
        return "0s";
    std::string out = ms < 0 ? "-" : "";
    ms = std::abs(ms);
    constexpr std::array shown =
        std::to_array<Unit>({{"d", 86'400'000}, {"h", 3'600'000}, {"m", 60'000}, {"s", 1000}, {"ms", 1}});
    for (const auto& [name, factor] : shown) {
        if (ms >= factor) {
            out += fmt::format("{}{}", ms / factor, name);
            ms %= factor;
        }
    }
    return out;
}

std::string human_duration(Duration value)
{
    const auto ms = value.count();
    if (ms < 0)
        return "-" + human_duration(-value);
    if (ms < 10'000)
        return fmt::format("{:.2f} s", static_cast<double>(ms) / 1000);
    if (ms < 120'000)
        return fmt::format("{} s", ms / 1000);
    const auto two = [](std::int64_t big, std::string_view b, std::int64_t small, std::string_view s) {
        return small == 0 ? fmt::format("{} {}", big, b) : fmt::format("{} {} {} {}", big, b, small, s);
    };
    if (ms < 7'200'000)
        return two(ms / 60'000, "m", ms % 60'000 / 1000, "s");
    if (ms < 172'800'000)
        return two(ms / 3'600'000, "h", ms % 3'600'000 / 60'000, "m");
    return two(ms / 86'400'000, "d", ms % 86'400'000 / 3'600'000, "h");
}

Result<std::uint64_t> parse_bytes(std::string_view text)
{
    constexpr std::string_view hint = "Write a number and a unit: 512Mi, 2Gi, 64k or plain bytes.";
    auto rest = text;
    double number = 0;
    if (text.empty() || !take_number(rest, number))
        return bad("size", text, hint);
    const auto* unit = find_unit(k_byte_units, rest);
    if (unit == nullptr)
        return bad("size", text, hint);
    const double total = number * static_cast<double>(unit->factor);
    if (!(total < 9e18))
        return bad("size", text, "Give less than 8 EiB.");
    return static_cast<std::uint64_t>(std::llround(total));
}

std::string format_bytes(std::uint64_t value)
{
    constexpr std::array names = {"", "Ki", "Mi", "Gi", "Ti"};
    std::size_t i = 0;
    while (value != 0 && value % 1024 == 0 && i + 1 < names.size()) {
        value /= 1024;
        ++i;
    }
    return fmt::format("{}{}", value, names[i]);
}

std::string human_bytes(std::uint64_t value)
{
    constexpr std::array names = {"B", "KiB", "MiB", "GiB", "TiB"};
    auto scaled = static_cast<double>(value);
    std::size_t i = 0;
    while (scaled >= 1024 && i + 1 < names.size()) {
        scaled /= 1024;
        ++i;
    }
    return i == 0 ? fmt::format("{} B", value) : fmt::format("{:.1f} {}", scaled, names[i]);
}

double Rate::per_second() const
{
    return static_cast<double>(count) * 1000.0 / static_cast<double>(window.count());
}

Result<Rate> parse_rate(std::string_view text)
{
    constexpr std::string_view hint = "Write a count and a window: 1000/h, 100/10s or 5/s; 0 means no limit.";
    if (text == "0")
        return Rate{};
    const auto slash = text.find('/');
    if (slash == std::string_view::npos || slash == 0)
        return bad("rate", text, hint);
    std::uint64_t count = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + slash, count);
    if (ec != std::errc{} || end != text.data() + slash)
        return bad("rate", text, hint);
    auto window_text = std::string(text.substr(slash + 1));
    if (!window_text.empty() && !is_digit(window_text.front()))
        window_text.insert(0, "1");
    const auto window = parse_duration(window_text);
    if (!window || window->count() <= 0)
        return bad("rate", text, hint);
    return Rate{count, *window};
}

std::string format_rate(const Rate& rate)
{
    if (rate.count == 0)
        return "0";
    auto window = format_duration(rate.window);
    if (window == "1s" || window == "1m" || window == "1h" || window == "1d")
        window.erase(0, 1);
    return fmt::format("{}/{}", rate.count, window);
}

Result<double> parse_ratio(std::string_view text)
{
    const bool percent = text.ends_with('%');
    const auto digits = percent ? text.substr(0, text.size() - 1) : text;
    double value = 0;
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || ec != std::errc{} || end != digits.data() + digits.size() || !std::isfinite(value))
        return bad("ratio", text, "Write a percentage such as 20% or a fraction such as 0.2.");
    return percent ? value / 100 : value;
}

} // namespace conduit
