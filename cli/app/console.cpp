// SPDX-License-Identifier: Apache-2.0
#include "cli/app/console.hpp"

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace conduit {

Result<std::unique_ptr<RawTerminal>> Console::make_raw()
{
    return fail(ErrorKind::usage, "stdin is no terminal", "Leave out -t, or run it on a terminal.");
}

bool Console::out_raw(std::string_view bytes)
{
    out(bytes);
    return open();
}

bool Console::err_raw(std::string_view bytes)
{
    err(bytes);
    return true;
}

namespace {

class RawStdin final : public RawTerminal {
  public:
    explicit RawStdin(const termios& before) : before_(before) {}
    RawStdin(const RawStdin&) = delete;
    RawStdin& operator=(const RawStdin&) = delete;
    ~RawStdin() override { ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_); }

  private:
    termios before_;
};

class TerminalConsole final : public Console {
  public:
    void out(std::string_view text) override { write(STDOUT_FILENO, text); }
    void err(std::string_view text) override { write(STDERR_FILENO, text); }
    bool out_is_terminal() const override { return isatty(STDOUT_FILENO) == 1; }
    bool err_is_terminal() const override { return isatty(STDERR_FILENO) == 1; }
    bool can_ask() const override { return isatty(STDIN_FILENO) == 1 && err_is_terminal(); }
    bool open() const override { return open_; }

    int width() const override
    {
        winsize size{};
        constexpr int k_otherwise = 80;
        return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : k_otherwise;
    }

    Result<std::string> read_line(std::string_view prompt) override
    {
        err(prompt);
        std::string line;
        char c = 0;
        for (;;) {
            const ssize_t got = ::read(STDIN_FILENO, &c, 1);
            if (got <= 0)
                return fail(ErrorKind::interrupted, "stopped while waiting for an answer");
            if (c == '\n')
                return line;
            constexpr std::size_t k_longest = 64U << 10U;
            if (line.size() >= k_longest)
                return fail(ErrorKind::usage, "the answer is too long");
            line += c;
        }
    }

    Result<Secret> read_secret(std::string_view prompt) override
    {
        termios before{};
        const bool terminal = tcgetattr(STDIN_FILENO, &before) == 0;
        if (terminal) {
            termios silent = before;
            silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
        }
        auto line = read_line(prompt);
        if (terminal) {
            tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
            err("\n");
        }
        if (!line)
            return std::unexpected(std::move(line).error());
        return Secret(*std::move(line));
    }

    Result<std::string> read_stdin(std::size_t limit) override
    {
        std::string text;
        std::array<char, 65536> buffer{};
        for (;;) {
            const ssize_t got = ::read(STDIN_FILENO, buffer.data(), buffer.size());
            if (got < 0 && errno == EINTR)
                return fail(ErrorKind::interrupted, "stopped while reading stdin");
            if (got < 0)
                return fail(ErrorKind::failed, "cannot read stdin");
            if (got == 0)
                return text;
            text.append(buffer.data(), static_cast<std::size_t>(got));
            if (text.size() > limit)
                return fail(ErrorKind::usage, fmt::format("more than {} bytes on stdin", limit));
        }
    }

    int in_fd() const override { return STDIN_FILENO; }
    bool in_is_terminal() const override { return isatty(STDIN_FILENO) == 1; }

    TerminalSize size() const override
    {
        winsize size{};
        if (ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
            return {};
        return {size.ws_col, size.ws_row};
    }

    Result<std::unique_ptr<RawTerminal>> make_raw() override
    {
        termios before{};
        if (::tcgetattr(STDIN_FILENO, &before) != 0)
            return Console::make_raw();
        auto made = std::make_unique<RawStdin>(before);
        termios raw = before;
        ::cfmakeraw(&raw);
        ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
        return made;
    }

  private:
    // SIGPIPE is ignored, so a reader that has gone shows as EPIPE; a full disk is no reason to go on either.
    void write(int fd, std::string_view text)
    {
        while (!text.empty() && open_) {
            const ssize_t sent = ::write(fd, text.data(), text.size());
            if (sent < 0 && errno == EINTR)
                continue;
            if (sent < 0) {
                if (fd == STDOUT_FILENO)
                    open_ = false;
                return;
            }
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
    bool open_ = true;
};

} // namespace

std::unique_ptr<Console> make_terminal_console()
{
    return std::make_unique<TerminalConsole>();
}

} // namespace conduit
