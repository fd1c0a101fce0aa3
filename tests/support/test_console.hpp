// SPDX-License-Identifier: Apache-2.0
// A console whose output is text and whose answers are given beforehand.
#pragma once

#include "cli/app/console.hpp"

#include <deque>
#include <mutex>
#include <string>

namespace conduit::test {

class TestConsole final : public Console {
  public:
    std::string out_text;
    std::string err_text;
    std::string stdin_text;
    std::deque<std::string> answers; // read_line and read_secret take them in order
    bool terminal = false;
    int columns = 100;
    bool reader_gone = false;
    int input = -1; // stdin, for what is handed on

    void out(std::string_view text) override
    {
        const std::lock_guard lock(mutex_);
        out_text += text;
    }
    void clear()
    {
        const std::lock_guard lock(mutex_);
        out_text.clear();
        err_text.clear();
    }
    std::string out_so_far() // while another thread writes
    {
        const std::lock_guard lock(mutex_);
        return out_text;
    }
    void err(std::string_view text) override { err_text += text; }
    bool out_is_terminal() const override { return terminal; }
    bool err_is_terminal() const override { return terminal; }
    bool can_ask() const override { return terminal; }
    int width() const override { return columns; }
    int in_fd() const override { return input; }
    bool in_is_terminal() const override { return terminal; }
    bool open() const override { return !reader_gone; }
    Result<std::string> read_line(std::string_view prompt) override
    {
        err_text += prompt;
        if (answers.empty())
            return fail(ErrorKind::interrupted, "stopped while waiting for an answer");
        std::string answer = answers.front();
        answers.pop_front();
        return answer;
    }
    Result<Secret> read_secret(std::string_view prompt) override
    {
        TRY_ASSIGN(std::string answer, read_line(prompt));
        return Secret(std::move(answer));
    }
    Result<std::string> read_stdin(std::size_t) override { return stdin_text; }

  private:
    std::mutex mutex_;
};

} // namespace conduit::test
