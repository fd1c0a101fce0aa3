// SPDX-License-Identifier: Apache-2.0
#include "tests/support/postgres_server.hpp"

#include "core/process.hpp"
#include "core/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <pwd.h>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>

namespace conduit::test {
namespace {

const fs::path k_programs = "/usr/lib/postgresql/15/bin";

// PostgreSQL refuses to run as root.
std::vector<std::string> as_owner(std::vector<std::string> argv)
{
    std::vector<std::string> all{"setpriv", "--pdeathsig", "QUIT"};
    if (::getuid() == 0)
        all.insert(all.end(), {"--reuid", "postgres", "--regid", "postgres", "--clear-groups"});
    all.insert(all.end(), argv.begin(), argv.end());
    return all;
}

void run_or_throw(std::vector<std::string> argv)
{
    const auto done =
        run_process({.argv = as_owner(std::move(argv)), .cwd = "/"}, Deadline(std::chrono::seconds(60)))
            .value();
    if (done.exit_code != 0)
        throw std::runtime_error(done.out + done.err);
}

void give_to_owner(const fs::path& path)
{
    const passwd* owner = ::getuid() == 0 ? ::getpwnam("postgres") : nullptr; // NOLINT(concurrency-mt-unsafe)
    if (owner != nullptr && ::chown(path.c_str(), owner->pw_uid, owner->pw_gid) != 0)
        throw std::runtime_error("cannot give " + path.string() + " to postgres");
}

const fs::path& initialised()
{
    static const TempDir folder = [] {
        auto made = TempDir::make("conduit-pg-template").value();
        give_to_owner(made.path());
        run_or_throw({(k_programs / "initdb").string(), "--no-sync", "--no-instructions", "-A", "trust", "-U",
                      "postgres", "-E", "UTF8", "--locale", "C.UTF-8", "-D",
                      (made.path() / "data").string()});
        run_or_throw({"sed", "-i", "s/^shared_buffers.*/shared_buffers = 16MB/",
                      (made.path() / "data/postgresql.conf").string()});
        const auto rules = made.path() / "data/pg_hba.conf";
        write_file(rules,
                   "local all needs_password scram-sha-256\nlocal all all trust\n"
                   "local replication all trust\nhost all all 127.0.0.1/32 trust\n",
                   0644)
            .value();
        return made;
    }();
    return folder.path();
}

} // namespace

bool postgres_missing()
{
    if (fs::exists(k_programs / "postgres"))
        return false;
    const char* require = std::getenv("CONDUIT_REQUIRE"); // NOLINT(concurrency-mt-unsafe)
    if (require != nullptr)
        FAIL("PostgreSQL 15 is not installed: tools/deps");
    WARN("skipped: PostgreSQL 15 is not installed");
    return true;
}

PostgresServer::PostgresServer(std::vector<std::string> settings) : extra_(std::move(settings))
{
    read_port();
    give_to_owner(folder_.path());
    run_or_throw({"cp", "-r", (initialised() / "data").string(), data().string()});
    start();
}

PostgresServer::PostgresServer(const PostgresServer& primary, std::vector<std::string> settings)
    : extra_(std::move(settings))
{
    read_port();
    give_to_owner(folder_.path());
    run_or_throw({(k_programs / "pg_basebackup").string(), "-h", primary.folder().string(), "-U", "postgres",
                  "-D", data().string(), "-R", "--no-sync", "-c", "fast", "-X", "stream"});
    start();
}

void PostgresServer::read_port()
{
    for (const auto& setting : extra_)
        if (setting.starts_with("port="))
            port_ = std::stoi(setting.substr(5));
}

PostgresServer::~PostgresServer()
{
    kill(SIGQUIT);
}

void PostgresServer::start()
{
    std::vector<std::string> argv{(k_programs / "postgres").string(), "-D", data().string()};
    std::vector<std::string> settings{"listen_addresses=", "unix_socket_directories=" + folder().string(),
                                      "fsync=off",         "autovacuum=off",
                                      "timezone=UTC",      "log_timezone=UTC"};
    settings.insert(settings.end(), extra_.begin(), extra_.end());
    for (const auto& setting : settings)
        argv.insert(argv.end(), {"-c", setting});
    const auto log = fs::temp_directory_path() / fmt::format("{}.log", folder().filename().string());
    // No session of its own: postgres makes one. No pdeathsig from here: changing the user would clear it.
    pid_ = spawn_process({.argv = as_owner(std::move(argv)), .stdout_file = log}).value();
    const bool up = eventually(
        [&] {
            const auto database = open();
            return database->run({.text = "SELECT 1"}, Deadline(1s)).has_value();
        },
        std::chrono::seconds(30));
    const auto said = read_file(log).value_or("");
    fs::remove(log);
    if (!up)
        throw std::runtime_error("postgres did not start: " + said);
}

void PostgresServer::kill(int signal)
{
    if (pid_ == 0)
        return;
    ::kill(pid_, signal);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
}

postgres::Settings PostgresServer::settings(const std::string& database, const std::string& user) const
{
    return {.identity = printable(fmt::format("postgres {} at {}:5432", database, folder().string())),
            .host = folder().string(),
            .port = port_,
            .database = database,
            .user = user,
            .ssl_mode = {},
            .ca = {}};
}

std::unique_ptr<Database> PostgresServer::open(const std::string& database, const std::string& user,
                                               const Cancel* cancel, const std::string& password) const
{
    return postgres::make_database(
        settings(database, user),
        [password](Deadline) -> Result<postgres::Late> { return postgres::Late{.password = password}; },
        cancel);
}

SqlResult PostgresServer::run(const std::string& sql, const std::string& database) const
{
    const auto session = open(database);
    (void)session->run({.text = "SET search_path = public, pg_catalog"}, Deadline(5s)).has_value();
    auto done = session->run({.text = sql}, Deadline(30s));
    if (!done)
        throw std::runtime_error(sql + ": " + done.error().message);
    return *std::move(done);
}

std::string PostgresServer::text(const std::string& sql, const std::string& database) const
{
    const auto result = run(sql, database);
    if (result.rows.size() != 1 || result.rows[0].size() != 1)
        throw std::runtime_error(sql + ": not one value");
    return result.rows[0][0].value_or("NULL");
}

std::string PostgresServer::make_database()
{
    auto name = fmt::format("scratch_{}", ++made_);
    run("CREATE DATABASE " + name);
    return name;
}

PostgresServer& shared_postgres()
{
    static PostgresServer server;
    return server;
}

} // namespace conduit::test
