// SPDX-License-Identifier: Apache-2.0
#include "cli/config/documents.hpp"

#include "core/text.hpp"
#include "core/yaml.hpp"
#include "core/yaml_edit.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <vector>

namespace conduit {
namespace {

bool is_line_kind(DocumentKind kind)
{
    return kind == DocumentKind::env || kind == DocumentKind::properties;
}

bool says_nothing(std::string_view line)
{
    const auto text = trim(line);
    return text.empty() || text.front() == '#' || text.front() == '!';
}

struct Pair {
    std::string key, value;
    std::size_t value_at = 0; // in the line
};

// "KEY=value", "export KEY=value", "key: value"; nullopt: the line is none.
std::optional<Pair> pair_of(std::string_view line, DocumentKind kind)
{
    auto from = line.find_first_not_of(" \t");
    if (from == std::string_view::npos)
        return std::nullopt;
    if (kind == DocumentKind::env && line.substr(from).starts_with("export "))
        from += 7;
    const auto end = line.find_first_of(kind == DocumentKind::env ? "=" : "=:", from);
    if (end == std::string_view::npos || end == from)
        return std::nullopt;
    Pair pair{std::string(trim(line.substr(from, end - from))), {}, end + 1};
    if (kind == DocumentKind::env && pair.key.find_first_of(" \t") != std::string::npos)
        return std::nullopt;
    while (pair.value_at < line.size() && kind == DocumentKind::properties && line[pair.value_at] == ' ')
        ++pair.value_at;
    pair.value = trim(line.substr(pair.value_at));
    return pair;
}

Result<> check_lines(std::string_view name, std::string_view text, DocumentKind kind)
{
    bool goes_on = false; // a property's value may end with a backslash
    int number = 0;
    for (const auto& line : split(text, '\n')) {
        ++number;
        const bool joined =
            std::exchange(goes_on, kind == DocumentKind::properties && trim(line).ends_with('\\'));
        if (joined || says_nothing(line) || pair_of(line, kind))
            continue;
        return fail(ErrorKind::usage,
                    fmt::format("{}:{}: a line KEY=VALUE is expected", printable(name), number));
    }
    return {};
}

// Documents one after the other are read one by one.
Result<> check_yaml(std::string_view name, std::string_view text)
{
    std::string part;
    const auto check = [&]() -> Result<> {
        TRY(parse_yaml(part, name));
        return {};
    };
    for (const auto& line : split(text, '\n')) {
        if (line == "---" || line.starts_with("--- ")) {
            TRY(check());
            // Lines keep their numbers.
            part = std::string(static_cast<std::size_t>(std::ranges::count(part, '\n')) + 1, '\n');
            continue;
        }
        part += line + "\n";
    }
    return check();
}

Json* place_of(Json& document, std::span<const std::string> path, bool make)
{
    Json* at = &document;
    for (const auto& key : path) {
        if (!at->is_object() || (!make && !at->contains(key)))
            return nullptr;
        at = &(*at)[key];
        if (make && at->is_null())
            *at = Json::object();
    }
    return at;
}

int indent_of_json(std::string_view text)
{
    const auto line = text.find('\n');
    if (line == std::string_view::npos)
        return -1;
    const auto first = text.find_first_not_of(' ', line + 1);
    const auto indent = first == std::string_view::npos ? 0 : first - line - 1;
    return indent == 0 ? 2 : static_cast<int>(indent);
}

Result<std::string> edit_json(std::string_view text, std::span<const std::string> path, const Json& value)
{
    TRY_ASSIGN(auto document, parse_json(text));
    auto* map = place_of(document, path.first(path.size() - 1), !value.is_null());
    if (map == nullptr && value.is_null())
        return std::string(text);
    if (map == nullptr || !map->is_object())
        return fail(ErrorKind::usage, fmt::format("there is no map at {} to write into", join(path, ".")));
    if (value.is_null())
        map->erase(path.back());
    else
        (*map)[path.back()] = value;
    auto out = dump_json(document, indent_of_json(text));
    return text.ends_with('\n') ? out + "\n" : out;
}

std::string text_of(const Json& value)
{
    return value.is_string() ? value.get<std::string>() : dump_json(value);
}

Result<std::string> edit_lines(std::string_view text, DocumentKind kind, const std::string& key,
                               const Json& value)
{
    if (!value.is_null() && text_of(value).find('\n') != std::string::npos)
        return fail(ErrorKind::usage, fmt::format("the value of {} has more than one line", key));
    auto lines = split(text, '\n');
    const bool ended = text.ends_with('\n');
    if (ended && !lines.empty())
        lines.pop_back();
    bool found = false;
    for (auto line = lines.begin(); line != lines.end();) {
        const auto pair = says_nothing(*line) ? std::nullopt : pair_of(*line, kind);
        if (!pair || pair->key != key) {
            ++line;
            continue;
        }
        if (pair->value.ends_with('\\'))
            return fail(ErrorKind::usage, fmt::format("the value of {} goes over several lines", key));
        if (value.is_null() || std::exchange(found, true)) {
            line = lines.erase(line);
            continue;
        }
        *line = line->substr(0, pair->value_at) + text_of(value);
        ++line;
    }
    if (!found && !value.is_null())
        lines.push_back(fmt::format("{}={}", key, text_of(value)));
    auto out = join(lines, "\n");
    return (ended || text.empty()) && !lines.empty() ? out + "\n" : out;
}

Error no_values(std::string_view name)
{
    return {ErrorKind::usage, fmt::format("'{}' has no values within", printable(name)),
            "Its name has to end with .yaml, .json, .env or .properties."};
}

} // namespace

DocumentKind document_kind(std::string_view name)
{
    const auto lower = to_lower(name);
    if (lower.ends_with(".yaml") || lower.ends_with(".yml"))
        return DocumentKind::yaml;
    if (lower.ends_with(".json"))
        return DocumentKind::json;
    if (lower.ends_with(".env"))
        return DocumentKind::env;
    return lower.ends_with(".properties") ? DocumentKind::properties : DocumentKind::plain;
}

std::string_view document_name(DocumentKind kind)
{
    switch (kind) {
    case DocumentKind::yaml:
        return "YAML";
    case DocumentKind::json:
        return "JSON";
    case DocumentKind::env:
        return "env";
    case DocumentKind::properties:
        return "properties";
    case DocumentKind::plain:
        break;
    }
    return "text";
}

Result<> check_document(std::string_view name, std::string_view text)
{
    const auto kind = document_kind(name);
    if (kind == DocumentKind::yaml)
        return check_yaml(name, text);
    if (kind == DocumentKind::json) {
        if (auto parsed = parse_json(text); !parsed) {
            parsed.error().kind = ErrorKind::usage;
            return std::move(parsed).error().prefixed(printable(name));
        }
        return {};
    }
    return is_line_kind(kind) ? check_lines(name, text, kind) : Result<>{};
}

std::vector<std::string> document_path(std::string_view name, std::string_view path)
{
    if (is_line_kind(document_kind(name)))
        return {std::string(path)};
    std::vector<std::string> keys(1);
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] == '\\' && i + 1 < path.size())
            keys.back() += path[++i];
        else if (path[i] == '.')
            keys.emplace_back();
        else
            keys.back() += path[i];
    }
    return keys;
}

