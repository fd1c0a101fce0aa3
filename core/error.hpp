// SPDX-License-Identifier: Apache-2.0
// One flat error type and the exit-code table (docs/design: command line, "Exit codes").
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>

namespace conduit {

// The numeric value is the process exit code.
enum class ErrorKind : int {
    ok = 0,
    failed = 1,
    usage = 2,
    refused = 3,
    not_found = 4,
    auth = 5,
    unreachable = 6,
    stale = 7,
    locked = 8,
    rolled_back = 9,
    partial = 10,
    unverified = 11,
    unknown = 12,
    breached = 13,
    differs = 14,
    internal = 70,
    interrupted = 130,
};

struct ExitCode {
    ErrorKind kind;
    std::string_view name; // "not-found"
    std::string_view meaning;
    bool retryable; // may the same command be repeated as it is
};

std::span<const ExitCode> exit_codes(); // ascending
const ExitCode& exit_code(ErrorKind kind);
std::string_view kind_name(ErrorKind kind);
constexpr int to_exit(ErrorKind kind)
{
    return static_cast<int>(kind);
}

// message: lower case, no full stop, names the object and the backend's address.
// cause: what lay beneath, when it said more. hint: a full sentence with the next action.
struct Error {
    ErrorKind kind = ErrorKind::failed;
    std::string message;
    std::string cause;
    std::string hint;
    std::map<std::string, std::string> details; // e.g. "operation", "file", "line", "holder"

    Error() = default;
    Error(ErrorKind k, std::string m, std::string h = {}) : kind(k), message(std::move(m)), hint(std::move(h))
    {
    }

    Error with_cause(std::string c) &&;
    Error with_hint(std::string h) &&;
    Error with_detail(std::string key, std::string value) &&;
    Error prefixed(std::string_view context) &&; // "while reading X: <message>"
};

} // namespace conduit
