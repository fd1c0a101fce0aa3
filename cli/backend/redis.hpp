// SPDX-License-Identifier: Apache-2.0
// The Redis of a context: one server, a master with its replicas and sentinels, or a Cluster. What is asked
// of it is for cli/redis and the verbs; this only knows how to get there.
#pragma once

#include "core/clock.hpp"
#include "core/redis/reply.hpp"
#include "core/redis/settings.hpp"

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit {

class RedisSession { // one connection, for one thread; authenticated and in its database
  public:
    virtual ~RedisSession() = default;
    virtual const std::string& name() const = 0; // "cache.example:6379", for messages
    // Sends commands and waits for `count` replies, in the order of the commands; those that are not waited
    // for come with the next call, so that the server has work while its last answer is read. An error reply
    // is a reply. unreachable: it ended, or no reply came in time; the connection is of no more use then, and
    // whether a command was done is not known.
    virtual Result<std::vector<redis::Reply>> pipeline(std::string_view commands, std::size_t count,
                                                       Deadline deadline) = 0;

    Result<redis::Reply> call(std::initializer_list<std::string_view> words, Deadline deadline);
    // As call; an error reply is an error that begins with `what`: auth or failed, detail "code" ("NOPERM").
    Result<redis::Reply> ask(std::initializer_list<std::string_view> words, Deadline deadline);
};

class RedisServers {
  public:
    virtual ~RedisServers() = default;
    virtual std::string identity() const = 0; // the same from wherever it is reached
    virtual unsigned database() const = 0;
    // The server that the context names; with sentinels the one that they name as master and that says so
    // itself. unreachable, auth (a password is missing or wrong), failed.
    virtual Result<std::unique_ptr<RedisSession>> open(Deadline deadline) = 0;
    // As a Cluster, a master or a sentinel announces it: "10.1.2.3:6379".
    virtual Result<std::unique_ptr<RedisSession>> open_at(const std::string& address, Deadline deadline) = 0;

    virtual std::vector<std::string> sentinels() const = 0; // as configured; empty: none
    virtual std::string master() const = 0;                 // the name that sentinels know it by
    virtual Result<std::unique_ptr<RedisSession>> open_sentinel(const std::string& address,
                                                                Deadline deadline) = 0;
};

// What a RedisServers of real servers is made of.
struct RedisAccess {
    redis::Settings settings;
    std::string identity;
    // Where an address leads to from here, a tunnel's socket for one; unset: to itself.
    std::function<Result<redis::Address>(const redis::Address&, Deadline)> reach;
    // Why what it leads through failed last, which a client only sees end; may be unset.
    std::function<std::optional<Error>(const redis::Address&)> fault;
};

} // namespace conduit
