// SPDX-License-Identifier: Apache-2.0
// What must hold for every command, whoever wrote it.
#include "cli/app/app.hpp"
#include "cli/command/parse.hpp"
#include "cli/command/reference.hpp"
#include "cli/commands/all.hpp"
#include "cli/ops/change_options.hpp"
#include "core/text.hpp"
#include "tests/support/catch.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

using namespace conduit;

namespace {

const Registry& registry()
{
    static const Registry all = commands::all();
    return all;
}

template <class Check> void each_verb(const Check& check)
{
    for (const Noun& noun : registry())
        for (const Verb& verb : noun.verbs) {
            INFO("conduitctl " << command_path(noun, verb));
            check(noun, verb);
        }
}

bool changes(const Verb& verb)
{
    return verb.doc.effect == Effect::change || verb.doc.effect == Effect::destroy;
}

bool lower_words(std::string_view name)
{
    return std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == ' ';
    });
}

// A command line as a shell splits it: blanks, and quotes that keep words together.
std::vector<std::string> shell_words(std::string_view line)
{
    std::vector<std::string> words;
    std::string word;
    char quote = '\0';
    bool open = false;
    for (const char c : line) {
        if (quote != '\0') {
            if (c == quote)
                quote = '\0';
            else
                word += c;
        } else if (c == '\'' || c == '"') {
            quote = c;
            open = true;
        } else if (c == ' ') {
            if (open || !word.empty())
                words.push_back(std::exchange(word, {}));
            open = false;
        } else {
            word += c;
        }
    }
    if (open || !word.empty())
        words.push_back(word);
    return words;
}

std::set<std::string> global_names()
{
    Flags flags;
    GlobalOptions global;
    std::string output;
    global_flags(flags, global, output);
    std::set<std::string> names{"--help", "-h"};
    for (const Flag& flag : flags.all()) {
        names.emplace(flag.name);
        if (!flag.short_name.empty())
            names.emplace(flag.short_name);
    }
    return names;
}

} // namespace

TEST_CASE("names of nouns and verbs are lower case and do not collide")
{
    std::set<std::string> paths;
    for (const Noun& noun : registry()) {
        CHECK(lower_words(noun.name));
        CHECK_FALSE(noun.name.empty());
        CHECK_FALSE(noun.verbs.empty());
    }
    each_verb([&](const Noun& noun, const Verb& verb) {
        CHECK(lower_words(verb.doc.name));
        CHECK(paths.insert(command_path(noun, verb)).second);
    });
}

TEST_CASE("every summary is short and has no full stop")
{
    static constexpr std::size_t k_longest = 60;
    for (const Noun& noun : registry()) {
        INFO(noun.name);
        CHECK(noun.summary.size() <= k_longest);
    }
    each_verb([](const Noun&, const Verb& verb) {
        CHECK_FALSE(verb.doc.summary.empty());
        CHECK(verb.doc.summary.size() <= k_longest);
        CHECK_FALSE(verb.doc.summary.ends_with('.'));
    });
}

TEST_CASE("every verb has an example, and every example parses to that verb")
{
    each_verb([](const Noun& noun, const Verb& verb) {
        CHECK_FALSE(verb.doc.examples.empty());
        for (const std::string_view example : verb.doc.examples) {
            INFO(example);
            auto words = shell_words(example);
            REQUIRE(words.size() > 1);
            CHECK(words.front() == "conduitctl");
            words.erase(words.begin());
            const auto invocation = parse_invocation(registry(), words, {});
            INFO((invocation ? "" : invocation.error().message));
            REQUIRE(invocation);
            CHECK(invocation->noun == &noun);
            CHECK(invocation->verb == &verb);
        }
    });
}

TEST_CASE("every change has the shared flags of changes, and no read has them")
{
    each_verb([](const Noun&, const Verb& verb) {
        const auto bound = verb.bind();
        CHECK((bound->change() != nullptr) == changes(verb));
        for (const auto* name : {"--dry-run", "--check", "--plan-out", "--plan", "--yes", "--confirm",
                                 "--reason", "--for", "--no-wait", "--incident", "--force"}) {
            INFO(name);
            if (changes(verb))
                CHECK(bound->flags().find(name) != nullptr);
        }
    });
}

