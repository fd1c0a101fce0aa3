// SPDX-License-Identifier: Apache-2.0
// The control API: faults and counters of the providers.
#pragma once

#include "core/json.hpp"
#include "sim/faults/fault.hpp"
#include "sim/wire/message.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::sim {

class SimState { // what the control API looks at and changes
  public:
    virtual ~SimState() = default;
    virtual std::vector<std::string> provider_names() const = 0;
    virtual Json provider_json(std::string_view name) const = 0; // the name exists
    virtual Fault fault_of(std::string_view name) const = 0;
    virtual Result<> set_fault(std::string_view name, const Fault& fault) = 0;
    virtual void reset_counters() = 0;
};

WireResponse answer_control(const WireRequest& request, SimState& state);

} // namespace conduit::sim
