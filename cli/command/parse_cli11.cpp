// SPDX-License-Identifier: Apache-2.0
// The only file that includes CLI11. It splits words into flags and positional words; what a value means is
// ours (values.cpp), so that every fault reads the same. CLI11 2.1 gives back what it does not know in
// remaining().
#include "cli/command/parse.hpp"
#include "core/text.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace conduit {
namespace {

using Words = std::vector<std::string>;

std::string see_help(std::string_view command)
{
    return command.empty() ? "See: conduitctl --help" : fmt::format("See: conduitctl {} --help", command);
}

bool looks_like_flag(std::string_view word)
{
    return word.size() > 1 && word.front() == '-' && !(word[1] >= '0' && word[1] <= '9') && word[1] != '.';
}

class Splitter {
  public:
    Splitter(const Flags& verb_flags, const Flags& globals, std::string_view command) : command_(command)
    {
        app_.set_help_flag();
        app_.allow_extras();
        for (const Flags* flags : {&verb_flags, &globals})
            for (const Flag& flag : flags->all())
                add(flag);
    }

    Result<> split(std::span<const std::string> words)
    {
        const auto mark = std::ranges::find(words, "--");
        Words before(words.begin(), mark);
        fill_implied(before);
        std::ranges::reverse(before); // CLI11 takes vectors from the back
        try {
            app_.parse(before);
        } catch (const CLI::ArgumentMismatch& error) {
            const std::string_view text = error.what();
            return fail(ErrorKind::usage, fmt::format("{} needs a value", text.substr(0, text.find(':'))),
                        see_help(command_));
        } catch (const CLI::Error& error) {
            return fail(ErrorKind::usage, fmt::format("bad command line: {}", printable(error.what())),
                        see_help(command_));
        }
        positional_ = app_.remaining();
        for (const std::string& word : positional_)
            if (looks_like_flag(word))
                return unknown_flag(word);
        if (mark != words.end())
            positional_.insert(positional_.end(), mark + 1, words.end());
        return {};
    }

    // The words given for a flag; nullopt when it did not stand on the line.
    std::optional<Words> given(const Flag& flag) const
    {
        const CLI::Option* option = options_.at(flag.name);
        if (option->count() == 0)
            return std::nullopt;
        return flag.takes_value() ? option->results() : Words{};
    }
    const Words& positional() const { return positional_; }

  private:
    void add(const Flag& flag)
    {
        if (flag.kind != Flag::Kind::flag && flag.kind != Flag::Kind::option)
            return;
        std::string names(flag.name);
        if (!flag.short_name.empty())
            names.append(",").append(flag.short_name);
        CLI::Option* option = nullptr;
        if (flag.takes_value())
            option = app_.add_option(names, values_[std::string(flag.name)])->allow_extra_args(false);
        else
            option = app_.add_flag(names);
        options_[flag.name] = option;
        if (!flag.implied.empty())
            implying_.push_back(&flag);
        if (!flag.is_hidden)
            known_.emplace_back(flag.name);
    }

    // "--drain openai" is "--drain=30s openai": the next word is its value only if it can be one.
    void fill_implied(Words& words) const
    {
        for (std::size_t i = 0; i < words.size(); ++i) {
            const auto found =
                std::ranges::find_if(implying_, [&](const Flag* flag) { return flag->name == words[i]; });
            if (found == implying_.end())
                continue;
            if (i + 1 < words.size() && assign(**found, std::span(&words[i + 1], 1)))
                ++i;
            else
                words[i] += fmt::format("={}", (*found)->implied);
        }
    }

    Result<> unknown_flag(std::string_view word) const
    {
        const std::string_view name = word.substr(0, word.find('='));
        return fail(ErrorKind::usage, unknown_name("flag", name, known_), see_help(command_));
    }

    std::string_view command_;
    CLI::App app_;
    std::map<std::string, Words> values_;
    std::map<std::string_view, CLI::Option*> options_;
    std::vector<const Flag*> implying_;
    Words known_{"--help"};
    Words positional_;
};

Result<> assign_positional(const Flags& flags, const Words& words, std::string_view command)
{
    std::size_t next = 0;
    for (const Flag& flag : flags.all()) {
        if (flag.kind == Flag::Kind::rest) {
            const std::span<const std::string> rest(words.begin() + static_cast<std::ptrdiff_t>(next),
                                                    words.end());
            if (rest.empty() && flag.is_required)
                return fail(ErrorKind::usage, fmt::format("{} is missing", flag.name), see_help(command));
            if (!rest.empty())
                TRY(assign(flag, rest));
            return {};
        }
        if (flag.kind != Flag::Kind::argument)
            continue;
        if (next < words.size())
            TRY(assign(flag, std::span(&words[next++], 1)));
        else if (flag.is_required)
            return fail(ErrorKind::usage, fmt::format("{} is missing", flag.name), see_help(command));
    }
    if (next < words.size())
        return fail(ErrorKind::usage, fmt::format("unexpected argument '{}'", printable(words[next])),
                    see_help(command));
    return {};
}

Result<> assign_flag(const Flag& flag, const std::optional<Words>& given, const Environment& env,
                     std::string_view command)
{
    if (given)
        return assign(flag, *given);
    if (const auto from_env = env.find(flag.env);
        !flag.env.empty() && from_env != env.end() && !from_env->second.empty()) {
        if (auto done = assign(flag, std::span(&from_env->second, 1)); !done)
            return std::unexpected(std::move(done.error()).prefixed(fmt::format("environment {}", flag.env)));
        return {};
    }
    if (flag.is_required)
        return fail(ErrorKind::usage, fmt::format("{} is missing", flag.name), see_help(command));
    return {};
}

} // namespace

Result<std::set<std::string>> parse_flags(const Flags& verb_flags, const Flags& globals,
                                          std::span<const std::string> words, const Environment& env,
                                          std::string_view command)
{
    Splitter splitter(verb_flags, globals, command);
    TRY(splitter.split(words));
    std::set<std::string> names;
    for (const Flags* flags : {&globals, &verb_flags})
        for (const Flag& flag : flags->all()) {
            if (flag.kind == Flag::Kind::argument || flag.kind == Flag::Kind::rest)
                continue;
            const auto given = splitter.given(flag);
            if (given)
                names.emplace(flag.name);
            TRY(assign_flag(flag, given, env, command));
        }
    TRY(assign_positional(verb_flags, splitter.positional(), command));
    return names;
}

} // namespace conduit
