// SPDX-License-Identifier: Apache-2.0
// One instance a provider kind; they hold no state.
#pragma once

#include "agent/providers/adapter.hpp"

namespace conduit::agent {

const Adapter& openai_adapter();
const Adapter& google_adapter();
const Adapter& aws_adapter();

} // namespace conduit::agent
