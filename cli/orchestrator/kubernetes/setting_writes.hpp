// SPDX-License-Identifier: Apache-2.0
// Writes of ConfigMaps, Secrets and pod templates: each only what changed, once a key, against the version
// that was read.
#pragma once

#include "cli/orchestrator/kubernetes/workload_api.hpp"
#include "cli/orchestrator/settings.hpp"

namespace conduit::kubernetes {

extern const kube::Resource k_config_maps;
extern const kube::Resource k_secrets;

inline constexpr const char* k_applied = "conduit.dev/applied";          // of a map: what a file put there
inline constexpr const char* k_checksum = "conduit.dev/config-checksum"; // of a pod template
inline constexpr const char* k_previous_type =
    "conduit.dev/previous"; // a Secret that holds what was replaced

// The server's time of our last write, else ours.
WallTime written_at(const Json& object, WallTime otherwise);
std::string secret_digest(const std::string& place, const std::string& value);

Result<WallTime> write_map(WorkloadApi& cluster, const SettingWrite& write, Deadline deadline);
// place: of the namespace, for digests.
Result<WallTime> write_secret(WorkloadApi& cluster, const std::string& place, const SecretWrite& write,
                              Deadline deadline);
Result<> roll(WorkloadApi& cluster, const RollWrite& write, Deadline deadline);

} // namespace conduit::kubernetes
