// SPDX-License-Identifier: Apache-2.0
// The adapter against a real PostgreSQL.
#include "core/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/postgres_server.hpp"
#include "tests/support/wait.hpp"

#include <array>
#include <fmt/format.h>
#include <future>
#include <nlohmann/json.hpp>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

using namespace conduit;
using namespace conduit::test;

namespace {

std::string sessions_that_run(const std::string& what)
{
    return shared_postgres().text(
        "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%" + what +
        "%' AND pid <> pg_backend_pid()");
}

UniqueFd unix_socket(const fs::path& path, sockaddr_un& address)
{
    address.sun_family = AF_UNIX;
    path.string().copy(address.sun_path, sizeof address.sun_path - 1);
    return UniqueFd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
}

// Passes one connection on, and names another process than the server's, as poolers do.
class Pooler {
  public:
    explicit Pooler(const PostgresServer& server) : to_(server.folder() / ".s.PGSQL.5432")
    {
        sockaddr_un at{};
        listener_ = unix_socket(folder() / ".s.PGSQL.5432", at);
        if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) != 0 || // NOLINT
            ::listen(listener_.get(), 1) != 0)
            throw std::runtime_error("no socket");
        thread_ = std::jthread([this] { pass(); });
    }
    ~Pooler() { ::shutdown(listener_.get(), SHUT_RDWR); }
    Pooler(const Pooler&) = delete;
    Pooler& operator=(const Pooler&) = delete;
    const fs::path& folder() const { return folder_.path(); }

  private:
    void pass() const
    {
        const UniqueFd client(::accept(listener_.get(), nullptr, nullptr));
        sockaddr_un at{};
        const UniqueFd server = unix_socket(to_, at);
        if (!client || ::connect(server.get(), reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) // NOLINT
            return;
        std::array<pollfd, 2> ends{{{client.get(), POLLIN, 0}, {server.get(), POLLIN, 0}}};
        while (::poll(ends.data(), ends.size(), 10'000) > 0)
            for (std::size_t i = 0; i < 2; ++i) {
                if (ends[i].revents == 0)
                    continue;
                std::string bytes(65536, '\0');
                const auto count = ::read(ends[i].fd, bytes.data(), bytes.size());
                if (count <= 0)
                    return;
                bytes.resize(static_cast<std::size_t>(count));
                if (const auto key = bytes.find(std::string("K\0\0\0\x0c", 5));
                    i == 1 && key != std::string::npos)
                    bytes[key + 8] = static_cast<char>(bytes[key + 8] ^ 1);
                if (!write_all(ends[1 - i].fd, bytes, "socket"))
                    return;
            }
    }

    TempDir folder_ = TempDir::make("conduit-pool").value();
    fs::path to_;
    UniqueFd listener_;
    std::jthread thread_;
};

} // namespace

TEST_CASE("a pooler is refused: what is set in its sessions would be set in others'")
{
    if (postgres_missing())
        return;
    const Pooler pooler(shared_postgres());
    auto settings = shared_postgres().settings();
    settings.host = pooler.folder().string();
    const auto database = postgres::make_database(
        settings, [](Deadline) -> Result<postgres::Late> { return postgres::Late{}; }, nullptr);
    const auto done = database->run({.text = "SELECT 1"}, Deadline(5s));
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().message.contains("pooler"));
}

TEST_CASE("a statement is answered, with its parameters and its types")
{
    if (postgres_missing())
        return;
    const auto database = shared_postgres().open();
    const auto done = database->run({.text = "SELECT $1::text AS word, $2::int AS n, NULL::text AS nothing, "
                                             "true AS yes, '{\"a\":[1]}'::jsonb AS doc, "
                                             "1.5::float8 AS f, 'x' AS word",
                                     .values = {"it's \"so\"; DROP TABLE x", "7"}},
                                    Deadline(5s));
    REQUIRE(done.has_value());
    CHECK(
        dump_json(sql_items(*done)) ==
        R"([{"word":"it's \"so\"; DROP TABLE x","n":7,"nothing":null,"yes":true,"doc":{"a":[1]},"f":1.5,"word_2":"x"}])");
    CHECK(done->value("n") == "7");
    CHECK(done->value("none") == std::nullopt);
}

TEST_CASE("a second statement in one request is refused by the server")
{
    if (postgres_missing())
        return;
    const auto database = shared_postgres().open();
    const auto done = database->run({.text = "SELECT 1; SELECT 2"}, Deadline(5s));
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().kind == ErrorKind::usage);
    CHECK(done.error().message.contains("multiple commands"));
    CHECK(
        database->run({.text = "SELECT 1"}, Deadline(5s)).has_value()); // the connection is as good as before
}

