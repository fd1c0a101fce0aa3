// SPDX-License-Identifier: Apache-2.0
// The Redis of a context as a target of changes: keys dropped, a save, who is master, a node that joins
// again; and "config/NAME", a setting of all its servers.
#pragma once

#include "cli/backend/redis.hpp"
#include "cli/ops/target.hpp"
#include "cli/redis/clear.hpp"
#include "cli/redis/sentinel.hpp"
#include "cli/redis/topology.hpp"
#include "core/cancel.hpp"

#include <memory>

namespace conduit::ops {

class RedisTarget final : public Target {
  public:
    // All must outlive the target.
    RedisTarget(RedisServers& servers, Clock& clock, const Cancel& cancel, std::unique_ptr<Progress> progress)
        : servers_(servers), clock_(clock), cancel_(cancel), progress_(std::move(progress))
    {
    }

    std::string kind() const override { return "redis"; }
    std::string identity() const override { return servers_.identity(); }
    std::string name() const override { return servers_.identity(); }

    Result<FieldMap> observe(std::span<const std::string> paths, Deadline deadline) override;
    Result<Applied> apply(const WriteContext& context, const Step& step) override;
    Result<std::optional<Applied>> find(const StepKey& key, const Step& step, Deadline deadline) override;
    Result<> verify(const Step& step, const Applied& applied, Deadline deadline, Progress& progress) override;
    bool keyed(const Step& step) const override; // Redis keeps no keys of ours

  private:
    Result<Applied> clear(const WriteContext& context, const Step& step);
    Result<Applied> flush(const WriteContext& context, const Step& step);
    Result<Applied> save(const WriteContext& context);
    Result<Applied> set(const WriteContext& context, const Step& step);
    Result<> verify_clear(const Step& step, Deadline deadline);

    RedisServers& servers_;
    Clock& clock_;
    const Cancel& cancel_;
    const std::unique_ptr<Progress> progress_;
};

struct ClearIntent {
    redis::ClearRequest request; // of no meaning when all
    bool all = false;
    unsigned database = 0;
    std::uint64_t about = 0; // keys
};
Intent clear_intent(RedisTarget& target, const ClearIntent& clear);
Intent save_intent(RedisTarget& target);
Intent failover_intent(RedisTarget& target, const redis::FailoverPlan& plan);
Intent sentinel_intent(RedisTarget& target, const redis::SentinelPlan& plan);
Intent rejoin_intent(RedisTarget& target, const redis::RejoinPlan& plan);
Intent setting_intent(RedisTarget& target, const std::string& name, const std::string& value);

} // namespace conduit::ops
