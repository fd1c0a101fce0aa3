// SPDX-License-Identifier: Apache-2.0
#include "agent/config/config.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit::agent {

bool is_path_name(std::string_view name)
{
    return !name.empty() && name.size() <= 128 && name != "." && name != ".." &&
           std::ranges::all_of(name, [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      std::string_view("._:@-").contains(c);
           });
}

bool is_loopback(std::string_view host)
{
    const auto numeric = host.find_first_not_of("0123456789.") == std::string_view::npos;
    return host == "localhost" || host == "::1" || (numeric && host.starts_with("127."));
}

Result<> check_endpoint(std::string_view text, bool insecure)
{
    TRY_ASSIGN(const auto url, parse_url(text));
    if (url.scheme != "http" && url.scheme != "https")
        return fail(ErrorKind::usage,
                    fmt::format("the endpoint {} is neither http nor https", printable(text)));
    if (!url.query.empty())
        return fail(ErrorKind::usage, fmt::format("the endpoint {} has a query", printable(text)));
    if (url.port == 0)
        return fail(ErrorKind::usage, fmt::format("the endpoint {} has port 0", printable(text)));
    if (url.scheme == "http" && !insecure && !is_loopback(url.host))
        return fail(ErrorKind::usage,
                    fmt::format("the endpoint {} would send credentials unencrypted", printable(text)),
                    "Use https, or set insecure: true for this provider.");
    return {};
}

const ProviderConfig* find_provider(const Config& config, std::string_view name)
{
    const auto it = std::ranges::find(config.providers, name, &ProviderConfig::name);
    return it == config.providers.end() ? nullptr : &*it;
}

ProviderConfig* find_provider(Config& config, std::string_view name)
{
    const auto it = std::ranges::find(config.providers, name, &ProviderConfig::name);
    return it == config.providers.end() ? nullptr : &*it;
}

} // namespace conduit::agent
