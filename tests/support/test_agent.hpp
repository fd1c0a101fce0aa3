// SPDX-License-Identifier: Apache-2.0
// The agent's data plane inside the test: real sockets and threads, no control store and no admin API.
#pragma once

#include "agent/server/server.hpp"

#include <memory>
#include <string>

namespace conduit::test {

class TestAgent {
  public:
    // The configuration's YAML; listen addresses are replaced by ports of our own.
    explicit TestAgent(const std::string& yaml, const std::string& keys = {});
    ~TestAgent();
    int port() const;
    void set(const std::string& path, std::string_view json); // an override, applied when this returns
    void unset(const std::string& path);
    void stop(Duration drain);
    agent::Server& server() { return *server_; }
    agent::HealthBoard& health() { return health_; }
    agent::Metrics& metrics() { return metrics_; }
    agent::Cache& cache() { return *cache_; }
    std::vector<agent::RequestRecord> records() const; // finished so far
    // Waits until that many requests are accounted for.
    std::vector<agent::RequestRecord> wait_records(std::size_t count) const;

  private:
    struct Kept;
    void publish();
    agent::Config config_;
    agent::ControlState state_;
    std::vector<agent::ApiKey> keys_;
    std::uint64_t generation_ = 0;
    agent::Limiter limiter_;
    agent::HealthBoard health_;
    agent::RetryBudget retries_;
    agent::SingleFlight flights_;
    std::unique_ptr<agent::Cache> cache_;
    agent::Metrics metrics_;
    std::unique_ptr<Kept> kept_;
    agent::Log log_;
    std::unique_ptr<agent::Server> server_;
};

} // namespace conduit::test
