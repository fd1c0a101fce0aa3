// SPDX-License-Identifier: Apache-2.0
#include "agent/redis/port.hpp"

#include <future>
#include <memory>

namespace conduit::agent {

namespace {

using Answer = std::future<Result<redis::Reply>>;

Answer start(RedisPort& port, std::string command, Duration within)
{
    auto answer = std::make_shared<std::promise<Result<redis::Reply>>>();
    auto future = answer->get_future();
    port.submit(
        std::move(command), [answer](Result<redis::Reply> reply) { answer->set_value(std::move(reply)); },
        within);
    return future;
}

} // namespace

Result<redis::Reply> RedisPort::ask(std::string command, Duration within)
{
    return start(*this, std::move(command), within).get();
}

std::vector<Result<redis::Reply>> RedisPort::ask_each(std::vector<std::string> commands, Duration within)
{
    std::vector<Answer> started;
    for (auto& command : commands)
        started.push_back(start(*this, std::move(command), within));
    std::vector<Result<redis::Reply>> replies;
    for (auto& answer : started)
        replies.push_back(answer.get());
    return replies;
}

} // namespace conduit::agent