Result<Json> document_value(std::string_view name, std::string_view text, std::string_view path)
{
    const auto kind = document_kind(name);
    if (is_line_kind(kind)) {
        Json value;
        for (const auto& line : split(text, '\n'))
            if (const auto pair = says_nothing(line) ? std::nullopt : pair_of(line, kind);
                pair && pair->key == path)
                value = pair->value;
        return value;
    }
    if (kind == DocumentKind::plain)
        return no_values(name);
    Json document;
    if (kind == DocumentKind::json) {
        TRY_ASSIGN(document, parse_json(text));
    } else {
        TRY_ASSIGN(const auto node, parse_yaml(text, name));
        document = node.to_json();
    }
    const auto* at = place_of(document, document_path(name, path), false);
    return at == nullptr ? Json() : *at;
}

Result<std::string> edit_document(std::string_view name, std::string_view text, std::string_view path,
                                  const Json& value)
{
    const auto kind = document_kind(name);
    if (kind == DocumentKind::plain)
        return no_values(name);
    const auto keys = document_path(name, path);
    if (std::ranges::any_of(keys, &std::string::empty))
        return fail(ErrorKind::usage, fmt::format("'{}' is no path of a value", printable(path)),
                    "Write it as Providers.OpenAI.Enabled.");
    if (is_line_kind(kind))
        return edit_lines(text, kind, keys.front(), value);
    if (kind == DocumentKind::json)
        return edit_json(text, keys, value);
    return edit_yaml(text, keys, value);
}

} // namespace conduit
