// SPDX-License-Identifier: Apache-2.0
#include "core/url.hpp"

#include "core/text.hpp"

#include <charconv>
#include <fmt/format.h>

namespace conduit {
namespace {

std::uint16_t default_port(std::string_view scheme)
{
    return scheme == "https" || scheme == "wss" ? 443 : 80;
}

bool parse_port(std::string_view text, std::uint16_t& port)
{
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
    return !text.empty() && ec == std::errc{} && end == text.data() + text.size();
}

// Splits "host:port" or "[v6]:port"; the port text stays empty when there is none.
bool split_authority(std::string_view text, std::string& host, std::string_view& port)
{
    if (text.starts_with('[')) {
        const auto close = text.find(']');
        if (close == std::string_view::npos)
            return false;
        host = text.substr(1, close - 1);
        port = text.substr(close + 1);
        if (!port.empty() && port.front() != ':')
            return false;
        port.remove_prefix(port.empty() ? 0 : 1);
        return !host.empty();
    }
    const auto colon = text.rfind(':');
    host = text.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    return !host.empty() && host.find_first_of(" \t\r\n/?#@:") == std::string::npos;
}

} // namespace

std::string Url::authority() const
{
    const auto shown = host.contains(':') ? "[" + host + "]" : host;
    return port == default_port(scheme) ? shown : fmt::format("{}:{}", shown, port);
}

std::string Url::str() const
{
    return scheme + "://" + authority() + path + (query.empty() ? "" : "?" + query);
}

Result<Url> parse_url(std::string_view text)
{
    const auto bad = [&](std::string_view why) {
        return fail(ErrorKind::usage, fmt::format("'{}' is not a usable URL: {}", printable(text), why),
                    "Write it as https://host[:port][/path].");
    };
    const auto scheme_end = text.find("://");
    if (scheme_end == std::string_view::npos)
        return bad("no scheme");
    Url url;
    url.scheme = to_lower(text.substr(0, scheme_end));
    if (url.scheme != "http" && url.scheme != "https" && url.scheme != "ws" && url.scheme != "wss")
        return bad("the scheme must be http, https, ws or wss");
    auto rest = text.substr(scheme_end + 3);
    const auto authority = rest.substr(0, rest.find_first_of("/?#"));
    if (authority.contains('@'))
        return fail(ErrorKind::usage, "a URL with a user or password in it is refused",
                    "Name where the secret lives in the configuration instead.");
    std::string_view port;
    if (!split_authority(authority, url.host, port))
        return bad("no host");
    url.port = default_port(url.scheme);
    if (!port.empty() && !parse_port(port, url.port))
        return bad("the port is not a number from 0 to 65535");
    rest.remove_prefix(authority.size());
    rest = rest.substr(0, rest.find('#'));
    const auto question = rest.find('?');
    url.path = rest.substr(0, question);
    if (question != std::string_view::npos)
        url.query = rest.substr(question + 1);
    return url;
}

std::string query_string(const std::multimap<std::string, std::string>& parameters)
{
    std::string out;
    for (const auto& [key, value] : parameters)
        out += fmt::format("{}{}={}", out.empty() ? "" : "&", percent_encode(key), percent_encode(value));
    return out;
}

std::multimap<std::string, std::string> parse_query(std::string_view query)
{
    std::multimap<std::string, std::string> parameters;
    for (const auto& pair : split(query, '&')) {
        const auto equals = pair.find('=');
        const auto key = percent_decode(replace_all(pair.substr(0, equals), "+", " "));
        const auto value =
            percent_decode(equals == std::string::npos ? "" : replace_all(pair.substr(equals + 1), "+", " "));
        if (key && value && !key->empty())
            parameters.emplace(*key, *value);
    }
    return parameters;
}

Result<HostPort> parse_host_port(std::string_view text)
{
    HostPort out;
    std::string_view port;
    if (!split_authority(text, out.host, port) || !parse_port(port, out.port))
        return fail(ErrorKind::usage, fmt::format("'{}' is not host:port", printable(text)),
                    "Write it as 127.0.0.1:8080 or [::1]:8080.");
    return out;
}

} // namespace conduit
