// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/providers/adapter.hpp"

namespace conduit::agent {

// The error's name counts, not the status: Polly throttles with HTTP 400, Transcribe refuses after the 101.
Classified classify_aws(const ResponseHead& head, std::string_view body);

} // namespace conduit::agent
