// SPDX-License-Identifier: Apache-2.0
// Command lines of other programs as they may be recorded: what looks like a secret is its fingerprint.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace conduit::ops {

// Values of flags, variables and headers whose name says that they are secret, passwords in URLs, and words
// of a known make (sk-..., eyJ..., AKIA...), inside of words too (sh -c). It cannot know all: a secret
// belongs on stdin.
std::vector<std::string> without_secrets(std::span<const std::string> words);

} // namespace conduit::ops
