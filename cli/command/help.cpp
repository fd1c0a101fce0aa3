// SPDX-License-Identifier: Apache-2.0
#include "cli/command/help.hpp"

#include "cli/command/globals.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace conduit {
namespace {

constexpr std::size_t k_width = 100;
constexpr std::size_t k_left = 26; // where the right-hand column begins

void heading(std::string& text, std::string_view title)
{
    text += fmt::format("\n{}\n", title);
}

// "  left      right, wrapped under itself"
void entry(std::string& text, std::string_view left, std::string_view right)
{
    std::string line = fmt::format("  {}", left);
    if (line.size() + 2 > k_left)
        line += "\n" + std::string(k_left, ' ');
    else
        line.append(k_left - line.size(), ' ');
    const std::string wrapped = wrap(right, k_width, k_left);
    text += line + wrapped.substr(std::min(k_left, wrapped.size())) + "\n";
}

std::string flag_names(const Flag& flag)
{
    std::string names = flag.short_name.empty() ? "" : fmt::format("{}, ", flag.short_name);
    names += flag.name;
    const auto listed = choices(flag);
    if (!listed.empty() && flag.value_name == "CHOICE")
        return fmt::format("{} {}", names, join(listed, "|"));
    if (!flag.implied.empty())
        return fmt::format("{}[={}]", names, flag.value_name);
    return flag.takes_value() ? fmt::format("{} {}", names, flag.value_name) : names;
}

std::string flag_help(const Flag& flag)
{
    std::string help(flag.help);
    if (const auto listed = choices(flag); !listed.empty() && flag.kind == Flag::Kind::argument)
        help += fmt::format(": {}", join(listed, ", "));
    if (flag.many() && flag.kind == Flag::Kind::option)
        help += " (may be repeated)";
    if (flag.is_required && flag.kind == Flag::Kind::option)
        help += " (required)";
    if (!flag.implied.empty())
        help += fmt::format(" [alone: {}]", flag.implied);
    if (!flag.default_text.empty())
        help += fmt::format(" [default: {}]", flag.default_text);
    if (!flag.env.empty())
        help += fmt::format(" [env: {}]", flag.env);
    return help;
}

void flag_section(std::string& text, std::string_view title, const Flags& flags, bool positional)
{
    bool first = true;
    for (const Flag& flag : flags.all()) {
        const bool argument = flag.kind == Flag::Kind::argument || flag.kind == Flag::Kind::rest;
        if (argument != positional || flag.is_hidden)
            continue;
        if (std::exchange(first, false))
            heading(text, title);
        entry(text, argument ? std::string(flag.name) : flag_names(flag), flag_help(flag));
    }
}

void verb_entries(std::string& text, const Noun& noun)
{
    for (const Verb& verb : noun.verbs)
        if (!verb.doc.hidden)
            entry(text, command_path(noun, verb), verb.doc.summary);
}

std::string program_help(const Registry& registry)
{
    std::string text =
        "conduitctl runs and repairs audio services: providers, instances, data stores, backups.\n\n"
        "Usage: conduitctl [GLOBAL FLAGS] COMMAND [VERB] [ARGUMENTS] [FLAGS]\n";
    for (auto group = Group::where; group <= Group::tool;
         group = static_cast<Group>(std::to_underlying(group) + 1)) {
        bool first = true;
        for (const Noun& noun : registry) {
            if (noun.group != group || noun.hidden)
                continue;
            if (std::exchange(first, false))
                heading(text, group_title(group));
            entry(text, noun.name, noun.summary);
        }
    }
    heading(text, "Global flags");
    for (const std::string& line : global_flag_lines())
        text += line;
    text += "\nMore: conduitctl COMMAND --help, conduitctl help TOPIC "
            "(exit-codes, output, configuration, environment, contexts, confirmation, secrets)\n";
    return text;
}

std::string noun_help(const Noun& noun)
{
    std::string text =
        fmt::format("{}\n\nUsage: conduitctl {} VERB [ARGUMENTS] [FLAGS]\n", noun.summary, noun.name);
    heading(text, "Verbs");
    verb_entries(text, noun);
    text += fmt::format("\nMore: conduitctl {} VERB --help, global flags: conduitctl --help\n", noun.name);
    return text;
}

std::string effect_line(const VerbDoc& doc)
{
    if (doc.effect == Effect::read)
        return "read; changes nothing";
    if (doc.effect == Effect::local)
        return "local; writes this user's own files, nothing else";
    return fmt::format("{}, {}; undo: {}", effect_name(doc.effect), tier_name(doc.tier), undo_name(doc.undo));
}

std::string verb_help(const Noun& noun, const Verb& verb)
{
    const auto bound = verb.bind();
    std::string text =
        fmt::format("{}\n\nUsage: {}\n", verb.doc.summary, usage_line(noun, verb, bound->flags()));
    if (!verb.doc.text.empty())
        text += "\n" + wrap(verb.doc.text, k_width, 0) + "\n";
    flag_section(text, "Arguments", bound->flags(), true);
    flag_section(text, "Flags", bound->flags(), false);
    if (!verb.doc.examples.empty())
        heading(text, "Examples");
    for (const std::string_view example : verb.doc.examples)
        text += fmt::format("  {}\n", example);
    heading(text, "Effect");
    text += fmt::format("  {}\n", effect_line(verb.doc));
    heading(text, "Exit codes");
    std::string codes;
    for (const ErrorKind kind : declared_codes(verb.doc))
        codes += fmt::format("{}{} {}", codes.empty() ? "" : ", ", to_exit(kind), kind_name(kind));
    text += wrap(codes, k_width, 2) + "\n";
    return text + "\nGlobal flags: conduitctl --help. Exit codes: conduitctl help exit-codes\n";
}

} // namespace

