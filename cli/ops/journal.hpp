// SPDX-License-Identifier: Apache-2.0
// The record of every operation: append-only JSON lines, a file a month, each line with the hash of the one
// before.
#pragma once

#include "cli/ops/plan.hpp"
#include "core/clock.hpp"
#include "core/fs.hpp"
#include "core/json.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::ops {

enum class Phase {
    plan,
    begin,
    step_start,
    step_done,
    verify,
    compensate,
    compensated,
    resume,
    end,
    refused,
    dry_run,
    torn,
};
std::string_view phase_name(Phase phase); // "step-done"

struct Entry {
    std::string id; // of the operation
    std::uint64_t seq = 0;
    WallTime time;
    Phase phase = Phase::begin;
    std::string operator_name;
    std::string host;
    std::string context;
    std::vector<std::string> command;
    std::string reason;
    std::string incident;
    JsonBox step;        // {"n", "resource", "before": {path: value}, "after": {...}, "observed", "data"}
    JsonBox plan;        // of begin, plan, dry-run and refused
    JsonBox extra;       // further fields of this phase: {"undoes": ID}, {"bytes": 17, ...}
    std::string verdict; // "ok", "partial", ...; empty where there is none
    std::string message;
};

// Where a team sees one history: the agents' records. A mirror that fails is a warning, never a failed
// change.
class JournalMirror {
  public:
    virtual ~JournalMirror() = default;
    virtual Result<> append(const Entry& entry, std::string_view line) = 0;
    virtual Result<std::vector<Entry>> read(std::string_view id_prefix,
                                            std::size_t limit) = 0; // oldest first
};

struct OperationRecord {
    std::string id;
    std::vector<Entry> entries; // of this operation, oldest first
    const Entry& first() const { return entries.front(); }
    const Entry* last(Phase phase) const; // null when there is none
    bool begun() const { return last(Phase::begin) != nullptr; }
    bool unfinished() const;     // begun or resumed, and no end after that
    std::string verdict() const; // "ok", "rolled-back", ...; "unfinished", "refused", "dry-run", "planned"
    Result<Plan> plan() const;
};

struct HistoryQuery {
    std::size_t limit = 50;
    bool dry_runs = false;
    bool unfinished_only = false;
    std::string id_prefix;
    std::function<bool(const OperationRecord&)> keep; // may be empty
};

struct JournalFault {
    std::string file;
    std::size_t line = 0; // from 1; 0: the file as a whole
    std::string what;
};
struct JournalCheck {
    std::uint64_t entries = 0;
    std::uint64_t last_seq = 0;
    std::vector<JournalFault> faults; // at most 100
    std::vector<std::string> notes;   // torn lines: accidents, kept and marked
};

class Journal {
  public:
    // witness holds the same as HEAD, outside the folder, so that removing the folder is noticed too.
    Journal(fs::path folder, fs::path witness, Clock& clock);
    explicit Journal(const fs::path& folder, Clock& clock); // witness: "<folder>.witness" beside it

    // Fills in seq and time; durable when it returns. Any error is of kind failed.
    Result<Entry> append(Entry entry);
    void set_mirror(JournalMirror* mirror) { mirror_ = mirror; }
    const std::optional<Error>& mirror_error() const { return mirror_error_; } // the last one

    // Newest first. Damaged lines are skipped; verify() names them.
    Result<std::vector<OperationRecord>> operations(const HistoryQuery& query) const;
    // By unique prefix: not_found, or usage with the candidates.
    Result<OperationRecord> operation(std::string_view prefix) const;
    // The newest operation that wrote a field, after the given entry. nullopt: none recorded.
    Result<std::optional<Entry>> last_writer(std::string_view path, std::uint64_t after_seq) const;
    Result<JournalCheck> verify() const;
    const fs::path& folder() const { return folder_; }

  private:
    fs::path folder_;
    fs::path witness_;
    Clock& clock_;
    JournalMirror* mirror_ = nullptr;
    std::optional<Error> mirror_error_;
};

} // namespace conduit::ops
