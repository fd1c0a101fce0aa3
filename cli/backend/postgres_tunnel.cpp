// SPDX-License-Identifier: Apache-2.0
#include "cli/backend/postgres_tunnel.hpp"

#include "core/text.hpp"

#include <charconv>
#include <fmt/format.h>
#include <mutex>

namespace conduit {
namespace {

constexpr Duration k_open_limit{30'000};

struct Place {
    std::string instance;
    std::uint16_t port = 0;
};

// Of "postgres 5432/TCP"; 0 for what is none.
std::uint16_t port_number(const std::string& text)
{
    const auto from = text.rfind(' ') + 1; // npos + 1 is 0
    std::uint16_t number = 0;
    std::from_chars(text.data() + from, text.data() + text.size(), number);
    return number;
}

std::uint16_t port_of(const EndpointAddress& address, int wanted)
{
    if (address.ports.size() == 1)
        if (const auto only = port_number(address.ports.front()); only != 0)
            return only;
    return static_cast<std::uint16_t>(wanted);
}

class ServicePlace {
  public:
    ServicePlace(Endpoints& endpoints, std::string service, int port)
        : endpoints_(endpoints), service_(std::move(service)), port_(port)
    {
    }
    Result<Place> get(Deadline deadline)
    {
        const std::lock_guard lock(mutex_);
        TRY_ASSIGN(const auto found, endpoints_.of(service_, deadline));
        const EndpointAddress* chosen = nullptr;
        for (const auto& address : found.addresses)
            if (address.ready && !address.instance.empty() &&
                (chosen == nullptr || address.instance == before_))
                chosen = &address;
        if (chosen == nullptr)
            return Error{ErrorKind::unreachable, fmt::format("service {} has no pod that is ready", service_)}
                .with_cause(found.reason)
                .with_hint(fmt::format("See: conduitctl net endpoints {}", service_));
        before_ = chosen->instance;
        return Place{chosen->instance, port_of(*chosen, port_)};
    }

  private:
    Endpoints& endpoints_;
    const std::string service_;
    const int port_;
    std::mutex mutex_;
    std::string before_;
};

} // namespace

Result<std::unique_ptr<PostgresTunnel>> PostgresTunnel::open(OpenPort open, int port)
{
    TRY_ASSIGN(auto folder, TempDir::make("conduit-pg"));
    TRY_ASSIGN(auto tunnel, Tunnel::open(std::move(open)));
    std::error_code error;
    fs::create_symlink(tunnel->socket(), folder.path() / fmt::format(".s.PGSQL.{}", port), error);
    if (error)
        return file_error("link", folder.path(), error.value());
    return std::unique_ptr<PostgresTunnel>(
        new PostgresTunnel(std::move(folder), std::move(tunnel))); // NOLINT: private
}

OpenPort open_service_port(Endpoints& endpoints, InstanceStreams& streams, std::string service, int port,
                           const Cancel& cancel)
{
    auto place = std::make_shared<ServicePlace>(endpoints, std::move(service), port);
    return [place, &streams, &cancel](UniqueFd local) -> Result<std::unique_ptr<PortStream>> {
        const Deadline deadline(k_open_limit);
        TRY_ASSIGN(const auto to, place->get(deadline));
        return streams.open_port(to.instance, to.port, std::move(local), cancel, deadline);
    };
}

} // namespace conduit