std::string help_text(const Registry& registry, const Noun* noun, const Verb* verb)
{
    if (noun == nullptr)
        return program_help(registry);
    if (verb == nullptr && noun->verbs.size() == 1 && noun->verbs.front().doc.name.empty())
        verb = &noun->verbs.front();
    return verb == nullptr ? noun_help(*noun) : verb_help(*noun, *verb);
}

std::string wrap(std::string_view text, std::size_t width, std::size_t indent)
{
    std::string result;
    bool paragraph_start = true;
    for (const std::string& paragraph : split(text, '\n')) {
        if (!std::exchange(paragraph_start, false))
            result += '\n';
        std::string line(indent, ' ');
        bool empty = true;
        for (const std::string& word : split(paragraph, ' ')) {
            if (!empty && line.size() + 1 + word.size() > width) {
                result += line + "\n";
                line.assign(indent, ' ');
                empty = true;
            }
            if (!std::exchange(empty, false))
                line += ' ';
            line += word;
        }
        result += empty ? "" : line;
    }
    return result;
}

std::string usage_line(const Noun& noun, const Verb& verb, const Flags& flags)
{
    std::string line = fmt::format("conduitctl {}", command_path(noun, verb));
    bool has_flags = false;
    for (const Flag& flag : flags.all()) {
        if (flag.kind == Flag::Kind::argument)
            line += flag.is_required ? fmt::format(" {}", flag.name) : fmt::format(" [{}]", flag.name);
        else if (flag.kind == Flag::Kind::rest)
            line += flag.is_required ? fmt::format(" {}...", flag.name) : fmt::format(" [{}...]", flag.name);
        else if (flag.is_required)
            line += fmt::format(" {} {}", flag.name, flag.value_name);
        else
            has_flags = has_flags || !flag.is_hidden;
    }
    return has_flags ? line + " [FLAGS]" : line;
}

std::vector<std::string> global_flag_lines()
{
    Flags flags;
    GlobalOptions global;
    std::string output;
    global_flags(flags, global, output);
    std::vector<std::string> lines;
    for (const Flag& flag : flags.all())
        entry(lines.emplace_back(), flag_names(flag), flag_help(flag));
    entry(lines.emplace_back(), "-h, --help", "Help of the program, a command or a verb");
    return lines;
}

} // namespace conduit
