// SPDX-License-Identifier: Apache-2.0
#include "cli/config/masking.hpp"

#include "core/json.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <set>
#include <vector>

namespace conduit {
namespace {

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

// Where a token of a known form stands in the text, and how long it is; 0: nowhere from here on.
std::pair<std::size_t, std::size_t> known_token(std::string_view text, std::size_t from)
{
    std::pair<std::size_t, std::size_t> best{std::string_view::npos, 0};
    const auto consider = [&](std::string_view prefix, std::size_t shortest) {
        for (auto at = text.find(prefix, from); at < best.first; at = text.find(prefix, at + 1)) {
            auto end = at;
            while (end < text.size() && is_word(text[end]))
                ++end;
            const bool begins = at == 0 || !is_word(text[at - 1]) || text[at - 1] == '=';
            if (begins && end - at >= shortest) {
                best = {at, end - at};
                return;
            }
        }
    };
    for (const auto prefix : k_prefixes)
        consider(prefix, 16);
    consider("eyJ", 40); // a JSON web token
    return best;
}

// The password of "scheme://user:password@host"; an empty range when there is none.
std::pair<std::size_t, std::size_t> url_password(std::string_view text, std::size_t from)
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

std::string hide_forms(std::string text)
{
    for (std::size_t from = 0;;) {
        const auto [at, length] = url_password(text, from);
        if (length == 0)
            break;
        text.replace(at, length, k_masked);
        from = at + k_masked.size();
    }
    for (std::size_t from = 0;;) {
        const auto [at, length] = known_token(text, from);
        if (length == 0)
            break;
        text.replace(at, length, k_masked);
        from = at + k_masked.size();
    }
    constexpr std::string_view k_begin = "PRIVATE KEY-----";
    for (std::size_t from = 0;;) {
        const auto at = text.find(k_begin, from);
        if (at == std::string::npos)
            break;
        const auto body = at + k_begin.size();
        const auto end = std::min(text.find("-----END", body), text.size());
        text.replace(body, end - body, k_masked);
        from = body + k_masked.size() + 8;
    }
    return text;
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
    if (const auto node = parse_yaml(value, "value"))
        collect(node->to_json(), false, found);
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