TEST_CASE("every flag has help, a value name where it takes one, and a name of its own")
{
    const auto globals = global_names();
    each_verb([&](const Noun&, const Verb& verb) {
        std::set<std::string> names;
        const auto bound = verb.bind();
        bool rest_seen = false;
        bool optional_seen = false;
        for (const Flag& flag : bound->flags().all()) {
            INFO(flag.name);
            CHECK_FALSE(flag.help.empty());
            CHECK_FALSE(flag.help.ends_with('.'));
            CHECK((flag.takes_value() == !flag.value_name.empty()));
            CHECK(names.insert(std::string(flag.name)).second);
            if (flag.kind == Flag::Kind::flag || flag.kind == Flag::Kind::option) {
                CHECK(flag.name.starts_with("--"));
                CHECK(lower_words(flag.name.substr(2)));
                CHECK_FALSE(globals.contains(std::string(flag.name)));
                if (!flag.short_name.empty()) {
                    CHECK(flag.short_name.size() == 2);
                    CHECK(names.insert(std::string(flag.short_name)).second);
                    CHECK_FALSE(globals.contains(std::string(flag.short_name)));
                }
            } else {
                CHECK(flag.name == to_upper(flag.name));
                CHECK_FALSE((optional_seen && flag.is_required));
                optional_seen = optional_seen || !flag.is_required;
                // Lists of words end the line, so the rest must be the last of the arguments.
                CHECK_FALSE(rest_seen);
                rest_seen = flag.kind == Flag::Kind::rest;
            }
            if (const auto listed = choices(flag); std::holds_alternative<Choice>(flag.target))
                CHECK(listed.size() > 1);
        }
    });
}

TEST_CASE("exit codes: the usual ones are declared, or their omission has a reason")
{
    using enum ErrorKind;
    each_verb([](const Noun&, const Verb& verb) {
        const auto codes = declared_codes(verb.doc);
        const auto declared = [&](ErrorKind kind) { return std::ranges::find(codes, kind) != codes.end(); };
        const auto omitted = [&](ErrorKind kind) {
            return std::ranges::find(verb.doc.omitted, kind, &Omitted::code) != verb.doc.omitted.end();
        };
        CHECK(declared(ok));
        CHECK(declared(usage));
        for (const ErrorKind kind : {not_found, auth, unreachable, unknown})
            CHECK((declared(kind) || omitted(kind)));
        if (changes(verb))
            for (const ErrorKind kind : {refused, stale, locked, unverified})
                CHECK((declared(kind) || omitted(kind)));
        if (changes(verb) && verb.doc.steps)
            CHECK((declared(rolled_back) || declared(partial)));
        for (const Omitted& omission : verb.doc.omitted) {
            CHECK_FALSE(omission.reason.empty());
            CHECK(std::ranges::find(verb.doc.also, omission.code) == verb.doc.also.end());
        }
    });
}

TEST_CASE("a severe change that loses data says so: destroy is severe")
{
    each_verb([](const Noun&, const Verb& verb) {
        if (verb.doc.effect == Effect::destroy && verb.doc.undo == Undo::none)
            CHECK(verb.doc.tier == Tier::severe);
    });
}

TEST_CASE("coverage ids have their form and stand once in a verb")
{
    each_verb([](const Noun&, const Verb& verb) {
        std::set<std::string_view> seen;
        for (const std::string_view id : verb.doc.covers) {
            INFO(id);
            CHECK((id.size() > 4 && id[0] >= 'A' && id[0] <= 'E' && id[1] == '-'));
            CHECK(seen.insert(id).second);
        }
    });
}

TEST_CASE("the JSON description has every command with its codes and flags")
{
    const Json json = describe_registry(registry());
    std::size_t verbs = 0;
    each_verb([&](const Noun& noun, const Verb& verb) { verbs += noun.hidden || verb.doc.hidden ? 0 : 1; });
    REQUIRE(json["items"].size() == verbs);
    for (const Json& item : json["items"]) {
        CHECK(item["exit_codes"].size() >= 2);
        CHECK(item["covers"].is_array());
        CHECK(item["flags"].is_array());
    }
}
