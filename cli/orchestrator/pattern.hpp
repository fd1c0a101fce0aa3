// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.hpp"

#include <memory>
#include <string>

namespace conduit {

// A POSIX extended expression; the empty one matches every line.
class Pattern {
  public:
    static Result<Pattern> compile(const std::string& text); // usage, with what is wrong
    bool matches(const std::string& line) const;
    Pattern(Pattern&&) noexcept;
    Pattern& operator=(Pattern&&) noexcept;
    ~Pattern();

  private:
    Pattern();
    struct Compiled;
    std::unique_ptr<Compiled> compiled_;
};

} // namespace conduit
