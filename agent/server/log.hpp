// SPDX-License-Identifier: Apache-2.0
// JSON lines to one file descriptor. Never a secret, never content: callers pass ids, names and codes.
#pragma once

#include "core/clock.hpp"

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace conduit::agent {

class Log {
  public:
    using Value = std::variant<std::string_view, std::int64_t, bool>;
    using Field = std::pair<std::string_view, Value>;
    explicit Log(int fd) : fd_(fd) {}
    void info(std::string_view message, std::initializer_list<Field> fields = {}) const;
    void warn(std::string_view message, std::initializer_list<Field> fields = {}) const;
    void error(std::string_view message, std::initializer_list<Field> fields = {}) const;

  private:
    void write(std::string_view level, std::string_view message, std::initializer_list<Field> fields) const;
    int fd_;
};

} // namespace conduit::agent
