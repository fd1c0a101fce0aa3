// SPDX-License-Identifier: Apache-2.0
// How the stores of a context are read from config.yaml and shown. Internal to this folder.
#pragma once

#include "cli/config/config.hpp"
#include "cli/config/fields.hpp"
#include "core/json.hpp"

namespace conduit {

void read_stores(Fields& parent, Context& context); // redis, postgres, prometheus, backup
Json stores_json(const Context& context);           // secrets as references; what is not set is left out

} // namespace conduit
