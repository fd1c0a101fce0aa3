// SPDX-License-Identifier: Apache-2.0
// A program that runs beside us with its ends in our hands, for data that is larger than memory.
#pragma once

#include "core/cancel.hpp"
#include "core/fs.hpp"
#include "core/result.hpp"

#include <map>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

namespace conduit {

struct ChildSpec {
    std::vector<std::string> argv;          // argv[0] is looked up in PATH unless it has a slash
    std::map<std::string, std::string> env; // added to ours; no secret that another user must not read
    bool fed = true;                        // false: its input is /dev/null
};

class Child {
  public:
    // not_found when the program does not exist.
    static Result<Child> start(const ChildSpec& spec);
    Child(Child&& other) noexcept;
    Child& operator=(Child&&) = delete;
    ~Child(); // one that still runs is killed

    // Some of what it said; 0: it has closed its output. interrupted once stop is requested.
    Result<std::size_t> read(char* buffer, std::size_t size, const Cancel* stop);
    // failed once it reads no more; why it stopped is what finish() tells.
    Result<> write(std::string_view bytes, const Cancel* stop);
    void end_input() { in_.reset(); }
    void kill();
    // Waits for its end. failed with the last of what it said on stderr, unless it ended with 0.
    Result<> finish(const Cancel* stop);
    const std::string& program() const { return program_; }

  private:
    Child(std::string program, pid_t pid, UniqueFd in, UniqueFd out, UniqueFd err)
        : program_(std::move(program)), pid_(pid), in_(std::move(in)), out_(std::move(out)),
          err_(std::move(err))
    {
    }
    std::string last_words() const;

    std::string program_;
    pid_t pid_ = -1;
    UniqueFd in_, out_, err_;
};

} // namespace conduit
