// SPDX-License-Identifier: Apache-2.0
#include "cli/app/app.hpp"
#include "cli/command/reference.hpp"
#include "cli/commands/all.hpp"
#include "cli/commands/shared.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct CommandsOptions {
    std::string noun;
};

Result<std::vector<Candidate>> noun_names(App& app, std::span<const std::string>)
{
    std::vector<Candidate> names;
    for (const Noun& noun : app.registry())
        if (!noun.hidden)
            names.push_back({std::string(noun.name), std::string(noun.summary)});
    return names;
}

void commands_flags(Flags& flags, CommandsOptions& o)
{
    flags.arg("NOUN", o.noun, "Only this noun's commands").optional().complete(noun_completer());
}

Result<Report> commands_run(App& app, const CommandsOptions& o)
{
    Report report;
    TRY_ASSIGN(const Noun* only, o.noun.empty() ? Result<const Noun*>{nullptr} : known_noun(app, o.noun));
    report.data = describe_registry(only == nullptr ? app.registry() : Registry{*only});
    report.columns = {{.head = "COMMAND", .field = "command"},
                      {.head = "EFFECT", .field = "effect"},
                      {.head = "TIER", .field = "tier", .wide_only = true},
                      {.head = "UNDO", .field = "undo", .wide_only = true},
                      {.head = "EXIT-CODES", .field = "exit_codes", .wide_only = true},
                      {.head = "SUMMARY", .field = "summary"}};
    report.name_field = "command";
    return report;
}

} // namespace

Completer noun_completer()
{
    return {.key = "nouns", .fetch = noun_names, .live = false};
}

Result<const Noun*> known_noun(App& app, const std::string& name)
{
    if (const Noun* noun = app.registry().find(name))
        return noun;
    std::vector<std::string> names;
    for (const Noun& noun : app.registry())
        names.emplace_back(noun.name);
    return fail(ErrorKind::not_found, unknown_name("command", name, names), "See: conduitctl commands");
}

Noun commands()
{
    return standalone<CommandsOptions>(
        Group::tool,
        {.name = "commands",
         .summary = "List every command, with flags, effect and exit codes",
         .text = "With -o json the whole registry: for each command its arguments and flags with type and "
                 "default, "
                 "its effect, tier and undo, the exit codes it can return (and why the usual others are "
                 "omitted), "
                 "its examples and the procedures it covers.",
         .examples = {"conduitctl commands", "conduitctl commands context -o json"},
         .omitted = prints_what_it_holds()},
        commands_flags, commands_run);
}

} // namespace conduit::commands
