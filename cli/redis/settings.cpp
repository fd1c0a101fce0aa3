// SPDX-License-Identifier: Apache-2.0
#include "cli/redis/settings.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace conduit::redis {

bool is_secret_setting(std::string_view name)
{
    constexpr std::array secret{"requirepass", "masterauth", "tls-key-file-pass", "tls-client-key-file-pass"};
    const auto lower = to_lower(name);
    return std::ranges::find(secret, lower) != secret.end() || lower.contains("pass") ||
           lower.contains("secret");
}

Result<std::map<std::string, std::string>> read_settings(RedisSession& server, const std::string& pattern,
                                                         Deadline deadline)
{
    TRY_ASSIGN(const auto reply, server.ask({"CONFIG", "GET", pattern}, deadline));
    if (!reply.is_array() || reply.items.size() % 2 != 0)
        return fail(ErrorKind::unknown,
                    fmt::format("CONFIG GET on Redis {} gave no settings", server.name()));
    std::map<std::string, std::string> out;
    for (std::size_t i = 0; i + 1 < reply.items.size(); i += 2) {
        const auto& name = reply.items[i].text;
        const auto& value = reply.items[i + 1].text;
        out[name] = is_secret_setting(name) && !value.empty() ? "(set)" : value;
    }
    return out;
}

Result<std::string> read_setting(RedisSession& server, const std::string& name, Deadline deadline)
{
    const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
    if (name.empty() || !std::ranges::all_of(name, fits)) // a pattern would find others
        return fail(ErrorKind::usage, fmt::format("'{}' is no name of a setting", printable(name)),
                    "See all: conduitctl redis config get");
    TRY_ASSIGN(const auto all, read_settings(server, name, deadline));
    const auto found = all.find(name);
    if (found == all.end())
        return fail(ErrorKind::not_found,
                    fmt::format("Redis {} has no setting '{}'", server.name(), printable(name)),
                    "See all: conduitctl redis config get");
    return found->second;
}

std::vector<Client> parse_clients(std::string_view text)
{
    std::vector<Client> out;
    for (const auto& line : split(text, '\n')) {
        Client client;
        for (const auto& word : split(trim(line), ' '))
            if (const auto equals = word.find('='); equals != std::string::npos)
                client[word.substr(0, equals)] = word.substr(equals + 1);
        if (client.contains("id"))
            out.push_back(std::move(client));
    }
    return out;
}

} // namespace conduit::redis
