// SPDX-License-Identifier: Apache-2.0
#include "core/redis/settings.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <sys/un.h>

namespace conduit::redis {
namespace {

constexpr unsigned k_max_database = 1'000'000;

std::unexpected<Error> bad(std::string_view text, std::string_view why)
{
    return fail(ErrorKind::usage,
                fmt::format("'{}' is no address of a Redis server: {}", printable(text), why),
                "Write host:6379, [::1]:6379 or /run/redis/redis.sock.");
}

bool is_host(std::string_view host)
{
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("._-:%").contains(c);
    };
    return !host.empty() && host.size() <= 253 && std::ranges::all_of(host, fits);
}

Result<unsigned> parse_unsigned(std::string_view text, std::string_view what, unsigned most)
{
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > most)
        return fail(ErrorKind::usage, fmt::format("'{}' is no {}", printable(text), what));
    return value;
}

} // namespace

Result<Address> parse_address(std::string_view text, std::uint16_t default_port)
{
    Address address;
    address.port = default_port;
    if (text.starts_with('/')) {
        if (text.size() >= sizeof(sockaddr_un::sun_path))
            return bad(text, "the path of the socket is too long");
        address.socket = text;
        address.text = text;
        return address;
    }
    std::string_view host = text, port;
    if (text.starts_with('[')) {
        const auto end = text.find(']');
        if (end == std::string_view::npos)
            return bad(text, "']' is missing");
        host = text.substr(1, end - 1);
        port = text.substr(end + 1);
    } else if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
        if (text.find(':') != colon)
            return bad(text, "an IPv6 address stands in brackets");
        host = text.substr(0, colon);
        port = text.substr(colon);
    }
    if (!is_host(host))
        return bad(text, "the host is missing or has characters that it cannot have");
    if (!port.empty()) {
        const auto number = parse_unsigned(port.substr(1), "port", 65'535);
        if (!port.starts_with(':') || !number || *number == 0)
            return bad(text, "the port is not from 1 to 65535");
        address.port = static_cast<std::uint16_t>(*number);
    }
    address.host = host;
    address.text = host.contains(':') ? fmt::format("[{}]:{}", host, address.port)
                                      : fmt::format("{}:{}", host, address.port);
    return address;
}

Result<Settings> parse_url(std::string_view text)
{
    Settings settings;
    if (text.starts_with("unix://")) {
        TRY_ASSIGN(settings.address, parse_address(text.substr(7)));
        return settings;
    }
    settings.tls.on = text.starts_with("rediss://");
    if (!settings.tls.on && !text.starts_with("redis://"))
        return fail(
            ErrorKind::usage,
            fmt::format("'{}' is no URL of a Redis server", text.contains('@') ? "…" : printable(text)),
            "Write redis://host:6379/0, rediss://host:6379 (TLS) or unix:///run/redis/redis.sock.");
    auto rest = text.substr(settings.tls.on ? 9 : 8);
    if (rest.contains('@'))
        return fail(ErrorKind::usage, "a password or user does not belong in the URL of a Redis server",
                    "Write username: and password_ref: file:PATH beside it.");
    if (const auto slash = rest.find('/'); slash != std::string_view::npos) {
        if (const auto database = rest.substr(slash + 1); !database.empty()) {
            TRY_ASSIGN(settings.database, parse_unsigned(database, "number of a database", k_max_database));
        }
        rest = rest.substr(0, slash);
    }
    TRY_ASSIGN(settings.address, parse_address(rest));
    return settings;
}

std::string Settings::where() const
{
    if (sentinels.empty())
        return address.text;
    return fmt::format("master {} of {} sentinel{}", master, sentinels.size(),
                       sentinels.size() == 1 ? "" : "s");
}

} // namespace conduit::redis
