// SPDX-License-Identifier: Apache-2.0
// `conduitctl __complete WORD...`: cobra's protocol. The last word is the one being completed (may be empty).
#pragma once

#include "cli/app/app.hpp"

#include <string>
#include <vector>

namespace conduit {

// Bits of the last line, as cobra numbers them.
enum CompletionBits : int {
    k_bits_none = 0,
    k_bits_error = 1,
    k_bits_no_space = 2,
    k_bits_no_files = 4,
    k_bits_dirs = 16
};

struct Completion {
    std::vector<Candidate> candidates;
    int bits = k_bits_no_files;
};
Completion complete(App& app, std::span<const std::string> words);
std::string completion_text(const Completion& completion, bool descriptions);

// The refresher's body: finds the completer by its key, asks it, writes the cache. Silent. words: the line
// before the word that is completed, for a completer that looks at it.
void refresh_candidates(App& app, std::string_view key, std::span<const std::string> words);

// Live values through the cache; at most 250 ms when there is none yet.
std::vector<Candidate> live_candidates(App& app, const Completer& completer,
                                       std::span<const std::string> words);

Completer context_completer(); // names of the configuration's contexts

} // namespace conduit
