// SPDX-License-Identifier: Apache-2.0
// Dropping keys by prefix: SCAN on every master, UNLINK in the same round trip, in pages that are small
// enough for other clients not to notice.
#pragma once

#include "cli/redis/info.hpp"
#include "cli/redis/sample.hpp"
#include "core/cancel.hpp"
#include "core/duration.hpp"

#include <cstdint>
#include <functional>
#include <optional>

namespace conduit::redis {

struct ClearRequest {
    std::string prefix;    // literal, never empty; no key that begins otherwise is ever named to the server
    std::string pattern;   // as MATCH takes it, beginning with the prefix; "" for the prefix alone
    double per_second = 0; // keys; 0: as fast as the pages allow
};
// The literal beginning of a pattern; usage when it has none, for such a pattern may mean anybody's keys.
Result<ClearRequest> clear_by_pattern(const std::string& pattern);
Result<ClearRequest> clear_by_prefix(const std::string& prefix);

struct Cleared {
    std::uint64_t removed = 0;
    std::uint64_t kept = 0; // the server would not, such as in a slot that is being moved
    std::string why;        // its words
};
// told: from time to time, with what was done so far.
using ClearTold = std::function<void(const Cleared&)>;

struct ClearTools {
    Clock& clock;
    const Cancel& cancel;
    ClearTold told;
};
// What was removed stands in `done`, also after a failure. interrupted, unreachable, auth, refused (a
// replica).
Result<> clear_keys(const Masters& masters, const ClearRequest& request, const ClearTools& tools,
                    Cleared& done, Deadline deadline);

struct Left {
    std::uint64_t count = 0;
    std::vector<std::string> some;
};
// Looks at every key of every master again.
Result<Left> count_keys(const Masters& masters, const ClearRequest& request, const Cancel& cancel,
                        Deadline deadline);

// How many keys a page may have: so many that the server is busy with a command no longer than `hold`. By the
// server's own count of its time, since what a client measures is also the network and its own waiting.
class PageSize {
  public:
    explicit PageSize(std::chrono::microseconds hold) : hold_(hold) {}
    std::size_t keys() const { return keys_; }
    void took(std::chrono::microseconds turn); // the longer of what SCAN and UNLINK took lately, as a mean

  private:
    std::chrono::microseconds hold_;
    std::size_t keys_ = 100;
};

// The time of the calls between two answers of INFO commandstats; nullopt: there was none, or it does not
// say.
std::optional<std::chrono::microseconds> turn_between(const Info& before, const Info& after);

} // namespace conduit::redis
