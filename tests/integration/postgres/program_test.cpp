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
#include <map>
#include <nlohmann/json.hpp>
#include <sys/wait.h>

using namespace conduit;
using namespace conduit::test;

namespace {

struct Home {
    Home(const PostgresServer& server, const std::string& password,
         const std::string& user = "needs_password")
    {
        const auto file = folder.path() / "password";
        write_file(file, password + "\n").value();
        make_dirs(folder.path() / "conduitctl").value();
        write_file(folder.path() / "conduitctl/config.yaml",
                   fmt::format("contexts: {{local: {{postgres: {{host: {}, user: {}, password: "
                               "'file:{}'}}}}}}\n",
                               server.folder().string(), user, file.string()))
            .value();
    }
    ProcessResult run(std::vector<std::string> words) const
    {
        words.insert(words.begin(), std::string(CONDUIT_BIN_DIR) + "/conduitctl");
        return run_process({.argv = std::move(words), .env = env()}, Deadline(30s)).value();
    }
    pid_t start(std::vector<std::string> words) const
    {
        words.insert(words.begin(), std::string(CONDUIT_BIN_DIR) + "/conduitctl");
        return spawn_process({.argv = std::move(words), .env = env(), .die_with_parent = true}).value();
    }
    std::map<std::string, std::string> env() const
    {
        const auto dir = folder.path().string();
        return {{"XDG_CONFIG_HOME", dir},
                {"XDG_STATE_HOME", dir + "/state"},
                {"XDG_CACHE_HOME", dir + "/cache"},
                {"XDG_DATA_HOME", dir + "/data"}};
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
    const pid_t pid = home.start({"db", "query", "SELECT pg_sleep(30), 'looked-at'"});
    CHECK(eventually([&] {
        return server.text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
                           "'%looked-at%' "
                           "AND pid <> pg_backend_pid()") == "1";
    }));
    for (const auto* what : {"cmdline", "environ"}) {
        std::ifstream file(fmt::format("/proc/{}/{}", pid, what), std::ios::binary);
        const std::string text{std::istreambuf_iterator<char>(file), {}};
        CHECK_FALSE(text.empty());
        CHECK_FALSE(text.contains("s3cret"));
    }
    ::kill(pid, SIGINT);
    int status = 0;
    ::waitpid(pid, &status, 0);
    CHECK(WEXITSTATUS(status) == 130);
    CHECK(eventually([&] {
        return server.text("SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE "
                           "'%looked-at%' "
                           "AND pid <> pg_backend_pid()") == "0";
    }));
}

TEST_CASE("a conduitctl that is killed while it builds an index leaves what resume finishes")
{
    if (postgres_missing())
        return;
    PostgresServer server;
    server.run("CREATE TABLE logs (n int)");
    server.run("INSERT INTO logs SELECT generate_series(1, 1000)");
    const Home home(server, "not-asked-for", "postgres");
    // A build waits for transactions that are older, and this one does not end.
    const auto older = server.open();
    for (const auto* text : {"BEGIN", "INSERT INTO public.logs VALUES (1)"})
        REQUIRE(older->run({.text = text}, Deadline(5s)).has_value());
    const pid_t pid = home.start({"db", "index", "create", "logs", "n"});
    const auto building = [&] { return server.text("SELECT count(*) FROM pg_stat_progress_create_index"); };
    CHECK(eventually([&] { return building() == "1"; }));
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    CHECK(eventually([&] { return building() == "0"; })); // the server sees that nobody waits for it
    CHECK(server.text("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == "1");
    REQUIRE(older->run({.text = "COMMIT"}, Deadline(5s)).has_value());
    const auto pending = parse_json(home.run({"history", "pending", "-o", "json"}).out).value_or(Json());
    REQUIRE(pending["items"].size() == 1);
    const auto done = home.run({"resume", pending["items"][0]["id"].get<std::string>(), "-y"});
    INFO(done.out << done.err);
    CHECK(done.exit_code == 0);
    CHECK(server.text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'idx_logs_n'::regclass") == "t");
}
