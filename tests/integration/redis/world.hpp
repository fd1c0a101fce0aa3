// SPDX-License-Identifier: Apache-2.0
// conduitctl in-process with real servers behind it.
#pragma once

#include "cli/app/operations.hpp"
#include "cli/backend/redis/servers.hpp"
#include "cli/targets/redis.hpp"
#include "core/json.hpp"
#include "tests/support/redis_server.hpp"
#include "tests/support/test_app.hpp"

#include <functional>
#include <string>
#include <vector>

namespace conduit::test {

struct RedisWorld {
    explicit RedisWorld(redis::Settings settings)
    {
        access.settings = std::move(settings);
        access.settings.connect_timeout = Duration{2'000};
        access.identity = "redis under test";
        app.setup = [this](App& a) {
            a.redis_slot.set([this](App& b) -> Result<std::unique_ptr<RedisServers>> {
                auto real = make_redis_servers(access, &b.cancel());
                return wrap ? wrap(std::move(real)) : std::move(real);
            });
            a.operations_slot.set([](App& b) -> Result<std::unique_ptr<Operations>> {
                auto operations = std::make_unique<Operations>(b);
                operations->add_target("redis", [](App& c) -> Result<std::unique_ptr<ops::Target>> {
                    TRY_ASSIGN(RedisServers * servers, c.redis());
                    return std::make_unique<ops::RedisTarget>(*servers, c.clock(), c.cancel(),
                                                              std::make_unique<ops::NullProgress>());
                });
                return operations;
            });
        };
    }
    RedisWorld(const RedisWorld&) = delete;

    RunResult run(std::vector<std::string> words)
    {
        words.emplace_back("--timeout");
        words.emplace_back("30s");
        return app.run(words);
    }
    RunResult clear(const std::string& prefix, std::vector<std::string> more = {})
    {
        std::vector<std::string> words{"cache",     "clear", prefix,     "--store", "redis",
                                       "--confirm", prefix,  "--reason", "a test"};
        words.insert(words.end(), more.begin(), more.end());
        return run(words);
    }

    TestApp app;
    RedisAccess access;
    std::function<std::unique_ptr<RedisServers>(std::unique_ptr<RedisServers>)> wrap;
};

// Many keys at once, any bytes.
inline void put(RedisServer& server, const std::vector<std::string>& keys)
{
    auto connection = redis::Connection::open(server.settings(), Deadline(5s)).value();
    std::string commands;
    std::size_t count = 0;
    for (const auto& key : keys) {
        commands += redis::command({"SET", key, "v"});
        if (++count % 1'000 == 0) {
            connection->pipeline(commands, 1'000, Deadline(30s)).value();
            commands.clear();
        }
    }
    connection->pipeline(commands, count % 1'000, Deadline(30s)).value();
}

} // namespace conduit::test
