// SPDX-License-Identifier: Apache-2.0
// Who has to say yes to what: a pure decision, and the interface that asks.
#pragma once

#include "cli/ops/change_options.hpp"
#include "cli/ops/plan.hpp"

#include <string>
#include <string_view>

namespace conduit::ops {

class Prompt {
  public:
    virtual ~Prompt() = default;
    virtual bool interactive() const = 0; // a terminal, and no --no-input
    virtual Result<bool> yes_no(std::string_view question) = 0;
    virtual Result<std::string> line(std::string_view question) = 0;
};

class NoPrompt final : public Prompt { // scripts, servers
  public:
    bool interactive() const override { return false; }
    Result<bool> yes_no(std::string_view question) override;
    Result<std::string> line(std::string_view question) override;
};

struct ConfirmInput {
    Tier tier = Tier::moderate;
    std::string name; // what a severe change is confirmed with
    bool protected_context = false;
    bool interactive = false;
    bool explicit_context = false; // -C was given
    std::string context;
};

enum class Ask { nothing, yes_no, name };

Tier effective_tier(Tier tier, bool protected_context);
// What is left to ask, or refused with the missing flag's name.
Result<Ask> decide_confirmation(const ConfirmInput& input, const ChangeOptions& options);
// Decides and asks. refused when the answer is no.
Result<> confirm(const ConfirmInput& input, const ChangeOptions& options, Prompt& prompt);

} // namespace conduit::ops
