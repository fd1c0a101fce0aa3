// SPDX-License-Identifier: Apache-2.0
// One Lease a replica says that it is alive.
#pragma once

#include "agent/control/state.hpp"
#include "core/kube/api.hpp"

namespace conduit::agent {

class ReplicaLeases {
  public:
    // group: the deployment; of several in one namespace each counts its own.
    ReplicaLeases(kube::Api& api, std::string name_space, std::string group, const Clock& clock)
        : api_(api), name_space_(std::move(name_space)), group_(std::move(group)), clock_(clock)
    {
    }
    Result<> beat(const ReplicaInfo& replica);
    Result<> end(const ReplicaInfo& replica); // unless the Lease is of its successor already
    Result<std::vector<ReplicaInfo>> alive(Duration seen_within); // by name; old ones of the dead are removed

  private:
    std::string path_of(const std::string& replica) const;

    kube::Api& api_;
    const std::string name_space_, group_;
    const Clock& clock_;
};

} // namespace conduit::agent
