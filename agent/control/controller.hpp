// SPDX-License-Identifier: Apache-2.0
// Keeps the snapshot current: watches the configuration file, the key, token and rule files and the control
// store, rebuilds, publishes. Owns one thread.
#pragma once

#include "agent/control/snapshot.hpp"
#include "agent/safety/safety.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace conduit::agent {

struct ControlStatus {
    std::uint64_t revision = 0;         // newest known of the store
    std::uint64_t applied_revision = 0; // in every worker of this replica
    bool store_ok = true;
    std::string store_error;
    Duration store_age{0};   // since the store last answered
    bool from_disk = false;  // running on the last state kept on disk
    std::string config_file; // as this replica sees it: "/etc/conduit/agent.yaml"
    std::string config_sha256;
    WallTime config_loaded_at{};
    std::string config_error;         // of a newer file that was not taken
    std::vector<std::string> skipped; // overrides that do not fit
    std::vector<std::string>
        warnings; // secrets that everybody on the host may read, settings that need a restart
    std::string replica, admin_url;
    std::uint32_t replicas = 1; // alive, this one included
    bool ready = false;         // the state was read once and every worker has it
};

class Controller {
  public:
    // publish(snapshot, rules) is called on the controller's thread; it must return only when every worker
    // has swapped to it (that is what applied_revision means).
    using Publish = std::function<void(std::shared_ptr<const Snapshot>, std::shared_ptr<const SafetyRules>)>;
    struct Options {
        Config base;
        std::string replica_name;
        std::string admin_url; // for the heartbeat; may be set later by set_admin_url
        fs::path last_state;   // copy of the control state for starts without the store
        std::string version;
        Duration poll_interval{100};
        Duration file_interval{500};
        Duration heartbeat_interval{1'000};
        Duration alive_within{5'000};        // a replica with no heartbeat for this long does not count
        Duration without_store_after{2'000}; // then the copy on disk is used
        // Is this provider able to serve now? For the guard of the last healthy one; empty: all are.
        std::function<bool(const std::string&)> healthy;
    };
    // Faults in the key, token or rule files are errors here; later the good ones stay in use. snapshot() is
    // set from the beginning; publish is called for the first time when the state was read.
    static Result<std::unique_ptr<Controller>> start(Options options, std::unique_ptr<ControlStore> store,
                                                     Limiter& limiter, const Clock& clock, Publish publish);
    virtual ~Controller() = default;

    virtual std::shared_ptr<const Snapshot> snapshot() const = 0;
    virtual std::shared_ptr<const SafetyRules> rules() const = 0;
    virtual ControlStatus status() const = 0;
    // Checks (paths, types, the agent's own guards unless force), writes with compare-and-set, applies here
    // before it returns (it waits for publish, at most 5 s). stale, refused, usage, not_found, unreachable.
    virtual Result<ControlState> patch(StatePatch patch, bool force) = 0;
    virtual ControlStore& store() = 0;
    virtual std::vector<AdminToken> tokens() const = 0; // read from the watched file
    virtual void set_admin_url(std::string url) = 0;
    virtual void reload() = 0; // SIGHUP: look at the files now
    // It drains: the other replicas stop counting it at once, and it beats no more.
    virtual void farewell() = 0;
    virtual void stop() = 0;
};

} // namespace conduit::agent
