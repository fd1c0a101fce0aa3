// SPDX-License-Identifier: Apache-2.0
#include "core/yaml_edit.hpp"

#include "core/text.hpp"
#include "core/yaml.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

constexpr std::size_t k_step = 2; // of indentation, for maps that are new

using Lines = std::vector<std::string>;
using Path = std::span<const std::string>;

std::size_t indent_of(std::string_view line)
{
    return std::min(line.find_first_not_of(' '), line.size());
}

bool says_nothing(std::string_view line) // blank, or a comment
{
    const auto at = indent_of(line);
    return at == line.size() || line[at] == '#' || line[at] == '\r';
}

// Where the value of "key: value # comment" begins; npos: the line has another key.
std::size_t after_key(std::string_view line, std::string_view key)
{
    const auto at = indent_of(line);
    for (const auto& written :
         {fmt::format("{}:", key), fmt::format("\"{}\":", key), fmt::format("'{}':", key)}) {
        const auto end = at + written.size();
        if (line.substr(at).starts_with(written) && (end == line.size() || line[end] == ' '))
            return end;
    }
    return std::string_view::npos;
}

// Where the comment begins, the blanks before it included.
std::size_t comment_at(std::string_view line, std::size_t from)
{
    char quote = '\0';
    for (auto i = from; i < line.size(); ++i) {
        const char c = line[i];
        if (quote != '\0')
            quote = c == quote ? '\0' : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '#' && line[i - 1] == ' ')
            return line.find_last_not_of(' ', i - 1) + 1;
    }
    return line.size();
}

struct Range {
    std::size_t begin = 0;
    std::size_t end = 0;
};

// The lines below a key's line that belong to it.
Range children(const Lines& lines, std::size_t key_line, std::size_t limit)
{
    const auto indent = indent_of(lines[key_line]);
    Range range{key_line + 1, key_line + 1};
    for (auto i = key_line + 1; i < limit; ++i) {
        if (says_nothing(lines[i]))
            continue;
        if (indent_of(lines[i]) <= indent)
            break;
        range.end = i + 1;
    }
    return range;
}

std::size_t first_indent(const Lines& lines, Range range, std::size_t otherwise)
{
    for (auto i = range.begin; i < range.end; ++i)
        if (!says_nothing(lines[i]))
            return indent_of(lines[i]);
    return otherwise;
}

std::optional<std::size_t> find_key(const Lines& lines, Range range, const std::string& key)
{
    const auto indent = first_indent(lines, range, 0);
    for (auto i = range.begin; i < range.end; ++i)
        if (!says_nothing(lines[i]) && indent_of(lines[i]) == indent &&
            after_key(lines[i], key) != std::string_view::npos)
            return i;
    return std::nullopt;
}

// Flow style, one line. Inside a list or map what is not a plain word is quoted: it could hold a comma.
std::string flow(const Json& value, bool inside = false)
{
    if (value.is_string() && inside) {
        const auto text = value.get<std::string>();
        const bool plain =
            !text.empty() &&
            text.find_first_not_of("abcdefghijklmnopqrstuvwxyz"
                                   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./") == std::string::npos;
        return plain ? std::string(trim(dump_yaml(value))) : dump_json(value);
    }
    if (!value.is_structured())
        return std::string(trim(dump_yaml(value)));
    std::vector<std::string> parts;
    if (value.is_array())
        for (const auto& item : value)
            parts.push_back(flow(item, true));
    else
        for (const auto& [key, item] : value.items())
            parts.push_back(fmt::format("{}: {}", flow(Json(key), true), flow(item, true)));
    return (value.is_array() ? "[" : "{") + join(parts, ", ") + (value.is_array() ? "]" : "}");
}

void put(Json& object, Path path, const Json& value)
{
    if (!object.is_object())
        object = Json::object();
    if (path.size() > 1) {
        if (value.is_null() && !object.contains(path.front()))
            return;
        auto& inner = object[path.front()];
        put(inner, path.subspan(1), value);
        if (inner.empty() && value.is_null())
            object.erase(path.front());
    } else if (value.is_null()) {
        object.erase(path.front());
    } else {
        object[path.front()] = value;
    }
}

void insert(Lines& lines, Range range, std::size_t indent, Path path, const Json& value)
{
    Lines added;
    for (std::size_t i = 0; i < path.size(); ++i)
        added.push_back(fmt::format("{:{}}{}:{}{}", "", indent + i * k_step, trim(dump_yaml(Json(path[i]))),
                                    i + 1 == path.size() ? " " : "",
                                    i + 1 == path.size() ? flow(value) : ""));
    lines.insert(lines.begin() + static_cast<std::ptrdiff_t>(range.end), added.begin(), added.end());
}

// The whole value of the key becomes this, on the key's line.
void replace(Lines& lines, std::size_t at, std::size_t value_at, Range below, const Json& value)
{
    auto& line = lines[at];
    const auto comment = comment_at(line, value_at);
    line = line.substr(0, value_at) + " " + flow(value) + line.substr(comment);
    lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(below.begin),
                lines.begin() + static_cast<std::ptrdiff_t>(below.end));
}

