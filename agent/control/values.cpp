// SPDX-License-Identifier: Apache-2.0
#include "agent/control/paths.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

std::unexpected<Error> expected(std::string_view what, const Json& value)
{
    auto shown = dump_json(value);
    if (shown.size() > 80)
        shown = shown.substr(0, 77) + "...";
    return fail(ErrorKind::usage, fmt::format("{} is expected, not {}", what, printable(shown)));
}

constexpr Duration k_longest{365LL * 24 * 3600 * 1000};

} // namespace

Result<std::int64_t> int_value(const Json& value, std::int64_t low, std::int64_t high)
{
    const bool fits = value.is_number_integer() &&
                      (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX) &&
                      value.get<std::int64_t>() >= low && value.get<std::int64_t>() <= high;
    if (!fits)
        return expected(fmt::format("a whole number from {} to {}", low, high), value);
    return value.get<std::int64_t>();
}

Result<bool> bool_value(const Json& value)
{
    if (!value.is_boolean())
        return expected("true or false", value);
    return value.get<bool>();
}

Result<std::string> text_value(const Json& value, std::size_t longest)
{
    if (!value.is_string() || value.get_ref<const std::string&>().size() > longest ||
        !is_valid_utf8(value.get_ref<const std::string&>()))
        return expected(fmt::format("a text of at most {} bytes", longest), value);
    return value.get<std::string>();
}

Result<Duration> duration_value(const Json& value)
{
    const auto parsed = value.is_string() ? parse_duration(value.get_ref<const std::string&>())
                                          : Result<Duration>(Error{ErrorKind::usage, ""});
    if (!parsed || *parsed <= Duration{0} || *parsed > k_longest)
        return expected("a duration longer than 0 (\"120s\")", value);
    return *parsed;
}

Result<Rate> rate_value(const Json& value)
{
    if (value.is_number_integer() && value == 0)
        return Rate{};
    const auto parsed = value.is_string() ? parse_rate(value.get_ref<const std::string&>())
                                          : Result<Rate>(Error{ErrorKind::usage, ""});
    if (!parsed)
        return expected("a rate (\"1000/h\", \"0\" for no limit)", value);
    return *parsed;
}

} // namespace conduit::agent
