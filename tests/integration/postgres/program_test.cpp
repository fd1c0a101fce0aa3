// SPDX-License-Identifier: Apache-2.0
// The program itself: libpq comes with its module, and a password goes to the server and nowhere else.
#include "core/process.hpp"
#include "core/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/wait.hpp"

#include <csignal>
#include <fmt/format.h>
#include <fstream>
#include <sys/wait.h>

using namespace conduit;
using namespace conduit::test;

namespace {

struct Home {
    Home(const PostgresServer& server, const std::string& password)
    {
        const auto file = folder.path() / "password";
        write_file(file, password + "\n").value();
        make_dirs(folder.path() / "conduitctl").value();
        write_file(folder.path() / "conduitctl/config.yaml",
                   fmt::format("contexts: {{local: {{postgres: {{host: {}, user: needs_password, password: "
                               "'file:{}'}}}}}}\n",
                               server.folder().string(), file.string()))
            .value();
    }
    ProcessResult run(std::vector<std::string> words) const
    {
        words.insert(words.begin(), std::string(CONDUIT_BIN_DIR) + "/conduitctl");
        const auto dir = folder.path().string();
        return run_process({.argv = std::move(words),
                            .env = {{"XDG_CONFIG_HOME", dir},
                                    {"XDG_STATE_HOME", dir + "/state"},
                                    {"XDG_CACHE_HOME", dir + "/cache"},
                                    {"XDG_DATA_HOME", dir + "/data"}}},
                           Deadline(30s))
            .value();
    }
    TempDir folder = TempDir::make("conduit-test").value();
};

} // namespace

TEST_CASE("conduitctl logs in with the password that a file holds")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    server.run("DO $$ BEGIN CREATE ROLE needs_password LOGIN PASSWORD 'pg-s3cret-word'; EXCEPTION WHEN "
               "duplicate_object THEN NULL; END $$");
    const Home home(server, "pg-s3cret-word");
    const auto done = home.run({"db", "ping", "-o", "json"});
    INFO(done.out << done.err);
    CHECK(done.exit_code == 0);
    CHECK(done.out.contains("needs_password"));
    // What a server sees of us names the tool, and never how it logged in.
    const auto seen =
        home.run({"db", "query", "--csv",
                  "SELECT application_name, query FROM pg_stat_activity WHERE pid = pg_backend_pid()"});
    CHECK(seen.out.contains("conduitctl"));
    const Home wrong(server, "another-s3cret-word");
    const auto refused = wrong.run({"-v", "db", "ping"});
    CHECK(refused.exit_code == 5);
    CHECK_FALSE((refused.out + refused.err).contains("s3cret-word"));
}

TEST_CASE("its arguments and its environment hold no password while it works")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    server.run("DO $$ BEGIN CREATE ROLE needs_password LOGIN PASSWORD 'pg-s3cret-word'; EXCEPTION WHEN "
               "duplicate_object THEN NULL; END $$");
    const Home home(server, "pg-s3cret-word");
    const auto dir = home.folder.path().string();
    const auto pid = spawn_process({.argv = {std::string(CONDUIT_BIN_DIR) + "/conduitctl", "db", "query",
                                             "SELECT pg_sleep(30), 'looked-at'"},
                                    .env = {{"XDG_CONFIG_HOME", dir},
                                            {"XDG_STATE_HOME", dir + "/state"},
                                            {"XDG_CACHE_HOME", dir + "/cache"},
                                            {"XDG_DATA_HOME", dir + "/data"}},
                                    .stdout_file = {},
                                    .pass_fds = {},
                                    .die_with_parent = true});
    REQUIRE(pid.has_value());
    CHECK(eventually([&] {
        return server.text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
                           "'%looked-at%' "
                           "AND pid <> pg_backend_pid()") == "1";
    }));
    for (const auto* what : {"cmdline", "environ"}) {
        std::ifstream file(fmt::format("/proc/{}/{}", *pid, what), std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        CHECK_FALSE(text.empty());
        CHECK_FALSE(text.contains("s3cret"));
    }
    ::kill(*pid, SIGINT);
    int status = 0;
    ::waitpid(*pid, &status, 0);
    CHECK(WEXITSTATUS(status) == 130);
    CHECK(eventually([&] {
        return server.text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
                           "'%looked-at%' "
                           "AND pid <> pg_backend_pid()") == "0";
    }));
}
