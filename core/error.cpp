// SPDX-License-Identifier: Apache-2.0
#include "core/error.hpp"

#include <algorithm>
#include <array>

namespace conduit {
namespace {

using enum ErrorKind;
constexpr std::array k_exit_codes = std::to_array<ExitCode>({
    {ok, "ok", "done, and verified afterwards (or already so: \"changed\": false says it)", false},
    {failed, "failed", "it failed, and nothing was changed", false},
    {usage, "usage", "wrong flags or arguments; nothing was contacted", false},
    {refused, "refused", "a guard said no, or a confirmation is missing", false},
    {not_found, "not-found", "the named thing does not exist; the nearest names are suggested", false},
    {auth, "auth", "not authenticated, or not allowed", false},
    {unreachable, "unreachable", "a backend could not be reached; nothing was changed", true},
    {stale, "stale", "the world changed since the plan; nothing was changed", true},
    {locked, "locked", "another operator holds the lock; who, why, since when, until when", true},
    {rolled_back, "rolled-back", "it failed and what had been done was undone", false},
    {partial, "partial", "it failed and some changes stand; resume or undo the operation", false},
    {unverified, "unverified", "it was applied, but the effect was not seen in time", false},
    {unknown, "unknown", "the outcome is not known; in a read: the value is missing or NaN", false},
    {breached, "breached", "a check, smoke test, drill, SLO or verification came out bad", false},
    {differs, "differs", "diff-like commands: there are differences", false},
    {internal, "internal", "a bug of ours; the message says how to report it", false},
    {interrupted, "interrupted", "stopped by Ctrl-C with nothing changed", false},
});

} // namespace

std::span<const ExitCode> exit_codes()
{
    return k_exit_codes;
}

const ExitCode& exit_code(ErrorKind kind)
{
    const auto* found = std::ranges::find(k_exit_codes, kind, &ExitCode::kind);
    return found == k_exit_codes.end() ? exit_code(internal) : *found;
}

std::string_view kind_name(ErrorKind kind)
{
    return exit_code(kind).name;
}

Error Error::with_cause(std::string c) &&
{
    cause = std::move(c);
    return std::move(*this);
}

Error Error::with_hint(std::string h) &&
{
    hint = std::move(h);
    return std::move(*this);
}

Error Error::with_detail(std::string key, std::string value) &&
{
    details.insert_or_assign(std::move(key), std::move(value));
    return std::move(*this);
}

Error Error::prefixed(std::string_view context) &&
{
    message.insert(0, ": ").insert(0, context);
    return std::move(*this);
}

} // namespace conduit
