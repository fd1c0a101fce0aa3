// SPDX-License-Identifier: Apache-2.0
// A loop on a thread of its own for as long as a test lasts.
#pragma once

#include "agent/net/loop.hpp"

#include <future>
#include <thread>

namespace conduit::agent {

class RunningLoop {
  public:
    RunningLoop() : thread_([this] { loop.run(); }) {}
    ~RunningLoop()
    {
        loop.stop();
        thread_.join();
    }
    // Runs `make()` as a task on the loop and waits for its value, ten seconds at most.
    template <class T, class F> T run(F make)
    {
        auto promise = std::make_shared<std::promise<T>>();
        auto result = promise->get_future();
        loop.post([this, promise, make] { spawn(loop.tasks(), carry_out<T>(make, promise)); });
        if (result.wait_for(std::chrono::seconds{10}) != std::future_status::ready)
            throw std::runtime_error("the task did not end in time");
        return result.get();
    }

    Loop loop{0};

  private:
    template <class T, class F> static Task<void> carry_out(F make, std::shared_ptr<std::promise<T>> promise)
    {
        T value = co_await make();
        promise->set_value(std::move(value));
    }
    std::thread thread_;
};

} // namespace conduit::agent
