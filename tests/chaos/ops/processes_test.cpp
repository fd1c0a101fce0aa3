// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/fakes/child.hpp"
#include "tests/support/fakes/ops_bench.hpp"

#include <nlohmann/json.hpp>
#include <set>
#include <sys/resource.h>

using namespace conduit;
using namespace conduit::ops;
using conduit::test::OpsBench;

namespace {

fs::path month_of(const fs::path& folder)
{
    for (const auto& entry : fs::directory_iterator(folder))
        if (entry.path().extension() == ".jsonl")
            return entry.path();
    return {};
}

} // namespace

TEST_CASE("20 processes that write at once do not fork the chain", "[ops]")
{
    const auto dir = TempDir::make();
    constexpr int k_processes = 20;
    constexpr int k_each = 10;
    std::vector<pid_t> children;
    for (int i = 0; i < k_processes; ++i) {
        const pid_t pid = ::fork();
        REQUIRE(pid >= 0);
        if (pid == 0) {
            Journal journal(dir->path() / "journal", system_clock());
            int written = 0;
            for (int n = 0; n < k_each; ++n) {
                Entry entry;
                entry.id = "P" + std::to_string(i);
                entry.phase = n == 0 ? Phase::begin : Phase::end;
                entry.message = std::string(static_cast<std::size_t>(i) * 37, 'x');
                written += journal.append(std::move(entry)) ? 1 : 0;
            }
            ::_exit(written == k_each ? 0 : 1);
        }
        children.push_back(pid);
    }
    for (const auto pid : children) {
        int status = 0;
        REQUIRE(::waitpid(pid, &status, 0) == pid);
        CHECK(status == 0);
    }
    const Journal journal(dir->path() / "journal", system_clock());
    const auto check = journal.verify();
    REQUIRE(check);
    CHECK(check->faults.empty());
    CHECK(check->entries == k_processes * k_each);
    CHECK(check->last_seq == k_processes * k_each);
    CHECK(journal.operations({})->size() == k_processes);
}

TEST_CASE("a second operator is told who holds the lock, why and until when", "[ops]")
{
    const auto dir = TempDir::make();
    int ready[2];
    int go[2];
    REQUIRE(::pipe(ready) == 0);
    REQUIRE(::pipe(go) == 0);
    const pid_t pid = ::fork();
    if (pid == 0) {
        OpsBench maria(dir->path(), "maria");
        maria.host.options.reason = "openai incident";
        maria.target.verdict = [&](const Step&) -> Result<> {
            char c = 'r';
            if (::write(ready[1], &c, 1) != 1 || ::read(go[0], &c, 1) != 1)
                ::_exit(3);
            return {};
        };
        ::_exit(run_change(maria.host, maria.intent("providers/openai/enabled", false)) ? 0 : 1);
    }
    char c = 0;
    REQUIRE(::read(ready[0], &c, 1) == 1);
    OpsBench jonas(dir->path(), "jonas");
    const auto report =
        run_change(jonas.host, jonas.intent("providers/google/enabled", false, "provider/google"));
    REQUIRE_FALSE(report);
    const auto& error = report.error();
    CHECK(error.kind == ErrorKind::locked);
    CHECK(error.details.at("holder") == "maria");
    CHECK(error.details.at("reason") == "openai incident");
    CHECK(error.details.at("pid") == std::to_string(pid));
    CHECK(error.details.at("until") == "2026-11-22T14:06:00.000Z");
    CHECK(error.message.find("maria") != std::string::npos);
    CHECK(error.message.find("until 14:06:00 UTC") != std::string::npos);
    CHECK(jonas.target.get("providers/google/enabled").is_null());
    CHECK(jonas.journal.operations({})->front().verdict() == "locked");
    const auto held = jonas.locks.list();
    REQUIRE(held->size() == 1);
    CHECK(held->front().key.scope == "providers");
    REQUIRE(::write(go[1], &c, 1) == 1);
    int status = 0;
    ::waitpid(pid, &status, 0);
    CHECK(status == 0);
    REQUIRE(run_change(jonas.host, jonas.intent("providers/google/enabled", false, "provider/google")));
    for (const int fd : {ready[0], ready[1], go[0], go[1]})
        ::close(fd);
}

TEST_CASE("two changes that only together break a guard cannot both pass", "[ops]")
{
    const auto dir = TempDir::make();
    // Every process asks for one provider less while two must stay; all start at once, each trying until it
    // is done or refused by the guard.
    std::vector<pid_t> children;
    for (const std::string name : {"openai", "google", "aws"}) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            OpsBench bench(dir->path(), "operator-" + name);
            bench.host.guards.min_healthy_providers = 2;
            const Deadline deadline(Duration{20'000});
            auto kind = ErrorKind::locked;
            while (kind == ErrorKind::locked && !deadline.passed()) {
                const auto report = run_change(
                    bench.host, bench.intent("providers/" + name + "/enabled", false, "provider/" + name));
                kind = report ? ErrorKind::ok : report.error().kind;
            }
            ::_exit(to_exit(kind));
        }
        children.push_back(pid);
    }
    std::multiset<int> codes;
    for (const auto pid : children) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        codes.insert(WEXITSTATUS(status));
    }
    CHECK(codes == std::multiset<int>{0, 3, 3});
    OpsBench bench(dir->path());
    CHECK(bench.journal.verify()->faults.empty());
}

TEST_CASE("the guard is asked again under the lock", "[ops]")
{
    const auto dir = TempDir::make();
    OpsBench maria(dir->path(), "maria");
    OpsBench jonas(dir->path(), "jonas");
    for (auto* bench : {&maria, &jonas})
        bench->host.guards.min_healthy_providers = 2;
    maria.host.options.yes = false;
    maria.prompt.terminal = true;
    maria.prompt.while_asking = [&] {
        REQUIRE(run_change(jonas.host, jonas.intent("providers/google/enabled", false, "provider/google")));
    };
    const auto report = run_change(maria.host, maria.intent("providers/openai/enabled", false));
    REQUIRE_FALSE(report);
    CHECK(report.error().kind == ErrorKind::refused);
    CHECK(report.error().message ==
          "refused: aws would be the only provider left (guard min_healthy_providers = 2)");
    CHECK(report.error().cause.find("google is disabled (jonas, ") != std::string::npos);
    CHECK(report.error().hint.find("conduitctl provider enable google") != std::string::npos);
    CHECK(maria.target.get("providers/openai/enabled").is_null());
    CHECK(maria.locks.list()->empty());
}

TEST_CASE("a disk that is full in the middle of a line leaves the journal as it was", "[ops]")
{
    const auto dir = TempDir::make();
    Journal journal(dir->path() / "journal", system_clock());
    Entry entry;
    entry.id = "OP";
    entry.phase = Phase::end;
    REQUIRE(journal.append(entry));
    const int status = conduit::test::run_in_child([&] {
        // The same as ENOSPC half way through a write: the file may grow by 100 bytes and no more.
        const auto size =
            std::max<std::uintmax_t>(1024, fs::file_size(month_of(dir->path() / "journal")) + 100);
        const rlimit limit{size, size};
        ::signal(SIGXFSZ, SIG_IGN);
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0)
            return 2;
        entry.message = std::string(4000, 'x');
        const auto written = journal.append(entry);
        return !written && written.error().kind == ErrorKind::failed ? 0 : 1;
    });
    CHECK(status == 0);
    CHECK(journal.verify()->faults.empty());
    CHECK(journal.verify()->notes.empty());
    REQUIRE(journal.append(entry));
    CHECK(journal.verify()->entries == 2);
    CHECK(journal.verify()->faults.empty());
}
