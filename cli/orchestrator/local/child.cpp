// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/child.hpp"

#include "core/json.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>
#include <unistd.h>

namespace conduit::local {
namespace {

std::string pid_document(pid_t pid)
{
    Json document{{"pid", pid}};
    if (const auto ticks = process_start_ticks(pid))
        document["start_ticks"] = *ticks;
    return dump_json(document) + "\n";
}

std::string describe_exit(int code)
{
    return code > 128 ? fmt::format("ended by signal {}", code - 128) : fmt::format("exit code {}", code);
}

} // namespace

Duration Backoff::delay(std::uint32_t deaths) const
{
    Duration wait = first;
    for (std::uint32_t i = 1; i < deaths && wait < longest; ++i)
        wait *= 2;
    return std::min(wait, longest);
}

Child::Child(ChildSpec spec, Backoff backoff, ChildEvents events)
    : spec_(std::move(spec)), backoff_(backoff), events_(std::move(events))
{
}

void Child::start(WallTime wall)
{
    (void)remove_file(spec_.ready_file);
    ready_ = was_ready_ = bouncing_ = false;
    kill_at_.reset();
    spawned_ = std::chrono::steady_clock::now();
    auto pid = spawn_process(spec_.spawn);
    if (!pid) {
        events_(name(), "failed", pid.error().message);
        after_death(127, spawned_, wall);
        return;
    }
    pid_ = *pid;
    started_at_ = wall;
    if (auto written = write_file(spec_.pid_file, pid_document(pid_)); !written)
        events_(name(), "failed", written.error().message);
    events_(name(), "started", fmt::format("pid {}", pid_));
}

void Child::tick(SteadyTime now, WallTime wall)
{
    if (pid_ != 0)
        reap(now, wall);
    if (pid_ == 0) {
        if (!retiring_ && now >= next_start_) {
            ++restarts_;
            start(wall);
        }
        return;
    }
    look_whether_ready();
    if (now - spawned_ > backoff_.good_life)
        deaths_ = 0;
    if (kill_at_ && now >= *kill_at_) {
        events_(name(), "killed", "it did not end in time");
        ::kill(pid_, SIGKILL);
        kill_at_.reset();
    }
}

void Child::look_whether_ready()
{
    ready_ = ::access(spec_.ready_file.c_str(), F_OK) == 0;
    if (ready_ && !was_ready_ && !retiring_)
        events_(name(), "ready", {});
    was_ready_ = was_ready_ || ready_;
}

void Child::reap(SteadyTime now, WallTime wall)
{
    int status = 0;
    const auto got = ::waitpid(pid_, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return;
    const int code = got < 0 ? 127 : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    after_death(code, now, wall);
}

void Child::after_death(int code, SteadyTime now, WallTime wall)
{
    pid_ = 0;
    ready_ = false;
    kill_at_.reset();
    last_exit_ = LastExit{code, wall};
    (void)remove_file(spec_.pid_file);
    (void)remove_file(spec_.ready_file);
    events_(name(), "exited", describe_exit(code));
    if (retiring_)
        return;
    if (bouncing_) {
        next_start_ = now;
        return;
    }
    if (now - spawned_ > backoff_.good_life)
        deaths_ = 0;
    const auto wait = backoff_.delay(++deaths_);
    next_start_ = now + wait;
    events_(name(), "back-off", fmt::format("starts again in {}", format_duration(wait)));
}

void Child::terminate(SteadyTime now, Duration grace, std::optional<Duration> drain)
{
    if (pid_ == 0)
        return;
    sigval value{};
    if (drain)
        value.sival_int = static_cast<int>(std::clamp<std::int64_t>(drain->count(), 1, INT_MAX));
    if ((drain ? ::sigqueue(pid_, SIGTERM, value) : ::kill(pid_, SIGTERM)) == 0)
        events_(name(), "draining", {});
    kill_at_ = now + grace;
}

void Child::retire(SteadyTime now, Duration grace, std::optional<Duration> drain)
{
    if (retiring_)
        return;
    retiring_ = true;
    terminate(now, grace, drain);
}

void Child::bounce(SteadyTime now, Duration grace)
{
    if (retiring_ || bouncing_)
        return;
    next_start_ = now;
    bouncing_ = pid_ != 0;
    terminate(now, grace);
}

InstanceState Child::state() const
{
    if (pid_ == 0) {
        if (!retiring_ && deaths_ >= backoff_.crash_loop_after)
            return InstanceState::crash_loop;
        return InstanceState::exited;
    }
    if (retiring_ || bouncing_)
        return InstanceState::draining;
    if (ready_)
        return InstanceState::ready;
    if (deaths_ >= backoff_.crash_loop_after)
        return InstanceState::crash_loop;
    return was_ready_ ? InstanceState::not_ready : InstanceState::starting;
}

bool Child::settled() const
{
    return ready() && !kill_at_;
}

} // namespace conduit::local
