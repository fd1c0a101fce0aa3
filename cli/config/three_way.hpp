// SPDX-License-Identifier: Apache-2.0
// What applying a file to settings means: the file, what a file last put there, and what is there now.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace conduit {

struct KeyChange {
    std::string key;
    std::optional<std::string> before, after; // nullopt: not there
    bool conflict = false;                    // somebody else has changed it since, or it never was ours
};

using Texts = std::map<std::string, std::string>;

// applied: the SHA-256 of what was last applied, by key. A key that no file put there is left alone unless
// the file has it; then it is a conflict if it differs. Sorted by key; what already is so is left out.
std::vector<KeyChange> three_way(const Texts& applied, const Texts& file, const Texts& live);

} // namespace conduit
