// SPDX-License-Identifier: Apache-2.0
#include "agent/redis/port.hpp"

#include <future>
#include <memory>

namespace conduit::agent {

Result<redis::Reply> RedisPort::ask(std::string command, Duration within)
{
    auto answer = std::make_shared<std::promise<Result<redis::Reply>>>();
    auto future = answer->get_future();
    submit(
        std::move(command), [answer](Result<redis::Reply> reply) { answer->set_value(std::move(reply)); },
        within);
    return future.get();
}

} // namespace conduit::agent
