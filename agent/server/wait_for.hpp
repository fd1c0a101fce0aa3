// SPDX-License-Identifier: Apache-2.0
// A coroutine's way to wait for an answer that another thread calls back with.
#pragma once

#include "agent/net/loop.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace conduit::agent {

// `start` gets a function that must be called once, from any thread, as long as the loop lives.
template <class T> Task<T> wait_for(Loop& loop, std::function<void(std::function<void(T)>)> start)
{
    struct Ride { // its value is touched on the loop's thread only
        std::optional<T> value;
        Signal signal;
        explicit Ride(Loop& on) : signal(on) {}
    };
    auto ride = std::make_unique<Ride>(loop);
    start([at = ride.get(), &loop](T value) {
        loop.post([at, value = std::move(value)]() mutable {
            at->value = std::move(value);
            at->signal.set();
        });
    });
    co_await ride->signal.wait(SteadyTime::max());
    co_return std::move(*ride->value);
}

} // namespace conduit::agent
