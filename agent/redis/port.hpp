// SPDX-License-Identifier: Apache-2.0
// The way to Redis as the agent's parts see it: commands that are asked and whose answer comes, or does not
// come, within the time that was given. Nothing here waits on a thread that serves requests.
#pragma once

#include "core/duration.hpp"
#include "core/redis/reply.hpp"
#include "core/result.hpp"

#include <functional>
#include <string>
#include <vector>

namespace conduit::agent {

class RedisPort {
  public:
    // Called once, not later than the time given: on the port's thread, or inside submit() when Redis is
    // away. It must not wait. The reply is never an error reply: that is an Error here, as is every failure.
    using Done = std::function<void(Result<redis::Reply>)>;
    virtual ~RedisPort() = default;
    // `command` as redis::command() writes it. May be lost or done twice seen from Redis: only what may be.
    virtual void submit(std::string command, Done done, Duration within) = 0;
    // The same of a command that takes time to write: on the port's thread, where it has one. `bytes`: about
    // how many.
    virtual void submit_made(std::size_t /*bytes*/, const std::function<std::string()>& make, Done done,
                             Duration within)
    {
        submit(make(), std::move(done), within);
    }
    // Is an answer to be expected? False: submit() fails at once.
    virtual bool up() const = 0;

    // These wait: on admin threads only.
    Result<redis::Reply> ask(std::string command, Duration within);
    std::vector<Result<redis::Reply>> ask_each(std::vector<std::string> commands,
                                               Duration within); // in one go
};

} // namespace conduit::agent
