// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/config/config.hpp"
#include "agent/config/fields.hpp"

namespace conduit::agent {

std::vector<ProviderConfig> read_providers(const YamlNode& node, FieldContext& context);
RedisConfig read_redis(const YamlNode& node, FieldContext& context); // a null node: off

} // namespace conduit::agent
