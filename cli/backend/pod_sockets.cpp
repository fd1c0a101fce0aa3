// SPDX-License-Identifier: Apache-2.0
#include "cli/backend/pod_sockets.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace conduit {
namespace {

std::string first_label(const std::string& host)
{
    const bool is_address = host.contains(':') || host.find_first_not_of("0123456789.") == std::string::npos;
    return is_address ? host : host.substr(0, host.find('.'));
}

// What a service calls 6379 may be another port of its pods ("redis 16379/TCP").
std::uint16_t port_of(const EndpointAddress& address, std::uint16_t wanted)
{
    std::vector<std::uint16_t> open;
    for (const auto& text : address.ports) {
        const auto words = split(text.substr(0, text.find('/')), ' ');
        std::uint16_t number = 0;
        if (!words.empty())
            std::from_chars(words.back().data(), words.back().data() + words.back().size(), number);
        if (number != 0)
            open.push_back(number);
    }
    const bool has = std::ranges::find(open, wanted) != open.end();
    return has || open.size() != 1 ? wanted : open.front();
}

} // namespace

Result<std::optional<PodSockets::Place>>
PodSockets::pod_of(const std::string& service, const std::string& host, std::uint16_t port, Deadline deadline)
{
    TRY_ASSIGN(const auto found, endpoints_.of(service, deadline));
    const auto label = first_label(host);
    for (const auto& one : found.addresses)
        if (!one.instance.empty() && (one.address == host || one.instance == label))
            return Place{one.instance, port};
    if (service != label)
        return std::optional<Place>{};
    for (const auto& one : found.addresses)
        if (one.ready && !one.instance.empty())
            return Place{one.instance, port_of(one, port)};
    return fail(ErrorKind::unreachable,
                fmt::format("service {} has no pod that is ready{}{}", service,
                            found.reason.empty() ? "" : ": ", found.reason),
                found.cause_hint);
}

Result<PodSockets::Place> PodSockets::place_of(const std::string& host, std::uint16_t port, Deadline deadline)
{
    TRY_ASSIGN(auto place, pod_of(service_, host, port, deadline));
    if (place)
        return *place;
    TRY_ASSIGN(const auto services, endpoints_.services(deadline));
    for (const auto& service : services) {
        if (service == service_)
            continue;
        auto found = pod_of(service, host, port, deadline);
        if (!found && service == first_label(host))
            return std::move(found).error();
        if (found && *found)
            return **found;
    }
    return fail(ErrorKind::not_found,
                fmt::format("{} is the address of no pod of this namespace", printable(host)),
                fmt::format("See what stands behind it: conduitctl net endpoints {}", service_));
}

Result<fs::path> PodSockets::socket_of(const std::string& host, std::uint16_t port, Deadline deadline)
{
    auto& tunnel = tunnels_[fmt::format("{}:{}", host, port)];
    if (!tunnel) {
        TRY_ASSIGN(const auto place, place_of(host, port, deadline));
        TRY_ASSIGN(tunnel, Tunnel::open(open_port_of(streams_, place.instance, place.port, cancel_)));
    }
    return tunnel->socket();
}

std::optional<Error> PodSockets::fault_of(const std::string& host, std::uint16_t port) const
{
    const auto found = tunnels_.find(fmt::format("{}:{}", host, port));
    return found == tunnels_.end() || !found->second ? std::nullopt : found->second->fault();
}

} // namespace conduit
