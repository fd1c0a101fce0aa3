// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/redact.hpp"

#include "core/hash.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace conduit::ops {
namespace {

constexpr std::string_view k_blank = " \t\n\"';|&()";

bool names_secret(std::string_view name)
{
    constexpr std::array<std::string_view, 12> parts{"password", "passwd",     "passphrase", "secret",
                                                     "token",    "apikey",     "api-key",    "api_key",
                                                     "auth",     "credential", "private",    "access_key"};
    const auto low = to_lower(name);
    return std::ranges::any_of(parts, [&](std::string_view part) { return low.contains(part); }) ||
           low == "pass" || low == "pwd" || low.ends_with("_pass") || low.ends_with("_pwd");
}

// redis-cli -a X, sshpass -p X, mysql -pX, curl -u USER:X: short flags mean it by their program alone.
bool short_secret(std::string_view program, std::string_view flag)
{
    program = program.substr(program.rfind('/') + 1);
    return (program == "redis-cli" && flag == "-a") || (program == "sshpass" && flag == "-p") ||
           (program.starts_with("mysql") && flag == "-p") || (program == "curl" && flag == "-u");
}

bool known_make(std::string_view word)
{
    constexpr std::array<std::string_view, 9> starts{"sk-",   "sk_",  "ghp_", "gho_", "xoxb-",
                                                     "xoxp-", "AKIA", "AIza", "eyJ"};
    constexpr std::size_t k_shortest = 16;
    return word.size() >= k_shortest &&
           std::ranges::any_of(starts, [&](std::string_view start) { return word.starts_with(start); });
}

std::string hidden(std::string_view secret)
{
    return secret.empty() ? std::string() : "<" + fingerprint(secret) + ">";
}

// scheme://user:PASSWORD@host
std::string in_url(std::string_view word)
{
    const auto scheme = word.find("://");
    const auto at = scheme == std::string_view::npos ? scheme : word.find('@', scheme);
    const auto colon = at == std::string_view::npos ? at : word.find(':', scheme + 3);
    if (at == std::string_view::npos || colon >= at)
        return std::string(word);
    return std::string(word.substr(0, colon + 1)) + hidden(word.substr(colon + 1, at - colon - 1)) +
           std::string(word.substr(at));
}

class Redactor {
  public:
    // A piece without blanks. What the next one means may follow from it.
    std::string piece(std::string_view text)
    {
        if (next_is_secret_) {
            const auto low = to_lower(text);
            if (low == "bearer" || low == "basic") // the scheme of a header's value
                return std::string(text);
            next_is_secret_ = false;
            return hidden(text);
        }
        if (known_make(text))
            return hidden(text);
        const auto dashes = std::min(text.find_first_not_of('-'), text.size());
        const auto mark = text.find_first_of("=:");
        const auto name = text.substr(dashes, mark == std::string_view::npos ? mark : mark - dashes);
        if (mark != std::string_view::npos && mark >= dashes && !text.substr(mark).starts_with("://") &&
            names_secret(name)) {
            next_is_secret_ = mark + 1 == text.size();
            return std::string(text.substr(0, mark + 1)) + hidden(text.substr(mark + 1));
        }
        if (mark == std::string_view::npos && dashes > 0 && names_secret(name))
            next_is_secret_ = true;
        else if (dashes == 1 && short_secret(program_, text.substr(0, 2))) {
            next_is_secret_ = text.size() == 2;
            return std::string(text.substr(0, 2)) + hidden(text.substr(2));
        } else if (dashes == 0 && is_program(text))
            program_ = text;
        return mark == std::string_view::npos ? std::string(text) : after_mark(text, mark);
    }

  private:
    static bool is_program(std::string_view text)
    {
        const auto base = text.substr(text.rfind('/') + 1);
        return base == "redis-cli" || base == "sshpass" || base.starts_with("mysql") || base == "curl";
    }
    // NAME=VALUE whose value is of a known make, and URLs.
    static std::string after_mark(std::string_view text, std::size_t mark)
    {
        if (known_make(text.substr(mark + 1)))
            return std::string(text.substr(0, mark + 1)) + hidden(text.substr(mark + 1));
        return in_url(text);
    }

    bool next_is_secret_ = false;
    std::string program_;
};

} // namespace

std::vector<std::string> without_secrets(std::span<const std::string> words)
{
    Redactor redactor;
    std::vector<std::string> out;
    for (const auto& word : words) {
        std::string clean;
        for (std::size_t at = 0; at < word.size();) {
            const auto end = std::min(word.find_first_of(k_blank, at), word.size());
            if (end > at)
                clean += redactor.piece(std::string_view(word).substr(at, end - at));
            if (end < word.size())
                clean += word[end];
            at = end + 1;
        }
        out.push_back(std::move(clean));
    }
    return out;
}

} // namespace conduit::ops
