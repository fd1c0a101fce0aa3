// SPDX-License-Identifier: Apache-2.0
// One process that is kept alive: started, watched for readiness, started again with back-off, drained.
#pragma once

#include "cli/orchestrator/orchestrator.hpp"
#include "core/clock.hpp"
#include "core/fs.hpp"
#include "core/process.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace conduit::local {

struct Backoff {
    Duration first{100};
    Duration longest{30'000};
    Duration good_life{30'000};         // whoever lived so long begins at `first` again
    std::uint32_t crash_loop_after = 3; // deaths in a row
    Duration delay(std::uint32_t deaths) const;
};

struct ChildSpec {
    std::string name;
    SpawnSpec spawn;
    fs::path ready_file; // the child writes it when it can take work
    fs::path pid_file;   // pid and start time, so that a later supervisor finds an orphan
    std::string revision;
};

using ChildEvents = std::function<void(std::string_view child, std::string_view reason, std::string message)>;

class Child {
  public:
    Child(ChildSpec spec, Backoff backoff, ChildEvents events);
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    void start(WallTime wall);
    void tick(SteadyTime now, WallTime wall);
    // SIGTERM, and SIGKILL after grace; not started again. drain goes with the signal: how long it may drain.
    void retire(SteadyTime now, Duration grace, std::optional<Duration> drain = {});
    // SIGTERM, then started again at once; does not count as a death.
    void bounce(SteadyTime now, Duration grace);

    const std::string& name() const { return spec_.name; }
    const std::string& revision() const { return spec_.revision; }
    const fs::path& log_file() const { return spec_.spawn.stdout_file; }
    pid_t pid() const { return pid_; } // 0: not running
    InstanceState state() const;
    bool ready() const { return state() == InstanceState::ready; }
    bool retiring() const { return retiring_; }
    bool gone() const { return retiring_ && pid_ == 0; }
    bool settled() const; // nothing will happen to it soon unless it dies
    std::uint32_t restarts() const { return restarts_; }
    std::optional<WallTime> started_at() const { return started_at_; }
    const std::optional<LastExit>& last_exit() const { return last_exit_; }

  private:
    void reap(SteadyTime now, WallTime wall);
    void after_death(int code, SteadyTime now, WallTime wall);
    void look_whether_ready();
    void terminate(SteadyTime now, Duration grace, std::optional<Duration> drain = {});

    ChildSpec spec_;
    Backoff backoff_;
    ChildEvents events_;
    pid_t pid_ = 0;
    bool was_ready_ = false;
    bool ready_ = false;
    bool retiring_ = false;
    bool bouncing_ = false;
    std::uint32_t deaths_ = 0; // in a row
    std::uint32_t restarts_ = 0;
    std::optional<WallTime> started_at_;
    SteadyTime spawned_{};
    SteadyTime next_start_{};
    std::optional<SteadyTime> kill_at_;
    std::optional<LastExit> last_exit_;
};

} // namespace conduit::local
