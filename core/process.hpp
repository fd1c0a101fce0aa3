// SPDX-License-Identifier: Apache-2.0
// Child processes: argv arrays only, never a shell; secrets go through stdin or a file descriptor.
#pragma once

#include "core/clock.hpp"
#include "core/fs.hpp"
#include "core/result.hpp"

#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace conduit {

struct ProcessSpec {
    std::vector<std::string> argv;          // argv[0] is looked up in PATH unless it has a slash
    std::map<std::string, std::string> env; // added to the parent's environment
    std::string stdin_bytes;
    fs::path cwd;
    std::size_t max_output = 16U << 20U;
};

struct ProcessResult {
    int exit_code = 0; // 128+N when a signal ended it
    std::string out;
    std::string err;
};

// not_found when the program does not exist; unknown when the deadline passed (the child is killed).
Result<ProcessResult> run_process(const ProcessSpec& spec, Deadline deadline);

struct SpawnSpec {
    std::vector<std::string> argv;
    std::map<std::string, std::string> env;
    fs::path stdout_file;         // appended to; empty: /dev/null
    std::vector<int> pass_fds;    // become 3, 4, ... in the child (systemd's LISTEN_FDS convention)
    bool new_session = true;      // setsid: the child outlives the terminal
    bool die_with_parent = false; // PR_SET_PDEATHSIG(SIGKILL)
};
Result<pid_t> spawn_process(const SpawnSpec& spec);

bool process_alive(pid_t pid);
// Start time in clock ticks since boot: with the pid it names a process for good.
std::optional<std::uint64_t> process_start_ticks(pid_t pid);

} // namespace conduit