TEST_CASE("a statement that runs past the deadline is cancelled on the server")
{
    if (postgres_missing())
        return;
    const auto database = shared_postgres().open();
    const auto done = database->run({.text = "SELECT pg_sleep(60), 'deadline-test'"}, Deadline(200ms));
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().kind == ErrorKind::failed);
    CHECK(done.error().message.contains("cancelled on the server"));
    CHECK(eventually([] { return sessions_that_run("deadline-test") == "0"; }));
    CHECK(database->run({.text = "SELECT 1"}, Deadline(5s)).has_value());
}

TEST_CASE("Ctrl-C cancels the statement on the server")
{
    if (postgres_missing())
        return;
    Cancel cancel;
    const auto database = shared_postgres().open("postgres", "postgres", &cancel);
    auto running = std::async(std::launch::async, [&] {
        return database->run({.text = "SELECT pg_sleep(60), 'cancel-test'"}, Deadline(50s));
    });
    REQUIRE(eventually([] { return sessions_that_run("cancel-test") == "1"; }));
    cancel.request();
    const auto done = running.get();
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().kind == ErrorKind::interrupted);
    CHECK(eventually([] { return sessions_that_run("cancel-test") == "0"; }));
}

TEST_CASE("a result that is too large is cut off and not kept")
{
    if (postgres_missing())
        return;
    const auto database = shared_postgres().open();
    SECTION("by rows")
    {
        const auto done = database->run(
            {.text = "SELECT n FROM generate_series(1, 50000000) n", .values = {}, .limits = {.rows = 10}},
            Deadline(20s));
        REQUIRE(done.has_value());
        CHECK(done->rows.size() == 10);
        CHECK(done->truncated);
    }
    SECTION("by bytes")
    {
        const auto done =
            database->run({.text = "SELECT repeat('x', 1000) FROM generate_series(1, 1000000) n",
                           .values = {},
                           .limits = {.rows = 1000000, .bytes = 100000}},
                          Deadline(20s));
        REQUIRE(done.has_value());
        CHECK(done->rows.size() < 100);
        CHECK(done->truncated);
    }
    SECTION("exactly the limit is the whole")
    {
        const auto done = database->run(
            {.text = "SELECT n FROM generate_series(1, 10) n", .values = {}, .limits = {.rows = 10}},
            Deadline(5s));
        REQUIRE(done.has_value());
        CHECK_FALSE(done->truncated);
    }
    CHECK(database->run({.text = "SELECT 1"}, Deadline(5s)).has_value());
}

TEST_CASE("a login that is refused says which of its parts was wrong")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    server.run(
        "DO $$ BEGIN CREATE ROLE needs_password LOGIN PASSWORD 'right'; EXCEPTION WHEN duplicate_object "
        "THEN NULL; END $$");
    const auto login = [&](const std::string& database, const std::string& user,
                           const std::string& password) {
        auto done = server.open(database, user, nullptr, password)->run({.text = "SELECT 1"}, Deadline(5s));
        return done ? Error{ErrorKind::ok, ""} : done.error();
    };
    CHECK(login("postgres", "needs_password", "right").kind == ErrorKind::ok);
    const auto wrong = login("postgres", "needs_password", "s3cret-guess");
    CHECK(wrong.kind == ErrorKind::auth);
    CHECK_FALSE((wrong.message + wrong.cause + wrong.hint).contains("s3cret-guess"));
    CHECK(login("postgres", "needs_password", "").kind == ErrorKind::auth);
    CHECK(login("postgres", "nobody_at_all", "").kind == ErrorKind::auth);
    CHECK(login("no such \"db\" \x1b[31m", "postgres", "").kind == ErrorKind::not_found);
    CHECK_FALSE(login("no such \x1b[31m", "postgres", "").message.contains('\x1b'));
}

TEST_CASE("nobody listening is unreachable")
{
    const auto database = postgres::make_database(
        {.identity = "postgres x at /nowhere", .host = "/nowhere", .database = "x", .user = "x"},
        [](Deadline) -> Result<postgres::Late> { return postgres::Late{}; }, nullptr);
    const auto done = database->run({.text = "SELECT 1"}, Deadline(2s));
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().kind == ErrorKind::unreachable);
}

