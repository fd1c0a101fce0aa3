// SPDX-License-Identifier: Apache-2.0
// How a provider misbehaves, and the answers it gives then.
#pragma once

#include "core/json.hpp"
#include "core/result.hpp"
#include "sim/wire/message.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace conduit::sim {

enum class ResetAt : std::uint8_t { never, accept, request };

struct Fault {
    Duration latency{0};    // before the answer's head
    Duration first_byte{0}; // between the head and the first byte of the body
    std::uint64_t bytes_per_second = 0;
    double error_rate = 0;
    int status = 0; // 0: 503 where an error is due. Alone: every request is answered so
    std::uint64_t fail_next = 0;
    bool throttle = false;
    int retry_after_s = -1; // -1: no Retry-After
    bool quota_exhausted = false;
    bool bad_credentials = false;
    bool garbage = false;
    bool html_502 = false;
    bool hang = false;
    std::optional<std::uint64_t> cut_after_bytes; // of the body, then a reset
    ResetAt reset = ResetAt::never;
    bool down = false;
    std::optional<SocketClose> ws_close; // ends WebSockets ...
    std::uint64_t ws_close_after = 0;    // ... after so many messages sent
    Duration expires{0};                 // 0: until lifted

    bool any() const;
};

// A patch onto the fault that is set: members named are changed, null resets one. Unknown members, wrong
// types and values out of range are usage errors.
Result<Fault> patch_fault(const Fault& before, const Json& patch);
Json fault_json(const Fault& fault); // only what differs from "no fault"

// What to do with one request. dice: uniform in [0,1). counted_failure: the request was taken by fail_next.
struct Verdict {
    std::optional<WireResponse> answer; // instead of the provider's
    bool hang = false;
    bool reset = false;
};
Verdict judge(const Fault& fault, ProviderKind provider, const Route& route, double dice,
              bool counted_failure);

// The provider's own wording of a failure.
WireResponse failure_answer(ProviderKind provider, const Route& route, int status);

} // namespace conduit::sim
