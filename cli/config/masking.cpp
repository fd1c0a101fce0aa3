// SPDX-License-Identifier: Apache-2.0
#include "cli/config/masking.hpp"

#include "cli/config/documents.hpp"
#include "core/json.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>
#include <vector>

namespace conduit {
namespace {

constexpr std::size_t k_most = 200;   // values that are looked for in a text
constexpr std::size_t k_shortest = 4; // a shorter value would be found everywhere in a text
constexpr std::array<std::string_view, 16> k_words{
    "password",         "passwd",     "passphrase",    "secret",      "token",      "apikey",
    "privatekey",       "credential", "accesskey",     "requirepass", "masterauth", "authpass",
    "connectionstring", "signingkey", "encryptionkey", "salt"};
// What such a name may end with without being one: how long, where, whether.
constexpr std::array<std::string_view, 9> k_about{"ttl",  "timeout", "file", "path",   "length",
                                                  "name", "expiry",  "max",  "enabled"};
constexpr std::array<std::string_view, 8> k_prefixes{"sk-",   "ghp_",  "gho_",   "github_pat_",
                                                     "xoxb-", "xoxp-", "glpat-", "AKIA"};

std::string letters(std::string_view key)
{
    std::string out;
    for (const char c : to_lower(key))
        if (c != '_' && c != '-' && c != '.' && c != ' ')
            out += c;
    return out;
}

bool is_word(char c)
{
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.' || c == '+' ||
           c == '/' || c == '=';
}

using Range = std::pair<std::size_t, std::size_t>; // where, and how long; 0: nowhere from here on

// A token of a known form: a word that begins so and is long enough.
Range known_token(std::string_view text, std::size_t from, std::string_view prefix, std::size_t shortest)
{
    for (auto at = text.find(prefix, from); at != std::string_view::npos; at = text.find(prefix, at + 1)) {
        if (at > 0 && is_word(text[at - 1]) && text[at - 1] != '=')
            continue;
        auto end = at;
        while (end < text.size() && is_word(text[end]))
            ++end;
        if (end - at >= shortest)
            return {at, end - at};
    }
    return {0, 0};
}

// The password of "scheme://user:password@host".
Range url_password(std::string_view text, std::size_t from)
{
    for (auto at = text.find("://", from); at != std::string_view::npos; at = text.find("://", at + 3)) {
        const auto end = std::min(text.find_first_of(" \t\r\n\"'/?#", at + 3), text.size());
        const auto authority = text.substr(at + 3, end - at - 3);
        const auto host = authority.rfind('@');
        const auto colon = authority.find(':');
        if (host != std::string_view::npos && colon < host && colon + 1 < host)
            return {at + 3 + colon + 1, host - colon - 1};
    }
    return {0, 0};
}

Range private_key(std::string_view text, std::size_t from)
{
    constexpr std::string_view k_begin = "PRIVATE KEY-----";
    const auto at = text.find(k_begin, from);
    if (at == std::string_view::npos || at + k_begin.size() == text.size())
        return {0, 0};
    const auto body = at + k_begin.size();
    const auto end = text.find("-----END", body);
    // Past the words that end it, which are those that begin it.
    return {body, end == std::string_view::npos ? text.size() - body : std::max<std::size_t>(end - body, 1)};
}

template <class Find> std::string hidden(const std::string& text, const Find& find)
{
    std::string out;
    std::size_t from = 0;
    for (auto [at, length] = find(text, from); length != 0; std::tie(at, length) = find(text, from)) {
        out += text.substr(from, at - from);
        out += k_masked;
        from = at + length;
        if (text.compare(from, 8, "-----END") == 0) {
            const auto end = std::min(text.find("-----", from + 8), text.size());
            out += text.substr(from, end - from);
            from = end;
        }
    }
    return out + text.substr(from);
}

std::string hide_forms(std::string text)
{
    text = hidden(text, url_password);
    for (const auto prefix : k_prefixes)
        text = hidden(
            text, [&](std::string_view in, std::size_t from) { return known_token(in, from, prefix, 16); });
    // A JSON web token.
    text =
        hidden(text, [](std::string_view in, std::size_t from) { return known_token(in, from, "eyJ", 40); });
    return hidden(text, private_key);
}

void collect(const Json& node, bool secret, std::set<std::string>& out)
{
    if (node.is_object()) {
        for (const auto& [key, value] : node.items())
            collect(value, secret || names_secret(key), out);
    } else if (node.is_array()) {
        for (const auto& value : node)
            collect(value, secret, out);
    } else if (secret && !node.is_null() && !node.is_boolean()) {
        const auto text = node.is_string() ? node.get<std::string>() : dump_json(node);
        if (text.size() >= k_shortest)
            out.insert(text);
    }
}

// Of documents one after the other; false: they cannot be read.
bool collect_all(std::string_view text, std::set<std::string>& out)
{
    std::string part;
    bool good = true;
    const auto take = [&] {
        const auto node = parse_yaml(part, "value");
        good = good && node;
        if (node)
            collect(node->to_json(), false, out);
        part.clear();
    };
    for (const auto& line : split(text, '\n')) {
        if (line == "---" || line.starts_with("--- "))
            take();
        else
            part += line + "\n";
    }
    take();
    return good;
}

// "key: value", "key = value", "key value", "export KEY=value", an ACL line of Redis with ">password".
std::string hide_in_line(const std::string& line)
{
    auto from = line.find_first_not_of(" \t\"'-{,");
    if (from == std::string::npos || line[from] == '#')
        return line;
    if (line.compare(from, 7, "export ") == 0)
        from += 7;
    const auto end = line.find_first_of(":= \t\"'", from);
    if (end == std::string::npos)
        return line;
    const auto key = line.substr(from, end - from);
    if (key == "user" || key == "sentinel") {
        auto words = split(line, ' ');
        for (std::size_t i = 0; i < words.size(); ++i)
            if (words[i].size() > 1 && (words[i][0] == '>' || (words[i][0] == '#' && words[i].size() > 32)))
                words[i] = words[i].substr(0, 1) + std::string(k_masked);
            else if (i > 1 && names_secret(words[1]) && i + 1 == words.size())
                words[i] = k_masked;
        return join(words, " ");
    }
    if (!names_secret(key))
        return line;
    const auto value = line.find_first_not_of(":= \t\"'", end);
    if (value == std::string::npos || value == end)
        return line;
    return line.substr(0, value) + std::string(k_masked);
}

} // namespace

bool names_secret(std::string_view key)
{
    const auto flat = letters(key);
    const bool about = std::ranges::any_of(k_about, [&](auto word) { return flat.ends_with(word); });
    const bool limit = flat.contains("tokens"); // max_tokens counts
    const bool counts = flat.starts_with("max") || flat.starts_with("num");
    return !about && !(limit && counts) &&
           std::ranges::any_of(k_words, [&](auto word) { return flat.contains(word); });
}

bool holds_secret(std::string_view value)
{
    return hide_forms(std::string(value)) != value;
}

std::string masked(std::string_view key, std::string_view value)
{
    if (names_secret(key))
        return value.empty() ? std::string() : std::string(k_masked);
    auto text = hide_forms(std::string(value));
    if (!text.contains('\n') && !text.contains('{'))
        return text.contains(' ') ? hide_in_line(text) : text;
    std::set<std::string> found;
    const auto kind = document_kind(key);
    const bool read = collect_all(value, found);
    if (!read && (kind == DocumentKind::yaml || kind == DocumentKind::json))
        return std::string(k_masked); // what stands below a secret's key cannot be told
    if (found.size() > k_most)
        return std::string(k_masked);
    auto lines = split(text, '\n');
    for (auto& line : lines)
        line = hide_in_line(line);
    text = join(lines, "\n");
    std::vector<std::string> longest(found.begin(), found.end());
    std::ranges::sort(longest, std::greater{}, &std::string::size);
    for (const auto& one : longest)
        text = replace_all(std::move(text), one, k_masked);
    return text;
}

} // namespace conduit
