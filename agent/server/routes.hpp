// SPDX-License-Identifier: Apache-2.0
// The data port's routes.
#pragma once

#include "agent/config/config.hpp"

#include <string_view>

namespace conduit::agent {

struct Route {
    enum class Kind : std::uint8_t {
        model,
        realtime,
        conversation,
        models,
        voices,
        admin,
        wrong_method,
        unknown
    };
    Kind kind = Kind::unknown;
    Operation operation = Operation::transcription;
    std::string_view allow;
};

Route find_route(std::string_view method, std::string_view target);

} // namespace conduit::agent
