// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/log_level.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

namespace conduit {
namespace {

struct Word {
    std::string_view word;
    LogLevel level;
};
using enum LogLevel;
constexpr std::array<Word, 22> k_words{
    {{"trace", debug},    {"trce", debug},      {"debug", debug},      {"dbug", debug},  {"dbg", debug},
     {"verbose", debug},  {"info", info},       {"information", info}, {"notice", info}, {"inf", info},
     {"warn", warning},   {"warning", warning}, {"wrn", warning},      {"error", error}, {"err", error},
     {"fail", error},     {"severe", error},    {"eror", error},       {"fatal", fatal}, {"crit", fatal},
     {"critical", fatal}, {"panic", fatal}}};

// Keys in order of how surely they mean the level.
constexpr std::array<std::string_view, 7> k_keys{"level",     "@l",        "loglevel", "severity",
                                                 "log.level", "levelname", "lvl"};

LogLevel of_word(std::string_view word)
{
    if (word.size() > 12)
        return none;
    std::array<char, 12> lower{};
    std::ranges::transform(word, lower.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    const std::string_view wanted(lower.data(), word.size());
    const auto* found = std::ranges::find(k_words, wanted, &Word::word);
    if (found != k_words.end())
        return found->level;
    return wanted == "emerg" || wanted == "alert" || wanted == "emergency" ? fatal : none;
}

// bunyan and pino count 10 (trace) to 60 (fatal).
LogLevel of_number(std::string_view digits)
{
    if (digits.size() != 2)
        return none;
    switch (digits[0]) {
    case '1':
    case '2':
        return debug;
    case '3':
        return info;
    case '4':
        return warning;
    case '5':
        return error;
    case '6':
        return fatal;
    default:
        return none;
    }
}

bool is_letter(char c)
{
    return std::isalpha(static_cast<unsigned char>(c)) != 0;
}
bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

std::string_view run_of(std::string_view text, bool (*belongs)(char))
{
    std::size_t size = 0;
    while (size < text.size() && belongs(text[size]))
        ++size;
    return text.substr(0, size);
}

bool same_key(std::string_view text, std::string_view key)
{
    return std::ranges::equal(text.substr(0, key.size()), key, {},
                              [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
}

// After KEY and its separator: a word, in quotation marks or not, or a number.
std::optional<LogLevel> value_at(std::string_view rest)
{
    while (!rest.empty() && (rest.front() == ' ' || rest.front() == '"' || rest.front() == '\''))
        rest.remove_prefix(1);
    if (const auto digits = run_of(rest, is_digit); !digits.empty())
        return of_number(digits);
    const auto word = run_of(rest, is_letter);
    return word.empty() ? std::nullopt : std::optional(of_word(word));
}

// "level":"error" in JSON, level=error in logfmt. `mark` stands between key and value.
LogLevel of_field(std::string_view line, bool json)
{
    for (const auto key : k_keys)
        for (std::size_t at = 0; at + key.size() < line.size(); ++at) {
            const bool begins = at == 0 || line[at - 1] == (json ? '"' : ' ');
            if (!begins || !same_key(line.substr(at), key))
                continue;
            auto rest = line.substr(at + key.size());
            if (json && !rest.starts_with('"'))
                continue;
            if (json)
                rest.remove_prefix(1);
            while (json && rest.starts_with(' '))
                rest.remove_prefix(1);
            if (!rest.starts_with(json ? ':' : '='))
                continue;
            if (const auto level = value_at(rest.substr(1)); level && *level != none)
                return *level;
        }
    return none;
}

// klog: E1122 14:04:11.532101
LogLevel of_klog(std::string_view line)
{
    if (line.size() < 6 || line[5] != ' ' || !std::ranges::all_of(line.substr(1, 4), is_digit))
        return none;
    switch (line[0]) {
    case 'I':
        return info;
    case 'W':
        return warning;
    case 'E':
        return error;
    case 'F':
        return fatal;
    default:
        return none;
    }
}

bool all_upper(std::string_view word)
{
    return std::ranges::all_of(word, [](unsigned char c) { return std::isupper(c) != 0; });
}

// A word of its own among the first few: "2026-11-22 ERROR x", "[warn] x", "fail: Category[0]". A sentence
// that merely speaks of an error does not count: the word is in capitals, in brackets, or ends with a colon.
LogLevel of_prefix(std::string_view line)
{
    constexpr std::size_t k_look = 96;
    const auto head = line.substr(0, k_look);
    for (std::size_t at = 0; at < head.size();) {
        if (!is_letter(head[at])) {
            ++at;
            continue;
        }
        const auto word = run_of(head.substr(at), is_letter);
        const char before = at == 0 ? ' ' : head[at - 1];
        const char after = at + word.size() < line.size() ? line[at + word.size()] : ' ';
        const bool alone = !std::isalnum(static_cast<unsigned char>(before)) && before != '_' &&
                           before != '.' && before != '/' && before != '-' &&
                           !std::isalnum(static_cast<unsigned char>(after)) && after != '_' && after != '-' &&
                           after != '.' && after != '/' && after != '=';
        const bool marked = (word.size() > 2 && all_upper(word)) || (before == '[' && after == ']') ||
                            (before == '<' && after == '>') || (at == 0 && after == ':');
        if (alone && marked)
            if (const auto level = of_word(word); level != none)
                return level;
        at += word.size();
    }
    return none;
}

bool goes_on(std::string_view line)
{
    return line.empty() || line.front() == ' ' || line.front() == '\t' || line.starts_with("Caused by:") ||
           line.starts_with("Traceback ");
}

} // namespace

LogLevel level_of(std::string_view line)
{
    constexpr std::size_t k_most = 4096; // a level stands at the front, or in a short document
    line = line.substr(0, k_most);
    const auto from = line.find_first_not_of(" \t");
    if (from == std::string_view::npos)
        return none;
    const auto trimmed = line.substr(from);
    if (trimmed.front() == '{')
        return of_field(trimmed, true);
    if (const auto level = of_klog(trimmed); level != none)
        return level;
    if (const auto level = of_field(trimmed, false); level != none)
        return level;
    return of_prefix(trimmed);
}

bool LevelFilter::keeps(std::string_view line)
{
    if (least_ == LogLevel::none)
        return true;
    const auto level = level_of(line);
    const bool belongs = level == LogLevel::none && goes_on(line);
    if (!belongs)
        kept_ = level >= least_;
    return kept_;
}

} // namespace conduit
