// SPDX-License-Identifier: Apache-2.0
// Control state: overrides made at run time over the base configuration. One generic form, path -> value, so
// that stale checks, undo, expiry, history and convergence are written once for every verb.
//
// Paths (values in JSON; absent = the base configuration holds):
//   providers/<p>/enabled bool            providers/<p>/weight 0..1000
//   providers/<p>/max_connections int     providers/<p>/max_concurrent int
//   providers/<p>/timeout "120s"          providers/<p>/first_byte_timeout "30s"
//   providers/<p>/endpoint URL            providers/<p>/region NAME          providers/<p>/regions/<r> URL
//   providers/<p>/models/<operation> NAME providers/<p>/circuit_epoch int (a higher one closes the circuit)
//   providers/<p>/realtime_drain "30s"
//   pool/reset_epoch int (a higher one drains every older connection)  pool/max_idle "15m"
//   pool/realtime_drain "30s"
//   pool/connect_timeout "5s" cache/ttl/speech "1h"  cache/ttl/transcription "30m"  cache/max_bytes int
//   cache/enabled bool cache/clear {"epoch": int, "prefix": "audio:tts:"} (a higher epoch drops what starts
//   with the prefix) limits/per_key "1000/h"  limits/global "50/s"  limits/keys/<id> "10/s" limits/emergency
//   {"requests_per_minute": N} blocklist/<key id> {"reason": text} safety/enabled bool  safety/emergency bool
#pragma once

#include "core/clock.hpp"
#include "core/json.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace conduit::agent {

struct Override {
    JsonBox value;
    std::string actor;
    std::string reason;
    std::string operation; // the CLI's operation id and step, "01JD…/1"; may be empty (curl)
    WallTime set_at{};
    std::optional<WallTime> expires_at;
    std::uint64_t revision = 0;
};

struct ControlState {
    std::uint64_t revision = 0; // rises by one with each change, expiries included
    std::map<std::string, Override> overrides;
    bool changed = false; // answers of apply() only: this patch wrote something
};

struct StatePatch {
    std::map<std::string, JsonBox> set;
    std::vector<std::string> unset;
    std::map<std::string, JsonBox> expect; // path -> value it must have now (null: no override); else stale
    std::optional<std::uint64_t> if_revision;
    std::string actor;
    std::string reason;
    std::string
        operation; // a patch whose operation is already recorded is answered with the recorded outcome
    std::optional<Duration> expires_in;           // on the store's clock
    std::map<std::string, Duration> expires_each; // the same for one path of set, before expires_in
    std::optional<std::uint64_t> fence; // of the lock on fence_scope; a lower one than seen there is refused
    std::string fence_scope;
};

struct ReplicaInfo {
    std::string name;
    std::string admin_url;
    std::int64_t pid = 0;
    std::uint64_t applied_revision = 0;
    WallTime seen_at{};
    std::string version;
};

struct HistoryEntry {
    std::uint64_t revision = 0;
    WallTime time{};
    std::string actor, reason, operation;
    std::string kind; // "patch" or "expire"
    JsonBox changes;  // [{"path","before","after"}]
};

// Durable, shared by the replicas of one deployment. Thread-safe.
class ControlStore {
  public:
    virtual ~ControlStore() = default;
    virtual Result<ControlState> load() = 0;
    virtual Result<std::uint64_t> revision() = 0; // cheap: polled
    // stale (details "path", "actor", "revision") when an expectation fails; nothing is written then.
    virtual Result<ControlState> apply(const StatePatch& patch) = 0;
    virtual Result<std::uint64_t> expire_due() = 0; // removes what has expired; the revision afterwards
    virtual Result<std::vector<HistoryEntry>> history(std::size_t limit, const std::string& operation) = 0;
    virtual Result<> heartbeat(const ReplicaInfo& replica) = 0;
    virtual Result<> farewell(const ReplicaInfo& replica) = 0; // it counts no longer; by name and pid
    virtual Result<std::vector<ReplicaInfo>> replicas(Duration seen_within) = 0;
    virtual Result<> append_journal(const std::string& line) = 0; // the CLI's mirrored journal
    virtual Result<std::vector<std::string>> journal(std::size_t limit) = 0;
};

// SQLite (WAL, synchronous=FULL): for processes on one host.
Result<std::unique_ptr<ControlStore>> make_sqlite_store(const std::string& path, const Clock& clock);

} // namespace conduit::agent
