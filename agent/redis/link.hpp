// SPDX-License-Identifier: Apache-2.0
// One connection to Redis on a thread of its own. It keeps the deadlines of commands to the millisecond,
// which the event loops' coarse clock cannot, finds the master anew after a failure, and fails everything at
// once while Redis is away or hangs, so that an outage costs a request nothing.
#pragma once

#include "agent/redis/port.hpp"
#include "agent/redis/state.hpp"
#include "core/redis/settings.hpp"

#include <memory>
#include <optional>

namespace conduit::agent {

struct RedisLinkOptions {
    std::size_t max_queued = 32U << 20U; // bytes of commands not sent yet; more are refused
    Duration hang{500};        // without a byte while something is asked: the connection is given up
    Duration heartbeat{1'000}; // a silent one is asked for a sign of life
    Duration first_pause{50},
        longest_pause{5'000}; // between attempts, doubled, and shortened by up to a half at
                              // random, so that a fleet does not come back at one moment
    Duration settled{5'000};  // an attempt that lasts this long was a good one
};

struct PendingCommand;

class RedisLink final : public RedisPort {
  public:
    explicit RedisLink(RedisLinkOptions options = {});
    ~RedisLink() override;
    RedisLink(const RedisLink&) = delete;

    // From any thread. The same settings change nothing; other ones, a rotated password too, connect anew.
    // nullopt: off.
    void configure(std::optional<redis::Settings> settings);
    void submit(std::string command, Done done, Duration within) override;
    void submit_made(std::size_t bytes, const std::function<std::string()>& make, Done done,
                     Duration within) override;
    bool up() const override;
    RedisState state() const;
    void stop(); // what is asked fails; nothing is called afterwards

  private:
    void queue(PendingCommand command, std::size_t bytes, Duration within);
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace conduit::agent
