#include "core/process.hpp"
#include "tests/support/catch.hpp"

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

using namespace conduit;

TEST_CASE("a child gets argv as it is, stdin, and its streams are kept apart")
{
    const auto r = run_process({.argv = {"sh", "-c", "cat; echo \"$1\" >&2; exit 3", "sh", "a b;c"},
                                .stdin_bytes = std::string(200'000, 'x')},
                               Deadline(10s));
    REQUIRE(r);
    CHECK(r->exit_code == 3);
    CHECK(r->out.size() == 200'000);
    CHECK(r->err == "a b;c\n");
}

TEST_CASE("a missing program and an endless one are told apart")
{
    CHECK(run_process({.argv = {"/no/such/program"}}, Deadline(5s)).error().kind == ErrorKind::not_found);
    CHECK(run_process({.argv = {"sleep", "60"}}, Deadline(50ms)).error().kind == ErrorKind::unknown);
}

TEST_CASE("passed descriptors arrive as 3, 4, ...")
{
    const auto dir = TempDir::make().value();
    const auto log = dir.path() / "log";
    int fds[2];
    REQUIRE(::pipe(fds) == 0);
    const auto pid =
        spawn_process({.argv = {"sh", "-c", "echo through >&3"}, .stdout_file = log, .pass_fds = {fds[1]}});
    REQUIRE(pid);
    CHECK(process_start_ticks(*pid));
    char buffer[16] = {};
    CHECK(::read(fds[0], buffer, sizeof buffer) == 8);
    ::waitpid(*pid, nullptr, 0);
    CHECK_FALSE(process_alive(*pid));
    ::close(fds[0]);
    ::close(fds[1]);
}
