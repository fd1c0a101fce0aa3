// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/server/call.hpp"

namespace conduit::agent {

bool is_moderated(const ClientCall& call);
// Nothing when the text may pass. A moderation that cannot be asked refuses, unless it is not required.
Task<std::optional<Refusal>> moderate(ClientCall& call, std::string_view text);

} // namespace conduit::agent
