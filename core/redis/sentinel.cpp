// SPDX-License-Identifier: Apache-2.0
// A sentinel's word is asked for at every connection and checked with the server it names: after a failover
// some still name the old one, and an old master that comes back believes in itself until it is told.
#include "core/redis/connection.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

namespace conduit::redis {
namespace {

Result<Address> ask(const Address& sentinel, const Settings& settings, Deadline deadline, const Cancel* stop)
{
    Settings plain = settings;
    plain.database = 0;
    TRY_ASSIGN(const auto connection,
               Connection::open_at(sentinel, settings.sentinel_identity, plain, deadline, stop));
    TRY_ASSIGN(const auto answer,
               connection->call({"SENTINEL", "GET-MASTER-ADDR-BY-NAME", settings.master}, deadline));
    if (answer.is_error())
        return reply_error(answer, fmt::format("sentinel {}", sentinel.text));
    if (answer.is_nil())
        return fail(
            ErrorKind::not_found,
            fmt::format("sentinel {} knows no master named {}", sentinel.text, printable(settings.master)),
            "Look at SENTINEL MASTERS there.");
    if (!answer.is_array() || answer.items.size() != 2 || !answer.items[0].is_text() ||
        !answer.items[1].is_text())
        return fail(ErrorKind::failed, fmt::format("sentinel {} gave no address", sentinel.text));
    const auto& host = answer.items[0].text;
    return parse_address((host.contains(':') ? "[" + host + "]" : host) + ":" + answer.items[1].text);
}

Result<> check_role(Connection& connection, Deadline deadline)
{
    TRY_ASSIGN(const auto role, connection.call({"ROLE"}, deadline));
    if (role.is_error())
        return reply_error(role, fmt::format("the role of Redis at {}", connection.address().text));
    if (!role.is_array() || role.items.empty() || role.items[0].text != "master")
        return fail(ErrorKind::unreachable,
                    fmt::format("Redis at {} is named as master and is none", connection.address().text));
    return {};
}

Result<std::unique_ptr<Connection>> open_master(const Address& sentinel, const Settings& settings,
                                                Deadline deadline, const Cancel* stop)
{
    TRY_ASSIGN(const auto master, ask(sentinel, settings, deadline, stop));
    TRY_ASSIGN(auto connection, Connection::open_at(master, settings.identity, settings, deadline, stop));
    TRY(check_role(*connection, deadline));
    return connection;
}

} // namespace

Result<std::unique_ptr<Connection>> Connection::open(const Settings& settings, Deadline deadline,
                                                     const Cancel* stop)
{
    if (settings.sentinels.empty())
        return open_at(settings.address, settings.identity, settings, deadline, stop);
    std::string reasons;
    for (const auto& sentinel : settings.sentinels) {
        if (stop != nullptr && stop->requested())
            break;
        auto connection = open_master(sentinel, settings, deadline, stop);
        if (connection)
            return connection;
        reasons += (reasons.empty() ? "" : "; ") + connection.error().message;
    }
    return fail(ErrorKind::unreachable, fmt::format("no master {}: {}", printable(settings.master), reasons),
                "Look at 'SENTINEL MASTERS' on each sentinel.");
}

Result<Address> find_master(const Settings& settings, Deadline deadline)
{
    Error last{ErrorKind::usage, "no sentinel is configured"};
    for (const auto& sentinel : settings.sentinels) {
        auto master = ask(sentinel, settings, deadline, nullptr);
        if (master)
            return master;
        last = std::move(master).error();
    }
    return last;
}

} // namespace conduit::redis
