// SPDX-License-Identifier: Apache-2.0
#include "cli/command/help.hpp"

#include "cli/app/app.hpp"
#include "cli/commands/all.hpp"
#include "cli/commands/shared.hpp"
#include "cli/commands/topics.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct HelpOptions {
    std::vector<std::string> words;
};

Result<std::vector<Candidate>> help_words(App& app, std::span<const std::string> words)
{
    std::vector<Candidate> found;
    for (const Topic& topic : topics())
        found.push_back({std::string(topic.name), std::string(topic.summary)});
    TRY_ASSIGN(const auto nouns, noun_completer().fetch(app, words));
    found.insert(found.end(), nouns.begin(), nouns.end());
    return found;
}

void help_flags(Flags& flags, HelpOptions& o)
{
    flags.rest("TOPIC", o.words, "Topic, or a command")
        .complete({.key = "help", .fetch = help_words, .live = false});
}

Result<std::string> help_about(App& app, const std::vector<std::string>& words)
{
    if (words.empty())
        return help_text(app.registry(), nullptr, nullptr);
    for (const Topic& topic : topics())
        if (words.size() == 1 && topic.name == words.front())
            return topic.text();
    const Dispatch found = dispatch(app.registry(), words);
    if (found.noun != nullptr && found.unmatched.empty())
        return help_text(app.registry(), found.noun, found.verb);
    std::vector<std::string> names;
    for (const Topic& topic : topics())
        names.emplace_back(topic.name);
    for (const Noun& noun : app.registry())
        names.emplace_back(noun.name);
    return fail(ErrorKind::not_found, unknown_name("help topic", join(words, " "), names),
                "See: conduitctl --help");
}

Result<Report> help_run(App& app, const HelpOptions& o)
{
    TRY_ASSIGN(std::string text, help_about(app, o.words));
    Report report;
    report.data = Json{{"topic", join(o.words, " ")}, {"text", text}};
    if (o.words == std::vector<std::string>{"exit-codes"}) {
        Json items = Json::array();
        for (const ExitCode& code : exit_codes())
            items.push_back({{"code", to_exit(code.kind)},
                             {"name", code.name},
                             {"meaning", code.meaning},
                             {"retryable", code.retryable}});
        report.data = Json{{"topic", "exit-codes"}, {"items", items}};
    }
    report.text = std::move(text);
    return report;
}

} // namespace

std::vector<Omitted> prints_what_it_holds()
{
    auto omitted = contacts_nothing();
    omitted.push_back({ErrorKind::auth, "opens no file"});
    omitted.push_back({ErrorKind::failed, "prints what is built in"});
    return omitted;
}

Noun help()
{
    return standalone<HelpOptions>(Group::tool,
                                   {.name = "help",
                                    .summary = "Explain a topic or a command",
                                    .text =
                                        "Topics: exit-codes, output, configuration, environment, contexts, "
                                        "confirmation, secrets.",
                                    .examples = {"conduitctl help exit-codes", "conduitctl help context use"},
                                    .omitted = prints_what_it_holds()},
                                   help_flags, help_run);
}

} // namespace conduit::commands
