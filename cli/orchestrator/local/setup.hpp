// SPDX-License-Identifier: Apache-2.0
// The files a local folder starts from: tokens, keys and the agent's configuration. What is there already is
// kept.
#pragma once

#include "cli/orchestrator/local/layout.hpp"
#include "cli/orchestrator/local/spec.hpp"
#include "core/result.hpp"

namespace conduit::local {

// Tokens and keys: values 0600 under tokens/ and config/*.key; the agent's own files hold their SHA-256 only.
Result<> write_secrets(const Layout& layout);
// agent.yaml with the three providers at the simulator's ports (at the real ones without a simulator).
Result<> write_agent_config(const Layout& layout, const LocalSpec& spec);
// What the simulator needs to know the credentials: arguments that name the files.
std::vector<std::string> sim_credential_args(const Layout& layout);

} // namespace conduit::local
