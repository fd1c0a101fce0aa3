// SPDX-License-Identifier: Apache-2.0
// Man pages (man(7) macros) and Markdown. No date and no machine in them: the same registry gives the same
// bytes.
#include "cli/command/reference.hpp"

#include "cli/command/globals.hpp"
#include "cli/command/help.hpp"
#include "cli/command/shells.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <utility>

namespace conduit {
namespace {

// roff reads a leading dot or quote as a request and "-" as a hyphen.
std::string roff(std::string_view text)
{
    std::string result;
    bool line_start = true;
    for (const char c : text) {
        if (line_start && (c == '.' || c == '\''))
            result += "\\&";
        if (c == '\\')
            result += "\\e";
        else if (c == '-')
            result += "\\-";
        else
            result += c;
        line_start = c == '\n';
    }
    return result;
}

std::string page_name(const Noun& noun, const Verb& verb)
{
    return "conduitctl-" + replace_all(command_path(noun, verb), " ", "-");
}

std::string flag_title(const Flag& flag)
{
    std::string title = flag.short_name.empty() ? "" : fmt::format("{}, ", flag.short_name);
    title += flag.name;
    const auto listed = choices(flag);
    if (flag.kind == Flag::Kind::option && !listed.empty() && flag.value_name == "CHOICE")
        title += " " + join(listed, "|");
    else if (!flag.implied.empty())
        title += fmt::format("[={}]", flag.value_name);
    else if (flag.kind == Flag::Kind::option)
        title += fmt::format(" {}", flag.value_name);
    return title;
}

std::string flag_text(const Flag& flag)
{
    std::string text(flag.help);
    if (const auto listed = choices(flag); !listed.empty() && flag.kind == Flag::Kind::argument)
        text += fmt::format(": {}", join(listed, ", "));
    text += ".";
    if (!flag.implied.empty())
        text += fmt::format(" Without a value: {}.", flag.implied);
    if (flag.is_required && flag.kind == Flag::Kind::option)
        text += " Required.";
    if (flag.many() && flag.kind == Flag::Kind::option)
        text += " May be repeated.";
    if (!flag.default_text.empty())
        text += fmt::format(" Default: {}.", flag.default_text);
    if (!flag.env.empty())
        text += fmt::format(" Environment: {}.", flag.env);
    return text;
}

template <class Write> void each_flag(const Flags& flags, bool positional, const Write& write)
{
    for (const Flag& flag : flags.all()) {
        const bool argument = flag.kind == Flag::Kind::argument || flag.kind == Flag::Kind::rest;
        if (argument == positional && !flag.is_hidden)
            write(flag);
    }
}

std::string man_flags(std::string_view section, const Flags& flags, bool positional)
{
    std::string body;
    each_flag(flags, positional, [&](const Flag& flag) {
        body += fmt::format(".TP\n.B {}\n{}\n", roff(flag_title(flag)), roff(flag_text(flag)));
    });
    return body.empty() ? body : fmt::format(".SH {}\n{}", section, body);
}

std::string man_head(std::string_view page, std::string_view summary)
{
    return fmt::format(".TH {} 1 \"\" \"conduitctl\" \"Conduit Ops\"\n.SH NAME\n{} \\- {}\n",
                       roff(to_upper(page)), roff(page), roff(summary));
}

std::string man_codes(const VerbDoc& doc)
{
    std::string text = ".SH EXIT STATUS\n";
    for (const ErrorKind kind : declared_codes(doc)) {
        const ExitCode& code = exit_code(kind);
        text += fmt::format(".TP\n.B {} {}\n{}.\n", to_exit(kind), roff(code.name), roff(code.meaning));
    }
    return text;
}

std::string man_effect(const VerbDoc& doc)
{
    if (doc.effect == Effect::read)
        return "Reads only.\n";
    if (doc.effect == Effect::local)
        return "Writes this user's own files, nothing else.\n";
    return fmt::format("This is a {} of the {} tier. Undo: {}.\n", effect_name(doc.effect),
                       tier_name(doc.tier), undo_name(doc.undo));
}

std::string markdown_flags(std::string_view title, const Flags& flags, bool positional)
{
    std::string rows;
    each_flag(flags, positional, [&](const Flag& flag) {
        rows += fmt::format("| `{}` | {} |\n", replace_all(flag_title(flag), "|", "\\|"),
                            replace_all(flag_text(flag), "|", "\\|"));
    });
    return rows.empty() ? rows : fmt::format("\n| {} | meaning |\n|---|---|\n{}", title, rows);
}

std::string markdown_verb(const Noun& noun, const Verb& verb)
{
    const auto bound = verb.bind();
    const VerbDoc& doc = verb.doc;
    std::string text = fmt::format("\n## conduitctl {}\n\n{}.\n\n```\n{}\n```\n", command_path(noun, verb),
                                   doc.summary, usage_line(noun, verb, bound->flags()));
    if (!doc.text.empty())
        text += fmt::format("\n{}\n", doc.text);
    text += markdown_flags("argument", bound->flags(), true);
    text += markdown_flags("flag", bound->flags(), false);
    if (!doc.examples.empty()) {
        text += "\n```sh\n";
        for (const std::string_view example : doc.examples)
            text += fmt::format("{}\n", example);
        text += "```\n";
    }
    std::string codes;
    for (const ErrorKind kind : declared_codes(doc))
        codes += fmt::format("{}{} {}", codes.empty() ? "" : ", ", to_exit(kind), kind_name(kind));
    return text + fmt::format("\n{}\nExit codes: {}.\n", man_effect(doc), codes);
}

} // namespace

std::string man_page(const Noun& noun, const Verb& verb)
{
    const auto bound = verb.bind();
    const VerbDoc& doc = verb.doc;
    std::string text = man_head(page_name(noun, verb), doc.summary);
    text +=
        fmt::format(".SH SYNOPSIS\n.B {}\n.SH DESCRIPTION\n", roff(usage_line(noun, verb, bound->flags())));
    text += roff(doc.text.empty() ? fmt::format("{}.", doc.summary) : std::string(doc.text)) + "\n.PP\n" +
            roff(man_effect(doc));
    text += man_flags("ARGUMENTS", bound->flags(), true);
    text += man_flags("OPTIONS", bound->flags(), false);
    if (!doc.examples.empty())
        text += ".SH EXAMPLES\n.nf\n";
    for (const std::string_view example : doc.examples)
        text += roff(example) + "\n";
    if (!doc.examples.empty())
        text += ".fi\n";
    text += man_codes(doc);
    return text + ".SH SEE ALSO\n.BR conduitctl (1)\n";
}

std::string program_man_page(const Registry& registry)
{
    std::string text = man_head("conduitctl", "run and repair audio services");
    text += ".SH SYNOPSIS\n.B conduitctl\n[GLOBAL FLAGS] COMMAND [VERB] [ARGUMENTS] [FLAGS]\n.SH COMMANDS\n";
    for (const Noun& noun : registry)
        for (const Verb& verb : noun.verbs)
            if (!noun.hidden && !verb.doc.hidden)
                text += fmt::format(".TP\n.BR {} (1)\n{}.\n", roff(page_name(noun, verb)),
                                    roff(verb.doc.summary));
    Flags globals;
    GlobalOptions global;
    std::string output;
    global_flags(globals, global, output);
    text += man_flags("GLOBAL OPTIONS", globals, false) + ".SH EXIT STATUS\n";
    for (const ExitCode& code : exit_codes())
        text += fmt::format(".TP\n.B {} {}\n{}.\n", to_exit(code.kind), roff(code.name), roff(code.meaning));
    return text + ".SH FILES\n.I ~/.config/conduitctl/config.yaml\n";
}

std::string markdown_noun(const Noun& noun)
{
    std::string text = fmt::format("<!-- Generated by: conduitctl docs generate -->\n# {}\n\n{}.\n",
                                   noun.name, noun.summary);
    for (const Verb& verb : noun.verbs)
        if (!verb.doc.hidden)
            text += markdown_verb(noun, verb);
    return text;
}

std::string markdown_index(const Registry& registry)
{
    std::string text = "<!-- Generated by: conduitctl docs generate -->\n# Command reference\n";
    for (auto group = Group::where; group <= Group::tool;
         group = static_cast<Group>(std::to_underlying(group) + 1)) {
        bool first = true;
        for (const Noun& noun : registry) {
            if (noun.group != group || noun.hidden)
                continue;
            if (std::exchange(first, false))
                text += fmt::format("\n## {}\n\n| command | what it does |\n|---|---|\n", group_title(group));
            for (const Verb& verb : noun.verbs)
                if (!verb.doc.hidden)
                    text += fmt::format("| [{}]({}.md) | {} |\n", command_path(noun, verb), noun.name,
                                        verb.doc.summary);
        }
    }
    return text;
}

std::vector<GeneratedFile> generated_files(const Registry& registry)
{
    std::vector<GeneratedFile> files{{"completions/conduitctl.bash", std::string(bash_completion())},
                                     {"completions/_conduitctl", std::string(zsh_completion())},
                                     {"completions/conduitctl.fish", std::string(fish_completion())},
                                     {"docs/reference/README.md", markdown_index(registry)},
                                     {"packaging/man/conduitctl.1", program_man_page(registry)}};
    for (const Noun& noun : registry) {
        if (noun.hidden)
            continue;
        files.push_back({fmt::format("docs/reference/{}.md", noun.name), markdown_noun(noun)});
        for (const Verb& verb : noun.verbs)
            if (!verb.doc.hidden)
                files.push_back(
                    {fmt::format("packaging/man/{}.1", page_name(noun, verb)), man_page(noun, verb)});
    }
    return files;
}

} // namespace conduit
