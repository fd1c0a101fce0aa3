// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/confirm.hpp"

#include "core/text.hpp"

#include <fmt/format.h>

namespace conduit::ops {
namespace {

Error missing(std::string_view flag, std::string_view why, std::string hint)
{
    return Error{ErrorKind::refused, fmt::format("not confirmed: {} is missing ({})", flag, why),
                 std::move(hint)}
        .with_detail("flag", std::string(flag));
}

} // namespace

Result<bool> NoPrompt::yes_no(std::string_view /*question*/)
{
    return false;
}

Result<std::string> NoPrompt::line(std::string_view /*question*/)
{
    return std::string();
}

Tier effective_tier(Tier tier, bool protected_context)
{
    return protected_context && tier == Tier::mild ? Tier::moderate : tier;
}

Result<Ask> decide_confirmation(const ConfirmInput& input, const ChangeOptions& options)
{
    if (options.force && options.reason.empty())
        return fail(ErrorKind::usage, "--force needs --reason", "Add --reason TEXT: it is recorded.");
    const auto tier = effective_tier(input.tier, input.protected_context);
    if (input.protected_context && !input.interactive && !input.explicit_context)
        return missing("--context", fmt::format("context {} is protected", input.context),
                       fmt::format("Name it: -C {}.", input.context));
    if (tier == Tier::mild)
        return Ask::nothing;
    if (tier == Tier::moderate) {
        if (options.yes)
            return Ask::nothing;
        if (!input.interactive)
            return missing("--yes", "a moderate change without a terminal",
                           "Add -y, or run it on a terminal to be asked.");
        return Ask::yes_no;
    }
    if (options.reason.empty())
        return missing("--reason", "a severe change", "Add --reason TEXT: it is recorded.");
    if (!options.confirm.empty()) {
        if (options.confirm == input.name)
            return Ask::nothing;
        return fail(ErrorKind::refused,
                    fmt::format("not confirmed: --confirm says '{}', the target is '{}'",
                                printable(options.confirm), input.name),
                    fmt::format("Look again at what is meant; then --confirm {}.", input.name));
    }
    if (!input.interactive)
        return missing("--confirm", "a severe change without a terminal",
                       fmt::format("Add --confirm {}; -y does not silence it.", input.name));
    return Ask::name;
}

Result<> confirm(const ConfirmInput& input, const ChangeOptions& options, Prompt& prompt)
{
    TRY_ASSIGN(const auto ask, decide_confirmation(input, options));
    if (ask == Ask::yes_no) {
        TRY_ASSIGN(const bool yes, prompt.yes_no("Go on?"));
        if (!yes)
            return fail(ErrorKind::refused, "not confirmed: the answer was no");
    } else if (ask == Ask::name) {
        TRY_ASSIGN(const auto typed, prompt.line(fmt::format("Type {} to go on:", input.name)));
        if (trim(typed) != input.name)
            return fail(ErrorKind::refused,
                        fmt::format("not confirmed: '{}' is not '{}'", printable(typed), input.name));
    }
    return {};
}

} // namespace conduit::ops
