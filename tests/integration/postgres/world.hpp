// SPDX-License-Identifier: Apache-2.0
// conduitctl in-process against a real PostgreSQL.
#pragma once

#include "cli/app/operations.hpp"
#include "cli/targets/postgres.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/test_app.hpp"

namespace conduit::test {

struct PostgresWorld {
    explicit PostgresWorld(PostgresServer& to, std::string database_ = {}, std::string user_ = "postgres")
        : server(to), database(database_.empty() ? to.make_database() : std::move(database_)),
          user(std::move(user_))
    {
        app.setup = [this](App& a) {
            a.database_slot.set([this](App& b) -> Result<std::unique_ptr<Database>> {
                return server.open(database, user, &b.cancel());
            });
            a.operations_slot.set([](App& b) -> Result<std::unique_ptr<Operations>> {
                auto operations = std::make_unique<Operations>(b);
                operations->add_target("postgres", [](App& c) -> Result<std::unique_ptr<ops::Target>> {
                    TRY_ASSIGN(Database * found, c.database());
                    return std::make_unique<ops::PostgresTarget>(*found, system_clock(), &c.cancel());
                });
                return operations;
            });
        };
    }
    PostgresWorld(const PostgresWorld&) = delete;
    PostgresWorld& operator=(const PostgresWorld&) = delete;

    RunResult run(std::vector<std::string> words) { return app.run(std::move(words)); }
    void sql(const std::string& text) const { server.run(text, database); }
    std::string text(const std::string& query) const { return server.text(query, database); }

    PostgresServer& server;
    std::string database;
    std::string user;
    TestApp app;
};

} // namespace conduit::test
