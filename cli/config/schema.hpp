// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/json.hpp"

namespace conduit {

Json config_schema(); // JSON Schema (2020-12) of config.yaml, made by the reader itself

} // namespace conduit
