// SPDX-License-Identifier: Apache-2.0
// Stand-ins for what the admin API asks beyond control state: the data plane, its gauges, the records.
#pragma once

#include "agent/admin/admin.hpp"

namespace conduit::test {

class FakeDataPlane final : public agent::DataPlane, public agent::GaugeSource {
  public:
    std::vector<std::string> warmed; // bodies
    std::vector<std::string> tested; // providers, in any order
    std::mutex mutex;

    Result<TestResult> test_provider(const std::string& provider, bool, Deadline) override
    {
        const std::lock_guard lock(mutex);
        tested.push_back(provider);
        return TestResult{true, 200, Duration{12}, "", agent::Outcome::ok};
    }
    Result<bool> warm_speech(const std::string& body, Deadline) override
    {
        warmed.push_back(body);
        return warmed.size() > 1; // the first is new, later ones are there
    }
    std::vector<agent::PoolStats> pool_stats() override { return pools(); }
    std::vector<agent::ConnectionInfo> connections(std::size_t) override
    {
        return {{"openai", "127.0.0.1:9", "idle", 5, 1, 2, 3}};
    }
    std::uint64_t in_flight() override { return 4; }
    std::map<std::string, std::uint64_t> in_flight_by_provider() override { return {{"openai", 4}}; }

    std::vector<agent::PoolStats> pools() const override
    {
        agent::PoolStats stats;
        stats.provider = "openai";
        stats.open = 3;
        stats.in_use = 2;
        stats.limit = 10;
        return {stats};
    }
    std::uint64_t cache_bytes() const override { return 0; }
    std::uint64_t cache_entries() const override { return 0; }
    std::uint64_t connections() const override { return 1; }
    std::uint64_t realtime_sessions() const override { return 0; }
    agent::Records::Stats records() const override { return {}; }
};

class FakeRecords final : public agent::Records {
  public:
    agent::UsageQuery asked;
    void push(unsigned, agent::RequestRecord) override {}
    Result<std::vector<agent::UsageRow>> usage(const agent::UsageQuery& query) override
    {
        asked = query;
        agent::UsageRow row;
        row.key_id = "team-a";
        row.requests = 7;
        return std::vector{row};
    }
    Stats stats() const override { return {}; }
    Result<> flush(Deadline) override { return {}; }
};

} // namespace conduit::test
