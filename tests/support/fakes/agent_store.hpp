// SPDX-License-Identifier: Apache-2.0
// A control store that a test can take away and bring back.
#pragma once

#include "agent/control/state.hpp"

#include <atomic>

namespace conduit::test {

class BreakableStore final : public agent::ControlStore {
  public:
    BreakableStore(std::unique_ptr<agent::ControlStore> store, std::atomic<bool>& away)
        : store_(std::move(store)), away_(away)
    {
    }
    Result<agent::ControlState> load() override
    {
        return away_ ? Result<agent::ControlState>(gone()) : store_->load();
    }
    Result<std::uint64_t> revision() override
    {
        return away_ ? Result<std::uint64_t>(gone()) : store_->revision();
    }
    Result<agent::ControlState> apply(const agent::StatePatch& patch) override
    {
        return away_ ? Result<agent::ControlState>(gone()) : store_->apply(patch);
    }
    Result<std::uint64_t> expire_due() override
    {
        return away_ ? Result<std::uint64_t>(gone()) : store_->expire_due();
    }
    Result<std::vector<agent::HistoryEntry>> history(std::size_t limit, const std::string& operation) override
    {
        return away_ ? Result<std::vector<agent::HistoryEntry>>(gone()) : store_->history(limit, operation);
    }
    Result<> farewell(const agent::ReplicaInfo& replica) override
    {
        return away_ ? Result<>(gone()) : store_->farewell(replica);
    }
    Result<> heartbeat(const agent::ReplicaInfo& replica) override
    {
        return away_ ? Result<>(gone()) : store_->heartbeat(replica);
    }
    Result<std::vector<agent::ReplicaInfo>> replicas(Duration seen_within) override
    {
        return away_ ? Result<std::vector<agent::ReplicaInfo>>(gone()) : store_->replicas(seen_within);
    }
    Result<> append_journal(const std::string& line) override
    {
        return away_ ? Result<>(gone()) : store_->append_journal(line);
    }
    Result<std::vector<std::string>> journal(std::size_t limit) override
    {
        return away_ ? Result<std::vector<std::string>>(gone()) : store_->journal(limit);
    }

  private:
    static Error gone() { return Error{ErrorKind::unreachable, "control store is away"}; }
    std::unique_ptr<agent::ControlStore> store_;
    std::atomic<bool>& away_;
};

} // namespace conduit::test
