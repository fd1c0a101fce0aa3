// SPDX-License-Identifier: Apache-2.0
// Everything written about the commands that is not --help, from the same registry.
#pragma once

#include "cli/command/registry.hpp"
#include "core/json.hpp"

#include <string>
#include <vector>

namespace conduit {

// {"items": [{"command", "summary", "effect", "tier", "undo", "exit_codes", "omitted", "arguments", "flags",
// "covers",
// ...}], "global_flags": [...]}; `commands -o json`.
Json describe_registry(const Registry& registry);
Json describe_verb(const Noun& noun, const Verb& verb);

struct GeneratedFile {
    std::string path; // from the repository's root
    std::string content;
};
std::string man_page(const Noun& noun, const Verb& verb);
std::string program_man_page(const Registry& registry);
std::string markdown_noun(const Noun& noun);
std::string markdown_index(const Registry& registry);
// completions/, docs/reference/, packaging/man/: what is committed and kept fresh by a test.
std::vector<GeneratedFile> generated_files(const Registry& registry);

} // namespace conduit
