// SPDX-License-Identifier: Apache-2.0
// Real redis-server and redis-sentinel processes, on a unix socket and a free port, without a file on disk.
#pragma once

#include "core/fs.hpp"
#include "core/redis/connection.hpp"

#include <csignal>
#include <cstdint>
#include <string>
#include <sys/types.h>
#include <vector>

namespace conduit::test {

bool redis_missing(); // says why, and fails under CONDUIT_REQUIRE=all
std::uint16_t free_port();

class RedisServer {
  public:
    explicit RedisServer(std::vector<std::string> extra = {}, std::uint16_t port = free_port());
    ~RedisServer();
    RedisServer(const RedisServer&) = delete;
    void start(); // again, after kill(SIGKILL)
    void kill(int signal);
    std::uint16_t port() const { return port_; }
    fs::path socket() const { return folder_.path() / "redis.sock"; }
    const fs::path& folder() const { return folder_.path(); }
    redis::Settings settings() const; // over the socket
    redis::Settings settings_tcp() const;
    redis::Reply run(std::initializer_list<std::string_view> words); // by a connection of its own

  private:
    TempDir folder_ = TempDir::make("conduit-redis").value();
    std::vector<std::string> extra_;
    std::uint16_t port_;
    pid_t pid_ = 0;
};

class RedisSentinel {
  public:
    RedisSentinel(std::uint16_t master_port, const std::string& name);
    ~RedisSentinel();
    RedisSentinel(const RedisSentinel&) = delete;
    std::uint16_t port() const { return port_; }

  private:
    TempDir folder_ = TempDir::make("conduit-sentinel").value();
    std::uint16_t port_ = free_port();
    pid_t pid_ = 0;
};

} // namespace conduit::test
