// SPDX-License-Identifier: Apache-2.0
// From words to a verb that can run. Runbooks and playbooks use this as the program itself does.
#pragma once

#include "cli/command/globals.hpp"
#include "cli/command/registry.hpp"

#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>

namespace conduit {

using Environment = std::map<std::string, std::string, std::less<>>;

struct Invocation {
    enum class Kind { run, help };
    Kind kind = Kind::run;
    const Noun* noun = nullptr; // null under help: the program's own
    const Verb* verb = nullptr; // null under help: the noun's
    std::unique_ptr<BoundVerb> bound;
    GlobalOptions global;
};

// words: without the program's name. Usage errors name the nearest nouns, verbs and flags. The registry must
// outlive the invocation.
Result<Invocation> parse_invocation(const Registry& registry, std::span<const std::string> words,
                                    const Environment& env);

// What stands before the flags: which noun and verb the words name. rest: the words of the verb, with the
// global flags that stood earlier put in front.
struct Dispatch {
    const Noun* noun = nullptr;
    const Verb* verb = nullptr;
    std::vector<std::string> rest;
    bool help = false;
    std::string unmatched; // the word that is no noun, or no verb of the noun; "" when there was none
};
Dispatch dispatch(const Registry& registry, std::span<const std::string> words);

// The output format asked for, even when the line as a whole cannot be parsed: errors obey it.
OutputFormat requested_output(std::span<const std::string> words);

// parse_cli11.cpp, the one file that knows CLI11. Assigns to the flags' targets and returns the names of the
// flags that stood on the line. command: for hints, "provider weight".
Result<std::set<std::string>> parse_flags(const Flags& verb_flags, const Flags& globals,
                                          std::span<const std::string> words, const Environment& env,
                                          std::string_view command);

} // namespace conduit
