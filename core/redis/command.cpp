// SPDX-License-Identifier: Apache-2.0
#include "core/redis/reply.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <openssl/sha.h>

namespace conduit::redis {
namespace {

template <class Words> std::string encoded(const Words& words)
{
    std::size_t size = 16;
    for (const std::string_view word : words)
        size += word.size() + 16;
    std::string out;
    out.reserve(size);
    out += fmt::format("*{}\r\n", words.size());
    for (const std::string_view word : words) {
        out += fmt::format("${}\r\n", word.size());
        out += word;
        out += "\r\n";
    }
    return out;
}

} // namespace

std::string command(std::initializer_list<std::string_view> words)
{
    return encoded(words);
}

std::string command(std::span<const std::string> words)
{
    return encoded(words);
}

void append_command(std::string& out, std::span<const std::string_view> words)
{
    out += encoded(words);
}

std::string script_digest(std::string_view script)
{
    std::array<std::uint8_t, SHA_DIGEST_LENGTH> digest{};
    ::SHA1(reinterpret_cast<const unsigned char*>(script.data()), script.size(), digest.data()); // NOLINT
    return hex_encode(digest);
}

std::string match_literal(std::string_view text)
{
    std::string out;
    for (const char c : text) {
        if (std::string_view("*?[]\\^-").contains(c))
            out += '\\';
        out += c;
    }
    return out;
}

Error reply_error(const Reply& reply, std::string_view what)
{
    constexpr std::array auth{"NOAUTH", "WRONGPASS", "NOPERM"};
    const auto code = reply.error_code();
    // Redis names unknown users and passwords nowhere in an error, and a command's words only when it is
    // unknown.
    const bool refused =
        std::ranges::find(auth, code) != auth.end() || reply.text.contains("invalid password");
    auto error = Error{refused ? ErrorKind::auth : ErrorKind::failed,
                       fmt::format("{}: {}", what, printable(reply.text.substr(0, 300)))};
    if (refused)
        error.hint = "Look at username and password_ref, and at ACL LIST on the server.";
    return error;
}

} // namespace conduit::redis
