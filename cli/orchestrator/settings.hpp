// SPDX-License-Identifier: Apache-2.0
// The configuration of a service where its replicas find it: maps of keys to texts, secrets, and who reads
// them. Values of secrets do not leave an adapter: it tells their length and a fingerprint.
#pragma once

#include "core/clock.hpp"
#include "core/json.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit {

enum class SettingKind : std::uint8_t { map, secret };

struct SettingsMap { // a ConfigMap
    std::string name;
    std::string version; // changes with each write
    std::map<std::string, std::string> data;
    std::vector<std::string> binary; // keys whose values are no text
    bool immutable = false;
    bool of_cluster = false; // the cluster's own (kube-root-ca.crt)
    std::optional<WallTime> created;
    std::map<std::string, std::string> writers; // who wrote a key last, where the server says it
    std::map<std::string, WallTime> written;    // when at the latest
    std::map<std::string, std::string> applied; // SHA-256 of what a file last put there; see applied_known
    bool applied_known = false;                 // a file was applied at all, by us or by kubectl
    JsonBox applied_record;                     // our own record as it is kept; null: none
};

struct SecretKey {
    std::string name;
    std::size_t length = 0;
    std::string fingerprint;         // salted: comparable by this operator, of no use to who reads the screen
    std::string digest;              // salted by its place: comparable by every operator, for the journal
    std::optional<WallTime> written; // when at the latest, where the server says it
};
struct SecretInfo {
    std::string name;
    std::string type;
    std::string mark; // "service-account token", "Helm release", ...: kept by others; "" for none
    std::vector<SecretKey> keys;
    bool immutable = false;
    bool in_clear = false; // its values also stand in an annotation that kubectl apply wrote
    std::optional<WallTime> created;
};

enum class ReadAs : std::uint8_t { variable, all_variables, file, sub_path, image_pull };
std::string_view read_as_name(ReadAs how); // "env", "envFrom", "volume", "subPath", "imagePull"
bool read_at_start(ReadAs how);            // a running instance never sees a new value

struct SettingUse {
    SettingKind kind = SettingKind::map;
    std::string object;   // the map's or secret's name
    std::string workload; // or the instance that nothing owns
    std::string workload_kind;
    std::string container;
    ReadAs how = ReadAs::variable;
    std::vector<std::string> keys; // empty: all of them
    std::string as;                // the variable, or the path in the container
};
bool reads_key(const SettingUse& use, std::string_view key);
bool can_roll(const SettingUse& use); // a workload whose template can be changed

struct EnvironmentValue { // of a container, written in its template
    std::string workload, container, name, value;
    std::string from_object, from_key; // of a reference
    std::optional<SettingKind> from;   // nullopt: the value stands there
};

struct SettingWrite {
    std::string name;
    std::string version; // as read: stale when it is another; empty: it is to be made
    std::map<std::string, std::optional<std::string>> set; // nullopt: the key is taken out
    std::optional<JsonBox> applied;                        // our record, null takes it out; nullopt: stays
    bool remove = false;                                   // the whole map
    std::string key;                                       // of the operation's step
    bool dry_run = false;
    std::function<void()> on_sent;
};

struct SecretWrite {
    std::string name;
    std::string key_name;
    std::optional<std::string> expected; // the digest of what is there now; nullopt: nothing
    std::optional<std::string> digest;   // of what is to be there; nullopt: nothing
    std::string value;                   // empty: the one that was kept when it was replaced
    std::string key;
    bool dry_run = false;
    std::function<void()> on_sent;
};

struct RollWrite {
    std::string workload;
    std::optional<std::string> checksum; // of the pod template; another one replaces every instance
    std::string key;
    bool dry_run = false;
    std::function<void()> on_sent;
};

class ServiceSettings { // one namespace
  public:
    virtual ~ServiceSettings() = default;
    virtual std::string identity() const = 0; // the orchestrator's

    virtual Result<std::vector<SettingsMap>> maps(Deadline deadline) = 0;
    // not_found names the nearest.
    virtual Result<SettingsMap> map(const std::string& name, Deadline deadline) = 0;
    virtual Result<std::vector<SecretInfo>> secrets(Deadline deadline) = 0;
    virtual Result<SecretInfo> secret(const std::string& name, Deadline deadline) = 0;
    virtual std::string digest_of(const std::string& secret, const std::string& key,
                                  const std::string& value) const = 0;
    virtual Result<std::vector<SettingUse>> uses(Deadline deadline) = 0;
    virtual Result<std::vector<EnvironmentValue>> environment(Deadline deadline) = 0;
    virtual Result<std::optional<std::string>> checksum(const std::string& workload, Deadline deadline) = 0;
    // Running instances that were started no later than this moment of the server.
    virtual Result<std::vector<std::string>> started_before(const std::string& workload, WallTime moment,
                                                            Deadline deadline) = 0;

    // Each answers as the first time when its key was seen before. The server's time of the write.
    // stale: another version, or another value. refused: it is immutable.
    virtual Result<WallTime> write_map(const SettingWrite& write, Deadline deadline) = 0;
    virtual Result<WallTime> write_secret(const SecretWrite& write, Deadline deadline) = 0;
    virtual Result<> roll(const RollWrite& write, Deadline deadline) = 0;
    // When the step with this key was written; nullopt: it was not.
    virtual Result<std::optional<WallTime>> was_written(SettingKind kind, const std::string& name,
                                                        std::string_view key, Deadline deadline) = 0;
    virtual Result<bool> was_rolled(const std::string& workload, std::string_view key, Deadline deadline) = 0;
    // failed at once when an instance will not become ready, with its reason.
    virtual Result<> wait_rolled(const std::string& workload,
                                 const std::function<void(std::string_view)>& progress,
                                 Deadline deadline) = 0;
};

} // namespace conduit
