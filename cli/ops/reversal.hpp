// SPDX-License-Identifier: Apache-2.0
// --for where the target cannot end a value itself: a record a pending reversal, carried out by whoever
// serves them.
#pragma once

#include "cli/ops/host.hpp"
#include "cli/ops/target.hpp"

#include <optional>
#include <string>
#include <string_view>
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

inline constexpr Duration k_reversal_heartbeat{90'000};

class ReversalStore {
  public:
    virtual ~ReversalStore() = default;
    virtual Result<> add(const Reversal& reversal) = 0;
    virtual Result<> remove(const std::string& operation) = 0; // absent is fine
    virtual Result<std::vector<Reversal>> list() = 0; // soonest first; a damaged one is listed as such
    // Does somebody serve them? A server says so at least every k_reversal_heartbeat.
    virtual bool answered() = 0;
    virtual Result<> beat() = 0;
};

std::string write_reversal(const Reversal& reversal); // as a document of one line
Result<Reversal> read_reversal(std::string_view text);
// What is listed of a record that cannot be read.
Reversal damaged_reversal(const std::string& operation, const Error& error);
void sort_reversals(std::vector<Reversal>& all); // soonest first

// A file a record in a folder of this host.
class ReversalFolder final : public ReversalStore {
  public:
    ReversalFolder(fs::path folder, Clock& clock) : folder_(std::move(folder)), clock_(clock) {}

    Result<> add(const Reversal& reversal) override;
    Result<> remove(const std::string& operation) override;
    Result<std::vector<Reversal>> list() override;
    bool answered() override;
    Result<> beat() override;

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
