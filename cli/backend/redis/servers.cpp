// SPDX-License-Identifier: Apache-2.0
#include "cli/backend/redis/servers.hpp"

#include "core/redis/connection.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <thread>
#include <utility>

namespace conduit {
namespace {

constexpr Duration k_fault_patience{500};

class Server final : public RedisSession {
  public:
    Server(std::string name, std::unique_ptr<redis::Connection> connection)
        : name_(std::move(name)), connection_(std::move(connection))
    {
    }
    const std::string& name() const override { return name_; }
    Result<std::vector<redis::Reply>> pipeline(std::string_view commands, std::size_t count,
                                               Deadline deadline) override
    {
        return connection_->pipeline(commands, count, deadline);
    }

  private:
    const std::string name_;
    std::unique_ptr<redis::Connection> connection_;
};

std::string announced(const redis::Reply& host, const redis::Reply& port)
{
    return (host.text.contains(':') ? "[" + host.text + "]" : host.text) + ":" + port.text;
}

class Servers final : public RedisServers {
  public:
    Servers(RedisAccess access, const Cancel* cancel) : access_(std::move(access)), cancel_(cancel) {}

    std::string identity() const override { return access_.identity; }
    unsigned database() const override { return access_.settings.database; }
    std::string master() const override { return access_.settings.master; }

    std::vector<std::string> sentinels() const override
    {
        std::vector<std::string> out;
        for (const auto& one : access_.settings.sentinels)
            out.push_back(one.text);
        return out;
    }

    Result<std::unique_ptr<RedisSession>> open(Deadline deadline) override
    {
        if (access_.settings.sentinels.empty())
            return connect(access_.settings.address, access_.settings.identity, access_.settings.database,
                           deadline);
        std::string reasons;
        for (const auto& sentinel : access_.settings.sentinels) {
            auto found = open_master(sentinel, deadline);
            if (found || found.error().kind == ErrorKind::auth)
                return found;
            reasons += (reasons.empty() ? "" : "; ") + found.error().message;
        }
        return fail(ErrorKind::unreachable,
                    fmt::format("no master {}: {}", printable(access_.settings.master), reasons),
                    "Look at 'SENTINEL MASTERS' on each sentinel.");
    }

    Result<std::unique_ptr<RedisSession>> open_at(const std::string& address, Deadline deadline) override
    {
        TRY_ASSIGN(const auto parsed, redis::parse_address(address));
        return connect(parsed, access_.settings.identity, access_.settings.database, deadline);
    }

    Result<std::unique_ptr<RedisSession>> open_sentinel(const std::string& address,
                                                        Deadline deadline) override
    {
        TRY_ASSIGN(const auto parsed, redis::parse_address(address, 26'379));
        return connect_sentinel(parsed, deadline);
    }

  private:
    // An old master that comes back believes in itself until it is told, so its own word is asked for as
    // well.
    Result<std::unique_ptr<RedisSession>> open_master(const redis::Address& sentinel, Deadline deadline)
    {
        TRY_ASSIGN(const auto asked, connect_sentinel(sentinel, deadline));
        TRY_ASSIGN(const auto answer,
                   asked->ask({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", access_.settings.master}, deadline));
        if (!answer.is_array() || answer.items.size() != 2)
            return fail(ErrorKind::not_found, fmt::format("sentinel {} knows no master named {}",
                                                          sentinel.text, printable(access_.settings.master)));
        TRY_ASSIGN(auto server, open_at(announced(answer.items[0], answer.items[1]), deadline));
        TRY_ASSIGN(const auto role, server->ask({"ROLE"}, deadline));
        if (!role.is_array() || role.items.empty() || role.items[0].text != "master")
            return fail(ErrorKind::unreachable,
                        fmt::format("Redis at {} is named as master and is none", server->name()));
        return server;
    }

    // Most ask for no password; those that do are given the servers' own.
    Result<std::unique_ptr<RedisSession>> connect_sentinel(const redis::Address& address, Deadline deadline)
    {
        auto opened = connect(address, access_.settings.sentinel_identity, 0, deadline);
        if (opened || opened.error().kind != ErrorKind::auth || access_.settings.identity.password.empty())
            return opened;
        return connect(address, access_.settings.identity, 0, deadline);
    }

    Result<std::unique_ptr<RedisSession>> connect(const redis::Address& address,
                                                  const redis::Identity& identity, unsigned database,
                                                  Deadline deadline)
    {
        auto settings = access_.settings;
        settings.database = database;
        auto at = address;
        if (access_.reach) {
            TRY_ASSIGN(at, access_.reach(address, deadline));
            at.text = address.text;
            if (settings.tls.on && settings.tls.server_name.empty())
                settings.tls.server_name = address.host;
        }
        auto opened = redis::Connection::open_at(at, identity, settings, deadline, cancel_);
        if (opened)
            return std::make_unique<Server>(address.text, *std::move(opened));
        auto error = std::move(opened).error();
        if (cancel_ != nullptr && cancel_->requested())
            return fail(ErrorKind::interrupted, "interrupted");
        if (error.kind == ErrorKind::unreachable)
            if (const auto fault = fault_of(address, deadline.sooner(k_fault_patience)))
                error.cause = fault->message;
        if (error.kind == ErrorKind::auth)
            error.hint =
                "Look at redis.user, redis.password and redis.tls of the context: conduitctl context show";
        return error;
    }

    // What it leads through ends the connection first, and says why a moment later.
    std::optional<Error> fault_of(const redis::Address& address, Deadline deadline) const
    {
        if (!access_.fault)
            return std::nullopt;
        for (;;) {
            auto fault = access_.fault(address);
            if (fault || deadline.passed())
                return fault;
            std::this_thread::sleep_for(Duration{5});
        }
    }

    const RedisAccess access_;
    const Cancel* cancel_;
};

} // namespace

std::unique_ptr<RedisServers> make_redis_servers(RedisAccess access, const Cancel* cancel)
{
    return std::make_unique<Servers>(std::move(access), cancel);
}

} // namespace conduit
