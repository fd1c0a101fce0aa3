// SPDX-License-Identifier: Apache-2.0
// A forked child that runs a function and ends without the test runner's clean-up; and killing it for real.
#pragma once

#include "cli/ops/crash_points.hpp"

#include <csignal>
#include <functional>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace conduit::test {

// What waitpid() says. A child that throws ends with 99.
inline int run_in_child(const std::function<int()>& body)
{
    const pid_t pid = ::fork();
    if (pid == 0) {
        int code = 99;
        try {
            code = body();
        } catch (...) {
            code = 99;
        }
        ::_exit(code);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return status;
}

// Dies as by `kill -9` the nth time it comes past the point.
class KillAt final : public ops::CrashPoints {
  public:
    KillAt(std::string name, int nth) : name_(std::move(name)), left_(nth) {}
    void reach(std::string_view name) override
    {
        if (name == name_ && --left_ == 0)
            ::kill(::getpid(), SIGKILL);
    }

  private:
    std::string name_;
    int left_;
};

} // namespace conduit::test
