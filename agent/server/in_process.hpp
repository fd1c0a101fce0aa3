// SPDX-License-Identifier: Apache-2.0
// Requests of our own, through the same code as the clients'.
#pragma once

#include "agent/admin/admin.hpp"
#include "agent/server/worker.hpp"

namespace conduit::agent {

// The cheap authenticated call that is not billed.
Task<DataPlane::TestResult> probe_provider(Worker& worker, std::size_t index, Duration timeout);
// One word of speech: billed, and accounted for.
Task<DataPlane::TestResult> speak_once(Worker& worker, std::size_t index, Duration timeout);
Task<Result<DataPlane::TestResult>> test_on(Worker& worker, std::string provider, bool billed,
                                            Duration timeout);
// Fills the cache; true: it was already there.
Task<Result<bool>> warm_one(Worker& worker, std::string body, Duration timeout);

// Probes every enabled provider at the configured interval, jittered, until the loop stops.
Task<void> probe_forever(Worker& worker);

} // namespace conduit::agent
