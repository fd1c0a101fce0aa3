// SPDX-License-Identifier: Apache-2.0
#include "cli/config/secret.hpp"

#include "core/fs.hpp"
#include "core/hash.hpp"
#include "core/process.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>
#include <sys/stat.h>

namespace conduit {
namespace {

using Source = SecretRef::Source;
constexpr std::array<std::pair<std::string_view, Source>, 4> k_prefixes{{
    {"file:", Source::file},
    {"env:", Source::env},
    {"command:", Source::command},
    {"kubernetes:", Source::kubernetes},
}};
constexpr std::size_t k_largest_secret = 64U << 10U;

std::string without_line_end(std::string text)
{
    if (text.ends_with('\n'))
        text.pop_back();
    if (text.ends_with('\r'))
        text.pop_back();
    return text;
}

Result<Secret> checked(std::string text, const SecretRef& ref)
{
    text = without_line_end(std::move(text));
    if (text.empty())
        return fail(ErrorKind::not_found, fmt::format("the secret {} is empty", ref.str()));
    return Secret(std::move(text));
}

Result<Secret> from_file(const SecretRef& ref, const SecretAccess& access)
{
    const fs::path path = expand_home(ref.location, access.home);
    struct stat info{};
    if (stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & S_IRWXO) != 0)
        return fail(ErrorKind::refused, fmt::format("the secret file {} is open to everybody", path.string()),
                    fmt::format("Close it: chmod 600 {}", path.string()));
    TRY_ASSIGN(std::string text, read_file(path, k_largest_secret));
    return checked(std::move(text), ref);
}

// Words in quotes stay together; there is no shell, so nothing in the text can be expanded.
Result<std::vector<std::string>> command_words(std::string_view text)
{
    std::vector<std::string> words;
    std::string word;
    bool open = false;
    char quote = '\0';
    for (const char c : text) {
        if (quote != '\0') {
            if (c == quote)
                quote = '\0';
            else
                word += c;
        } else if (c == '"' || c == '\'') {
            quote = c;
            open = true;
        } else if (c == ' ') {
            if (open)
                words.push_back(std::exchange(word, {}));
            open = false;
        } else {
            word += c;
            open = true;
        }
    }
    if (open)
        words.push_back(std::move(word));
    if (quote != '\0' || words.empty())
        return fail(ErrorKind::usage, fmt::format("bad secret command '{}'", printable(text)));
    return words;
}

Result<Secret> from_command(const SecretRef& ref, Deadline deadline)
{
    TRY_ASSIGN(std::vector<std::string> words, command_words(ref.location));
    TRY_ASSIGN(ProcessResult result,
               run_process({.argv = std::move(words), .max_output = k_largest_secret}, deadline));
    if (result.exit_code != 0)
        return std::unexpected(Error{ErrorKind::auth, fmt::format("the secret command '{}' failed with {}",
                                                                  printable(ref.location), result.exit_code)}
                                   .with_cause(printable(trim(result.err))));
    return checked(std::move(result.out), ref);
}

} // namespace

Secret& Secret::operator=(const Secret& other)
{
    if (this != &other) {
        wipe();
        value_ = other.value_;
    }
    return *this;
}
Secret::Secret(Secret&& other) noexcept : value_(std::move(other.value_))
{
    other.wipe();
}
Secret& Secret::operator=(Secret&& other) noexcept
{
    if (this != &other) {
        wipe();
        value_ = std::move(other.value_);
        other.wipe();
    }
    return *this;
}
void Secret::wipe()
{
    explicit_bzero(value_.data(), value_.size());
    value_.clear();
}
std::string Secret::fingerprint() const
{
    return conduit::fingerprint(value_);
}

std::string SecretRef::str() const
{
    const auto* found = std::ranges::find(k_prefixes, source, &std::pair<std::string_view, Source>::second);
    return found == k_prefixes.end() ? std::string{} : fmt::format("{}{}", found->first, location);
}

Result<SecretRef> parse_secret_ref(std::string_view text)
{
    for (const auto& [prefix, source] : k_prefixes)
        if (text.starts_with(prefix) && text.size() > prefix.size())
            return SecretRef{source, std::string(text.substr(prefix.size()))};
    return fail(ErrorKind::usage, "a secret's place is expected, not the secret itself",
                "Write file:PATH, env:NAME, command:PROGRAM ARGUMENTS or kubernetes:NAMESPACE/SECRET/KEY.");
}

Result<Secret> resolve_secret(const SecretRef& ref, const SecretAccess& access, Deadline deadline)
{
    switch (ref.source) {
    case Source::none:
        return fail(ErrorKind::not_found, "no secret is configured here", "See: conduitctl help secrets");
    case Source::file:
        return from_file(ref, access);
    case Source::env: {
        if (access.env != nullptr)
            if (const auto found = access.env->find(ref.location); found != access.env->end())
                return checked(found->second, ref);
        return fail(ErrorKind::not_found, fmt::format("the environment has no variable {}", ref.location),
                    fmt::format("Set it: export {}=...", ref.location));
    }
    case Source::command:
        return from_command(ref, deadline);
    case Source::kubernetes: {
        if (!access.kubernetes)
            return fail(ErrorKind::unreachable,
                        fmt::format("no cluster is connected to read {} from", ref.str()),
                        "Use a context whose orchestrator is kubernetes, or keep the secret in a file.");
        TRY_ASSIGN(std::string text, access.kubernetes(ref.location));
        return checked(std::move(text), ref);
    }
    }
    return fail(ErrorKind::internal, "unknown kind of secret");
}

} // namespace conduit
