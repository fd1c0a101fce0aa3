// SPDX-License-Identifier: Apache-2.0
#include "agent/server/log.hpp"

#include "core/text.hpp"

#include <unistd.h>

namespace conduit::agent {

namespace {

void append_quoted(std::string& out, std::string_view text)
{
    constexpr std::string_view digits = "0123456789abcdef";
    const std::string clean = sanitize_utf8(text.substr(0, 2000));
    out.push_back('"');
    for (const char c : clean) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
        } else if (byte < 0x20 || byte == 0x7f) {
            out += "\\u00";
            out.push_back(digits[byte >> 4U]);
            out.push_back(digits[byte & 15U]);
        } else {
            out.push_back(c);
        }
    }
    out.push_back('"');
}

void append_value(std::string& out, const Log::Value& value)
{
    if (const auto* text = std::get_if<std::string_view>(&value))
        append_quoted(out, *text);
    else if (const auto* number = std::get_if<std::int64_t>(&value))
        out += std::to_string(*number);
    else
        out += std::get<bool>(value) ? "true" : "false";
}

} // namespace

void Log::info(std::string_view message, std::initializer_list<Field> fields) const
{
    write("info", message, fields);
}

void Log::warn(std::string_view message, std::initializer_list<Field> fields) const
{
    write("warn", message, fields);
}

void Log::error(std::string_view message, std::initializer_list<Field> fields) const
{
    write("error", message, fields);
}

void Log::write(std::string_view level, std::string_view message, std::initializer_list<Field> fields) const
{
    std::string line = R"({"time":")" + format_time(system_clock().now()) + R"(","level":")";
    line += level;
    line += R"(","msg":)";
    append_quoted(line, message);
    for (const auto& [name, value] : fields) {
        line += ",\"";
        line += name;
        line += "\":";
        append_value(line, value);
    }
    line += "}\n";
    // One write a line, so that lines of different threads do not mix. A log nobody takes is not our failure.
    [[maybe_unused]] const ssize_t ignored = ::write(fd_, line.data(), line.size());
}

} // namespace conduit::agent
