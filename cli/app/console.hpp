// SPDX-License-Identifier: Apache-2.0
// The terminal, or what stands in for it. Verbs do not write here: they return a Report, or App::emit when
// streaming.
#pragma once

#include "cli/config/secret.hpp"
#include "core/remote_io.hpp"
#include "core/result.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace conduit {

// Keys go to a remote program as they are pressed; destruction puts the terminal back.
class RawTerminal {
  public:
    virtual ~RawTerminal() = default;
};

class Console {
  public:
    virtual ~Console() = default;
    virtual void out(std::string_view text) = 0; // data
    virtual void err(std::string_view text) = 0; // everything else
    virtual bool out_is_terminal() const = 0;
    virtual bool err_is_terminal() const = 0;
    virtual bool can_ask() const = 0; // somebody sits there: stdin and stderr are terminals
    virtual int width() const = 0;    // of the terminal, 80 elsewhere
    // false once the reader of stdout has gone (EPIPE): nothing more need be written.
    virtual bool open() const = 0;
    // interrupted at end of input. The prompt goes to stderr.
    virtual Result<std::string> read_line(std::string_view prompt) = 0;
    virtual Result<Secret> read_secret(std::string_view prompt) = 0; // without echo
    virtual Result<std::string> read_stdin(std::size_t limit) = 0;   // all of it, for --from-stdin and "-"
    // For what is handed on byte by byte to a program elsewhere.
    virtual int in_fd() const { return -1; } // stdin; -1: there is none
    virtual bool in_is_terminal() const { return false; }
    virtual TerminalSize size() const { return {}; }
    virtual Result<std::unique_ptr<RawTerminal>> make_raw();
    virtual bool out_raw(std::string_view bytes); // false: nobody reads any more
    virtual bool err_raw(std::string_view bytes);
};

std::unique_ptr<Console> make_terminal_console();

} // namespace conduit
