// SPDX-License-Identifier: Apache-2.0
// The replicas and the simulator as one set: brought to the wanted number, restarted one by one with a surge
// of one.
#pragma once

#include "cli/orchestrator/local/child.hpp"
#include "cli/orchestrator/local/layout.hpp"
#include "cli/orchestrator/local/sockets.hpp"
#include "core/json.hpp"

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace conduit::local {

struct SimSockets {
    Listener openai, google, aws, control;
};

struct FleetOptions {
    Layout layout;
    std::string agent_program;
    std::string sim_program;
    std::vector<std::string> sim_args;
    Backoff backoff;
    Duration drain{35'000};          // before SIGKILL
    Duration start_patience{20'000}; // for the replacement in a rolling restart
};

struct RestartJob {
    std::uint64_t id = 0;
    std::deque<std::string> todo;
    std::string old;         // being replaced now
    std::string replacement; // empty: not yet started
    SteadyTime since{};
    std::vector<std::string> started, ended;
    std::optional<Duration> drain; // of each old one
    std::string error;
    bool done = false;
};

class Fleet {
  public:
    Fleet(FleetOptions options, Listener data, std::optional<SimSockets> sim, ChildEvents events);

    // Reaches the wanted state step by step; call it often.
    void tick(SteadyTime now, WallTime wall);
    void set_wanted(int replicas) { wanted_ = replicas; }
    int wanted() const { return wanted_; }
    int ready() const;    // replicas that are ready and stay
    bool settled() const; // exactly the wanted replicas run and are ready
    // A replica that keeps dying; its name.
    std::optional<std::string> crashing() const;

    // names empty: every replica of now. "sim" is ended and started again.
    std::uint64_t restart(std::vector<std::string> names, SteadyTime now, std::optional<Duration> drain = {});
    const RestartJob* job(std::uint64_t id) const;
    std::vector<std::string> names() const; // of replicas that stay
    void set_sim_args(std::vector<std::string> args) { options_.sim_args = std::move(args); }

    void stop(SteadyTime now); // replicas first, the simulator when they are gone
    bool stopped() const;
    bool owns(pid_t pid) const;

    const Listener& data() const { return data_; }
    const std::optional<SimSockets>& sim() const { return sim_; }
    Json instances_json() const;
    std::vector<std::string> admin_urls() const; // of replicas that run
    std::string log_tail(const std::string& name, std::size_t lines) const;

  private:
    struct Replica {
        std::unique_ptr<Child> child;
        Listener admin;
        bool replacement = false; // over the wanted number while a restart goes on
    };
    Replica* find(const std::string& name);
    const Replica* find(const std::string& name) const;
    std::vector<Replica*> staying(); // neither draining nor a replacement
    std::string add(bool replacement, WallTime wall);
    std::unique_ptr<Child> make_sim();
    void forget_gone();
    void reach_wanted(SteadyTime now, WallTime wall);
    void advance(RestartJob& job, SteadyTime now, WallTime wall);
    void abandon(RestartJob& job, std::string why, SteadyTime now);

    FleetOptions options_;
    Listener data_;
    std::optional<SimSockets> sim_;
    ChildEvents events_;
    std::vector<Replica> replicas_;
    std::unique_ptr<Child> sim_child_;
    std::vector<std::pair<std::string, std::uint16_t>>
        ports_; // a name that comes back gets its old admin port
    std::deque<RestartJob> jobs_;
    std::uint64_t next_job_ = 1;
    int wanted_ = 0;
    bool stopping_ = false;
    SteadyTime retry_add_{};
};

std::string last_lines(std::string_view text, std::size_t lines);

} // namespace conduit::local
