// SPDX-License-Identifier: Apache-2.0
// The program itself, killed (SIGKILL) at many moments of each verb: no half backup is ever listed, none that
// was there is lost, and the next run works.
#include "core/hash.hpp"
#include "core/json.hpp"
#include "core/process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/wait.hpp"

#include <csignal>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <thread>

using namespace conduit;

namespace {

constexpr Duration k_long{60'000};

struct Program {
    TempDir dir = TempDir::make("conduit-kill").value();
    std::map<std::string, std::string> env{{"HOME", dir.path().string()},
                                           {"XDG_CONFIG_HOME", (dir.path() / "config").string()},
                                           {"XDG_STATE_HOME", (dir.path() / "state").string()},
                                           {"XDG_CACHE_HOME", (dir.path() / "cache").string()},
                                           {"XDG_DATA_HOME", (dir.path() / "share").string()},
                                           {"CONDUIT_OPERATOR", "maria"}};

    Program()
    {
        std::string noise(4U << 20U, '\0');
        random_bytes(reinterpret_cast<std::uint8_t*>(noise.data()), noise.size()); // NOLINT: bytes are bytes
        REQUIRE(make_dirs(dir.path() / "data"));
        REQUIRE(write_file(dir.path() / "data/noise", noise));
        REQUIRE(make_dirs(dir.path() / "config/conduitctl"));
        REQUIRE(write_file(
            dir.path() / "config/conduitctl/config.yaml",
            fmt::format("contexts: {{local: {{backup: {{repository: {0}/repository, "
                        "parts: [\"folder:{0}/data\"], keep: {{daily: 1}}, metrics: {0}/backup.prom}}}}}}\n",
                        dir.path().string())));
    }

    ProcessResult run(std::vector<std::string> words) const
    {
        words.insert(words.begin(), CONDUIT_BIN_DIR "/conduitctl");
        return run_process({.argv = std::move(words), .env = env}, Deadline(k_long)).value();
    }
    // True when it was still running then.
    bool killed_after(std::vector<std::string> words, std::chrono::milliseconds when) const
    {
        words.insert(words.begin(), CONDUIT_BIN_DIR "/conduitctl");
        const auto pid = spawn_process({.argv = std::move(words), .env = env, .stdout_file = {}}).value();
        std::this_thread::sleep_for(when); // the moment is what is tested
        const bool running = ::kill(pid, SIGKILL) == 0 && process_alive(pid);
        int status = 0;
        ::waitpid(pid, &status, 0);
        return running && WIFSIGNALED(status);
    }
    std::vector<std::string> listed() const
    {
        const auto ls = run({"backup", "ls", "-o", "json"});
        INFO(ls.err);
        REQUIRE(ls.exit_code == 0);
        const auto listed = Json::parse(ls.out);
        std::vector<std::string> ids;
        for (const auto& item : listed["items"]) {
            CHECK(item["fault"] == "");
            ids.push_back(item["id"].get<std::string>());
        }
        return ids;
    }
    std::chrono::milliseconds time_of(const std::vector<std::string>& words) const
    {
        const auto began = std::chrono::steady_clock::now();
        const auto ran = run(words);
        INFO(ran.err);
        REQUIRE(ran.exit_code == 0);
        return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                                     began);
    }
};

} // namespace

TEST_CASE_METHOD(Program, "a backup that is killed at any moment is none, and the next one is made")
{
    const auto whole = time_of({"backup", "run"});
    const auto first = listed();
    REQUIRE(first.size() == 1);
    int cut = 0;
    constexpr int k_moments = 12;
    for (int i = 0; i < k_moments; ++i) {
        const auto before = listed().size();
        cut += killed_after({"backup", "run"}, whole * i / k_moments) ? 1 : 0;
        const auto after = listed();
        CHECK(after.size() <= before + 1);
        CHECK(std::ranges::find(after, first.front()) != after.end());
    }
    CHECK(cut >= k_moments / 2);
    const auto before = listed().size();
    CHECK(run({"backup", "run"}).exit_code == 0);
    CHECK(listed().size() == before + 1);
    const auto proved = run({"backup", "verify", "latest"});
    INFO(proved.out << proved.err);
    CHECK(proved.exit_code == 0);
}

TEST_CASE_METHOD(Program, "a proof that is killed leaves the backup as it was")
{
    REQUIRE(run({"backup", "run"}).exit_code == 0);
    const auto whole = time_of({"backup", "verify", "latest"});
    for (int i = 0; i < 6; ++i) {
        killed_after({"backup", "verify", "latest"}, whole * i / 6);
        CHECK(listed().size() == 1);
    }
    CHECK(run({"backup", "verify", "latest"}).exit_code == 0);
}

TEST_CASE_METHOD(Program, "two at once: the second is told that the first is under way")
{
    std::string noise(40U << 20U, '\0');
    random_bytes(reinterpret_cast<std::uint8_t*>(noise.data()), noise.size()); // NOLINT: bytes are bytes
    REQUIRE(write_file(dir.path() / "data/more", noise));
    const auto pid =
        spawn_process(
            {.argv = {CONDUIT_BIN_DIR "/conduitctl", "backup", "run"}, .env = env, .stdout_file = {}})
            .value();
    // It stores a part, so it has the lock; then it stands still while the second one tries.
    REQUIRE(test::eventually([&] {
        std::error_code error;
        for (fs::recursive_directory_iterator it(dir.path() / "repository", error), end; !error && it != end;
             it.increment(error))
            if (it->path().string().ends_with(".half"))
                return true;
        return false;
    }));
    REQUIRE(::kill(pid, SIGSTOP) == 0);
    const auto second = run({"backup", "run"});
    REQUIRE(::kill(pid, SIGCONT) == 0);
    INFO(second.err);
    CHECK(second.exit_code == 8);
    int status = 0;
    ::waitpid(pid, &status, 0);
    CHECK(WEXITSTATUS(status) == 0);
    CHECK(listed().size() == 1);
}

TEST_CASE_METHOD(Program, "for cron: silent and 0 when it is good, one line and the code when it is not")
{
    const auto good = run({"backup", "run"});
    CHECK(good.exit_code == 0);
    CHECK(good.out.empty());
    CHECK(good.err.empty());
    const auto figures = read_file(dir.path() / "backup.prom").value();
    CHECK(figures.find("conduit_backup_last_success_timestamp_seconds{context=\"local\"}") !=
          std::string::npos);
    const auto checked =
        run_process({.argv = {"promtool", "check", "metrics"}, .stdin_bytes = figures}, Deadline(k_long));
    REQUIRE(checked);
    INFO(checked->out << checked->err);
    CHECK(checked->exit_code == 0);
    fs::remove_all(dir.path() / "data");
    const auto bad = run({"backup", "run"});
    CHECK(bad.exit_code == 4);
    CHECK(bad.err.starts_with("error: "));
    CHECK(read_file(dir.path() / "backup.prom").value() == figures); // of the last success
    CHECK(listed().size() == 1);
}
