// SPDX-License-Identifier: Apache-2.0
// Commands on their way, in the order in which their answers will come. Internal to this folder.
#pragma once

#include "agent/redis/port.hpp"
#include "core/clock.hpp"

#include <algorithm>
#include <deque>

namespace conduit::agent {

struct PendingCommand {
    std::string bytes;
    std::function<std::string()> make; // set: these are the bytes
    RedisPort::Done done;              // null: answered already, because the time was over
    SteadyTime asked{}, deadline{};
    void answer(Result<redis::Reply> reply)
    {
        if (done)
            std::exchange(done, nullptr)(std::move(reply));
    }
};

class PendingCommands {
  public:
    bool empty() const { return commands_.empty(); }
    void add(PendingCommand command)
    {
        command.bytes.clear();
        command.make = nullptr;
        next_ = std::min(next_, command.deadline);
        commands_.push_back(std::move(command));
    }
    PendingCommand take()
    {
        auto command = std::move(commands_.front());
        commands_.pop_front();
        if (commands_.empty())
            next_ = SteadyTime::max();
        return command;
    }
    SteadyTime next_deadline() const { return next_; } // or earlier
    // Those whose time is over fail; their places stay, for their answers may still come. How many.
    std::size_t expire(SteadyTime now)
    {
        if (now < next_)
            return 0;
        std::size_t late = 0;
        next_ = SteadyTime::max();
        for (auto& command : commands_) {
            if (!command.done)
                continue;
            if (command.deadline <= now) {
                ++late;
                command.answer(Error{ErrorKind::unknown, "Redis did not answer in time"});
            } else {
                next_ = std::min(next_, command.deadline);
            }
        }
        return late;
    }
    void fail_all(const Error& error)
    {
        for (auto& command : commands_)
            command.answer(error);
        commands_.clear();
        next_ = SteadyTime::max();
    }

  private:
    std::deque<PendingCommand> commands_;
    SteadyTime next_ = SteadyTime::max();
};

} // namespace conduit::agent
