// SPDX-License-Identifier: Apache-2.0
// Named moments of an operation at which a test may kill the process. Nothing but tests sets one.
#pragma once

#include <string_view>

namespace conduit::ops {

class CrashPoints {
  public:
    virtual ~CrashPoints() = default;
    virtual void reach(std::string_view name) = 0;
};

inline constexpr std::string_view k_before_begin = "before-begin";
inline constexpr std::string_view k_after_begin = "after-begin";
inline constexpr std::string_view k_before_send = "before-send"; // the step's start is recorded
inline constexpr std::string_view k_sent = "sent";       // inside the target's apply: sent, no reply yet
inline constexpr std::string_view k_replied = "replied"; // not recorded yet
inline constexpr std::string_view k_recorded = "recorded";
inline constexpr std::string_view k_verifying = "verifying";
inline constexpr std::string_view k_compensating = "compensating"; // its start is recorded, nothing sent
inline constexpr std::string_view k_compensated = "compensated";   // replied, not recorded yet
inline constexpr std::string_view k_before_end = "before-end";
inline constexpr std::string_view k_after_end = "after-end";

} // namespace conduit::ops
