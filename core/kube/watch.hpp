// SPDX-License-Identifier: Apache-2.0
// A collection as it is and as it becomes: listed once, then followed. A connection that ends is taken up
// where it was; a version that the server no longer knows is a fresh list. Nothing that happened in between
// is missed.
#pragma once

#include "core/kube/api.hpp"

#include <functional>
#include <string>

namespace conduit::kube {

enum class Change : std::uint8_t {
    listed, // one item of a list
    whole,  // the list is complete: what was not listed since the last `whole` or `anew` is gone
    anew,   // a fresh list begins, because the thread was lost
    added,
    modified,
    deleted
};

struct Event {
    Change change = Change::listed;
    const Json* object = nullptr; // null for whole and anew
};
using OnEvent = std::function<bool(const Event& event)>; // false ends it, well

struct WatchOptions {
    Query query; // labelSelector, fieldSelector
    // Unreachable servers are tried again with a growing pause: a restart of the API server is not the end of
    // a wait. Told once each time, with the reason.
    std::function<void(const Error& error)> lost;
    const Cancel* stop = nullptr; // ends this watch alone: interrupted
};

// Until `sink` ends it (ok), the deadline passes (unverified), or a stop is asked for (interrupted). An
// answer that will not change by itself (auth, not_found) ends it at once, as does an unreachable server
// before the first list.
Result<> watch(Api& api, const std::string& path, const WatchOptions& options, const OnEvent& sink,
               Deadline deadline);

} // namespace conduit::kube
