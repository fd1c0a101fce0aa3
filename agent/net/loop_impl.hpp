// SPDX-License-Identifier: Apache-2.0
// Only for loop.cpp, resolver.cpp and tls.cpp.
#pragma once

#include "agent/net/loop.hpp"
#include "core/fs.hpp"

#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <openssl/ssl.h>
#include <sys/epoll.h>

namespace conduit::agent {

// How a lookup, which may outlive the loop by as long as the system's resolver takes, finds back to it.
struct Mailbox {
    std::mutex mutex;
    Loop* loop = nullptr; // null: gone
};

struct Loop::Impl {
    UniqueFd epoll, wake;
    std::atomic<bool> stopping{false};

    std::mutex mutex; // guards posted
    std::vector<std::function<void()>> posted;
    std::atomic<bool> woken{false};             // posted holds something and the kernel knows
    std::vector<std::function<void()>> running; // reused

    std::array<epoll_event, 128> events{};
    std::size_t event_at = 0, event_count = 0; // what is left of the round
    SteadyTime next_tick{};

    struct Resolved {
        std::vector<Address> addresses;
        SteadyTime until{};
    };
    std::map<std::string, Resolved> names;
    struct Lookup { // in progress, for everybody who asks for the name meanwhile
        std::vector<std::coroutine_handle<>> waiting;
    };
    std::map<std::string, Lookup> lookups;
    std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>();
    std::map<std::string, std::shared_ptr<SSL_CTX>> tls; // by ca_file
};

} // namespace conduit::agent
