// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/pattern.hpp"

#include "core/text.hpp"

#include <array>
#include <fmt/format.h>
#include <regex.h>

namespace conduit {

struct Pattern::Compiled {
    regex_t regex{};
    bool good = false;
    ~Compiled()
    {
        if (good)
            ::regfree(&regex);
    }
};

Pattern::Pattern() = default;
Pattern::Pattern(Pattern&&) noexcept = default;
Pattern& Pattern::operator=(Pattern&&) noexcept = default;
Pattern::~Pattern() = default;

Result<Pattern> Pattern::compile(const std::string& text)
{
    Pattern pattern;
    if (text.empty())
        return pattern;
    auto compiled = std::make_unique<Compiled>();
    if (const int code = ::regcomp(&compiled->regex, text.c_str(), REG_EXTENDED | REG_NOSUB); code != 0) {
        std::array<char, 200> why{};
        ::regerror(code, &compiled->regex, why.data(), why.size());
        return fail(ErrorKind::usage,
                    fmt::format("'{}' is not a regular expression: {}", printable(text), why.data()));
    }
    compiled->good = true;
    pattern.compiled_ = std::move(compiled);
    return pattern;
}

bool Pattern::matches(const std::string& line) const
{
    return !compiled_ || ::regexec(&compiled_->regex, line.c_str(), 0, nullptr, 0) == 0;
}

} // namespace conduit