TEST_CASE("a server that dies in the middle of a statement leaves its outcome unknown")
{
    if (postgres_missing())
        return;
    PostgresServer server;
    const auto database = server.open();
    auto running = std::async(std::launch::async,
                              [&] { return database->run({.text = "SELECT pg_sleep(60)"}, Deadline(50s)); });
    REQUIRE(eventually([&] {
        return server.text(
                   "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%' AND state = "
                   "'active' AND pid <> pg_backend_pid()") == "1";
    }));
    server.kill();
    const auto done = running.get();
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().kind == ErrorKind::unknown);
    const auto gone = database->run({.text = "SELECT 1"}, Deadline(2s));
    REQUIRE_FALSE(gone.has_value());
    CHECK(gone.error().kind == ErrorKind::unreachable);
    server.start();
    CHECK(database->run({.text = "SELECT 1"}, Deadline(5s)).has_value()); // it connects anew
}

TEST_CASE("a session that is ended from outside is told from a statement that failed")
{
    if (postgres_missing())
        return;
    const auto database = shared_postgres().open();
    const auto pid =
        database->run({.text = "SELECT pg_backend_pid() AS pid"}, Deadline(5s)).value().value("pid").value();
    shared_postgres().run("SELECT pg_terminate_backend(" + pid + ")");
    const auto done = database->run({.text = "SELECT 1"}, Deadline(5s));
    REQUIRE_FALSE(done.has_value());
    CHECK((done.error().kind == ErrorKind::unknown || done.error().kind == ErrorKind::unreachable));
}

TEST_CASE("COPY is refused and does not hang")
{
    if (postgres_missing())
        return;
    const auto database = shared_postgres().open();
    for (const auto* text : {"COPY (SELECT 1) TO STDOUT", "COPY pg_class FROM STDIN"}) {
        const auto done = database->run({.text = text}, Deadline(5s));
        REQUIRE_FALSE(done.has_value());
        CHECK(database->run({.text = "SELECT 1"}, Deadline(5s)).has_value());
    }
    CHECK(database->run({.text = ""}, Deadline(5s)).error().kind == ErrorKind::usage);
    CHECK(database->run({.text = std::string("SELECT '\0'", 11)}, Deadline(5s)).error().kind ==
          ErrorKind::usage);
}

TEST_CASE("names and values with quotes stay one name and one value")
{
    if (postgres_missing())
        return;
    const auto database = shared_postgres().open();
    for (const std::string evil : {R"(a"b)", R"(x"; DROP TABLE y; --)", R"(it's \' $$ é)", "Request Logs"}) {
        INFO(evil);
        const auto done = database->run(
            {.text = fmt::format("SELECT {} AS {}", sql_literal(evil), sql_name(evil))}, Deadline(5s));
        REQUIRE(done.has_value());
        CHECK(done->columns.front().name == evil);
        CHECK(done->rows.front().front() == evil);
    }
}

TEST_CASE("a transaction that is not committed leaves nothing")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    const auto name = server.make_database();
    server.run("CREATE TABLE t (n int)", name);
    const auto database = server.open(name);
    {
        auto transaction = SqlTransaction::begin(*database, "", Deadline(5s));
        REQUIRE(transaction.has_value());
        REQUIRE(database->run({.text = "INSERT INTO public.t VALUES (1)"}, Deadline(5s)).has_value());
    }
    CHECK(server.text("SELECT count(*) FROM public.t", name) == "0");
}

TEST_CASE("a user's functions do not stand in for the system's")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    const auto name = server.make_database();
    server.run("CREATE FUNCTION public.version() RETURNS text LANGUAGE sql AS $$ SELECT 'mine' $$", name);
    server.run("ALTER DATABASE " + name + " SET search_path = public, pg_catalog", name);
    const auto done = server.open(name)->run({.text = "SELECT version() AS v"}, Deadline(5s));
    REQUIRE(done.has_value());
    CHECK(done->value("v")->starts_with("PostgreSQL"));
}

TEST_CASE("a lock that somebody else holds is told apart from other failures")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    const auto name = server.make_database();
    server.run("CREATE TABLE held (n int)", name);
    const auto holder = server.open(name), waiter = server.open(name);
    for (const auto* text : {"BEGIN", "LOCK TABLE public.held"})
        REQUIRE(holder->run({.text = text}, Deadline(5s)).has_value());
    REQUIRE(
        waiter->run({.text = "SELECT set_config('lock_timeout', '50', false)"}, Deadline(5s)).has_value());
    const auto done = waiter->run({.text = "TABLE public.held"}, Deadline(10s));
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().kind == ErrorKind::locked);
    CHECK(done.error().hint.contains("db status"));
}
