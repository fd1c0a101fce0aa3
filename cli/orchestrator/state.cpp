// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/orchestrator.hpp"

#include <array>
#include <utility>

namespace conduit {
namespace {

constexpr std::array<std::pair<InstanceState, std::string_view>, 6> k_states{{
    {InstanceState::starting, "starting"},
    {InstanceState::ready, "ready"},
    {InstanceState::not_ready, "not-ready"},
    {InstanceState::draining, "draining"},
    {InstanceState::exited, "exited"},
    {InstanceState::crash_loop, "crash-loop"},
}};

} // namespace

std::string_view state_name(InstanceState state)
{
    for (const auto& [value, name] : k_states)
        if (value == state)
            return name;
    return "unknown";
}

std::optional<InstanceState> parse_state(std::string_view name)
{
    for (const auto& [value, text] : k_states)
        if (text == name)
            return value;
    return std::nullopt;
}

} // namespace conduit
