// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace conduit::commands {

struct Topic {
    std::string_view name;
    std::string_view summary;
    std::string (*text)();
};
std::span<const Topic> topics(); // of `conduitctl help TOPIC`

} // namespace conduit::commands