// False: nothing of this map is left.
bool edit(Lines& lines, Range range, std::size_t indent, Path path, const Json& value);

bool edit_value(Lines& lines, std::size_t at, Path path, const Json& value)
{
    const auto value_at = after_key(lines[at], path.front());
    const auto below = children(lines, at, lines.size());
    const std::string here(trim(lines[at].substr(value_at, comment_at(lines[at], value_at) - value_at)));
    if (path.size() > 1 && here.empty() && below.end > below.begin) {
        const auto inner = first_indent(lines, below, indent_of(lines[at]) + k_step);
        return edit(lines, below, inner, path.subspan(1), value);
    }
    if (path.size() == 1) {
        if (!value.is_null())
            replace(lines, at, value_at, below, value);
        return !value.is_null();
    }
    auto text = here;
    for (auto i = below.begin; i < below.end; ++i)
        text += "\n" + lines[i];
    const auto node = parse_yaml(text, "value");
    Json now = node ? node->to_json() : Json();
    put(now, path.subspan(1), value);
    if (!now.empty())
        replace(lines, at, value_at, below, now);
    return !now.empty();
}

bool edit(Lines& lines, Range range, std::size_t indent, Path path, const Json& value)
{
    const auto at = find_key(lines, range, path.front());
    if (!at) {
        if (!value.is_null())
            insert(lines, range, indent, path, value);
        return true;
    }
    const auto before = lines.size();
    if (!edit_value(lines, *at, path, value)) {
        const auto below = children(lines, *at, lines.size());
        lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(*at),
                    lines.begin() + static_cast<std::ptrdiff_t>(below.end));
        range.end -= before - lines.size();
        for (auto i = range.begin; i < range.end; ++i)
            if (!says_nothing(lines[i]))
                return true;
        return false;
    }
    return true;
}

} // namespace

Result<std::string> edit_yaml(std::string_view text, std::span<const std::string> path, const Json& value)
{
    TRY_ASSIGN(const YamlNode root, parse_yaml(text, "the file"));
    Json wanted = root.to_json();
    if (path.empty() || (!wanted.is_object() && !wanted.is_null()))
        return fail(ErrorKind::failed, "only a map of keys can be edited");
    put(wanted, path, value);
    Lines lines = split(text, '\n');
    if (!lines.empty() && lines.back().empty())
        lines.pop_back();
    Range all{0, lines.size()};
    while (all.end > 0 && says_nothing(lines[all.end - 1]))
        --all.end;
    edit(lines, all, 0, path, value);
    auto out = join(lines, "\n") + (lines.empty() ? "" : "\n");
    const auto again = parse_yaml(out, "the file");
    auto now = again ? again->to_json() : Json();
    if (now.is_null())
        now = Json::object();
    if (!again || now != wanted)
        return fail(ErrorKind::failed, "the file is written in a way that cannot be edited in place");
    return out;
}

} // namespace conduit
