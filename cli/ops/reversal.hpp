// SPDX-License-Identifier: Apache-2.0
// --for where the target cannot end a value itself: a record a pending reversal, carried out by whoever
// serves them.
#pragma once

#include "cli/ops/host.hpp"
#include "cli/ops/target.hpp"

#include <optional>
#include <string>
#include <vector>

namespace conduit::ops {

struct Reversal {
    std::string operation; // to be undone
    WallTime due;
    std::string summary;
    std::string operator_name;
    std::string context;
    std::string target_kind;
    std::string target;
    std::vector<std::string> paths;
    std::string state = "pending"; // "stale": its fields were changed by somebody else, nothing will be done
    std::string message;           // of the last try
};

class ReversalStore {
  public:
    ReversalStore(fs::path folder, Clock& clock) : folder_(std::move(folder)), clock_(clock) {}

    Result<> add(const Reversal& reversal);
    Result<> remove(const std::string& operation); // absent is fine
    Result<std::vector<Reversal>> list() const;    // soonest first; a damaged record is listed as such
    // Does somebody serve this folder? A server says so at least every heartbeat.
    bool answered(Duration heartbeat = std::chrono::seconds(90)) const;
    Result<> beat();

  private:
    fs::path folder_;
    Clock& clock_;
};

struct ReversalOutcome {
    std::string operation;
    ErrorKind verdict = ErrorKind::ok;
    std::string message;
};
struct Served {
    std::vector<ReversalOutcome> outcomes;
    std::optional<WallTime> next; // when the next one is due
};
// Carries out what is due at host.clock's now, as undo. Fields changed since: nothing is done, the record is
// marked.
Result<Served> serve_reversals_once(Host& host, ReversalStore& store, TargetFinder& targets);

} // namespace conduit::ops
