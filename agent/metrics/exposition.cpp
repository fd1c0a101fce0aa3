// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/exposition.hpp"

#include "core/text.hpp"

#include <cmath>
#include <fmt/format.h>

namespace conduit::agent {
namespace {

void append_escaped(std::string& out, std::string_view value)
{
    for (const char c : value) {
        if (c == '\\')
            out += "\\\\";
        else if (c == '"')
            out += "\\\"";
        else if (c == '\n')
            out += "\\n";
        else
            out += c;
    }
}

} // namespace

std::string format_number(double value)
{
    if (std::isnan(value))
        return "NaN";
    if (std::isinf(value))
        return value > 0 ? "+Inf" : "-Inf";
    if (value == std::floor(value) && std::abs(value) < 1e15)
        return fmt::format("{}", static_cast<std::int64_t>(value));
    return fmt::format("{}", value);
}

void Exposition::family(std::string_view name, std::string_view help, std::string_view type)
{
    name_ = name;
    text_ += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, help, name, type);
}

void Exposition::sample(std::string_view suffix, std::span<const Label> labels, double value)
{
    text_ += name_;
    text_ += suffix;
    char separator = '{';
    for (const auto& [name, text] : labels) {
        text_ += separator;
        text_ += name;
        text_ += "=\"";
        if (is_valid_utf8(text))
            append_escaped(text_, text);
        else
            append_escaped(text_, sanitize_utf8(text));
        text_ += '"';
        separator = ',';
    }
    if (separator == ',')
        text_ += '}';
    text_ += ' ';
    text_ += format_number(value);
    text_ += '\n';
}

void Exposition::gauge(std::string_view name, std::string_view help, double value)
{
    family(name, help, "gauge");
    sample({}, value);
}

void Exposition::counter(std::string_view name, std::string_view help, double value)
{
    family(name, help, "counter");
    sample({}, value);
}

} // namespace conduit::agent
