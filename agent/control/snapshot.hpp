// SPDX-License-Identifier: Apache-2.0
// What the request path reads: base configuration with the overrides laid over it, immutable, swapped as a
// whole.
#pragma once

#include "agent/config/config.hpp"
#include "agent/control/state.hpp"
#include "agent/limits/limiter.hpp"
#include "core/hash.hpp"

#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

namespace conduit::agent {

struct ApiKey {
    std::string id; // shown, logged, billed; never the key
    Sha256Digest digest{};
    Rate limit{};              // count 0: the default of the configuration
    std::string age_group;     // for safety rules; may be empty
    LimitSlot* slot = nullptr; // owned by the Limiter; the same for the same id over all snapshots
    bool blocked = false;
};

class KeyTable {
  public:
    // null: unknown. `presented` is the key as the client sent it.
    const ApiKey* find(std::string_view presented) const;
    const ApiKey* find(const Sha256Digest& digest) const;
    const ApiKey* find_id(std::string_view id) const; // the first, when a rotation gives an id two keys
    void add(ApiKey key);
    std::size_t size() const { return keys_.size(); }
    const std::vector<std::unique_ptr<ApiKey>>& all() const { return keys_; }

  private:
    struct DigestHash {
        std::size_t operator()(const Sha256Digest& d) const noexcept;
    };
    std::vector<std::unique_ptr<ApiKey>> keys_; // pointers stay valid when the table moves
    std::unordered_map<Sha256Digest, const ApiKey*, DigestHash> by_digest_;
};

// YAML or JSON list: - {name: team-a, sha256: HEX, limit: 1000/h, age_group: child}
// A name may come twice with different digests: both keys are valid during a rotation.
Result<std::vector<ApiKey>> parse_keys(std::string_view yaml, const std::string& file);

struct AdminToken {
    std::string name;
    std::string scope; // viewer or operator
    Sha256Digest digest{};
};
// YAML or JSON list: - {name: maria, scope: operator, sha256: HEX}
Result<std::vector<AdminToken>> parse_tokens(std::string_view yaml, const std::string& file);
// Looks at every token whatever matches, so that time tells nothing. null: unknown.
const AdminToken* find_token(const std::vector<AdminToken>& tokens, std::string_view presented);

std::string digest_id(const Sha256Digest& digest); // "sha256:" and 64 hexadecimal digits

struct CacheClear {
    std::uint64_t epoch = 0;
    std::string prefix;
};

struct Snapshot {
    std::uint64_t revision = 0;         // of the control state
    std::uint64_t generation = 0;       // rises with every swap in this process
    Config config;                      // effective: overrides applied
    std::shared_ptr<const Config> base; // as the file says
    ControlState state;
    KeyTable keys;
    bool keys_required = true;
    std::set<std::string> blocklist;            // key ids, and "sha256:HEX" of keys that have no id
    std::optional<std::uint32_t> emergency_rpm; // of the whole deployment; the limiter takes its share
    std::uint64_t pool_reset_epoch = 0;
    std::map<std::string, std::uint64_t> circuit_epochs;
    CacheClear cache_clear;
    std::uint32_t replicas = 1; // alive ones; local limits are divided by it
};

// Pure. Overrides that do not fit (unknown provider, wrong type) are skipped and reported, never fatal.
struct BuiltSnapshot {
    std::shared_ptr<Snapshot> snapshot; // not shared yet: the controller numbers it
    std::vector<Error> skipped;
};
BuiltSnapshot build_snapshot(const Config& base, const ControlState& state, const std::vector<ApiKey>& keys,
                             std::uint32_t replicas, Limiter& limiter);

// Is this path known (else not_found) and the value of the right type and range (else usage)? Used by the
// admin API before anything is written.
Result<> check_override(const Config& base, const std::string& path, const Json& value);
// Is this key blocked, with an id or without one?
bool is_blocked(const Snapshot& snapshot, std::string_view presented);
bool is_blocked(const Snapshot& snapshot, const Sha256Digest& digest);
// For documentation and errors: every pattern with what its value must be.
struct PathInfo {
    std::string_view pattern, value;
};
std::vector<PathInfo> known_paths();
// The value the path has now: the override, else the base configuration's. not_found for an unknown path.
Result<Json> effective_value(const Snapshot& snapshot, const std::string& path);

} // namespace conduit::agent
