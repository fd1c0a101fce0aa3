// SPDX-License-Identifier: Apache-2.0
// Locks as Leases of coordination.k8s.io: shared by everybody who can reach the cluster, renewed while they
// are held, and over by themselves when their holder dies. Times are the API server's, so that clocks of
// laptops do not matter.
#pragma once

#include "cli/ops/lock.hpp"
#include "core/kube/api.hpp"

namespace conduit {

class LeaseStore final : public ops::LockStore {
  public:
    // lasts: how long a lock outlives its holder's last sign of life.
    LeaseStore(kube::Api& api, std::string name_space, Duration lasts = Duration{30'000})
        : api_(api), name_space_(std::move(name_space)), lasts_(lasts)
    {
    }
    Result<std::unique_ptr<ops::Lock>> acquire(const ops::LockKey& key, const ops::LockOwner& owner) override;
    Result<std::vector<ops::LockInfo>> list() override;
    Result<std::vector<ops::LockKey>> known() override;
    Result<bool> steal(const ops::LockKey& key) override;

  private:
    kube::Api& api_;
    std::string name_space_;
    Duration lasts_;
};

} // namespace conduit
