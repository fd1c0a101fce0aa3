// SPDX-License-Identifier: Apache-2.0
#include "sim/server/provider.hpp"

#include "core/hash.hpp"

#include <nlohmann/json.hpp>
#include <sys/socket.h>

namespace conduit::sim {
namespace {

void count(std::map<std::string, std::uint64_t, std::less<>>& map, std::string_view name)
{
    const auto found = map.find(name);
    if (found != map.end())
        ++found->second;
    else
        map.emplace(name, 1);
}

Json as_json(const std::map<std::string, std::uint64_t, std::less<>>& map)
{
    Json out = Json::object();
    for (const auto& [name, value] : map)
        out[name] = value;
    return out;
}

} // namespace

WireContext Provider::context(WallTime now)
{
    const auto millis = static_cast<std::uint64_t>(now.time_since_epoch().count());
    return {&credentials_, spec_.name, now,
            (millis << 20U) + serial_.fetch_add(1, std::memory_order_relaxed)};
}

void Provider::count_route(const Route& route)
{
    counters_.requests.fetch_add(1, std::memory_order_relaxed);
    if (route.kind == RouteClass::client)
        counters_.client_requests.fetch_add(1, std::memory_order_relaxed);
    if (route.kind == RouteClass::probe)
        counters_.probe_requests.fetch_add(1, std::memory_order_relaxed);
    const std::lock_guard lock(mutex_);
    count(by_route_, route.name);
}

void Provider::count_caller(const std::string& caller)
{
    const std::lock_guard lock(mutex_);
    count(by_key_, caller.empty() ? "refused" : std::string_view(caller));
}

void Provider::reset_counters()
{
    for (auto* counter :
         {&counters_.requests, &counters_.probe_requests, &counters_.client_requests,
          &counters_.connections_opened, &counters_.bytes_in, &counters_.bytes_out, &counters_.aborted})
        counter->store(0);
    const std::lock_guard lock(mutex_);
    by_route_.clear();
    by_key_.clear();
}

Json Provider::to_json() const
{
    const auto& c = counters_;
    Json out{{"name", spec_.name},
             {"kind", provider_kind_name(spec_.kind)},
             {"requests", c.requests.load()},
             {"probe_requests", c.probe_requests.load()},
             {"client_requests", c.client_requests.load()},
             {"in_flight", c.in_flight.load()},
             {"connections_opened", c.connections_opened.load()},
             {"connections_open", c.connections_open.load()},
             {"bytes_in", c.bytes_in.load()},
             {"bytes_out", c.bytes_out.load()},
             {"aborted", c.aborted.load()}};
    const std::lock_guard lock(mutex_);
    out["by_route"] = as_json(by_route_);
    out["by_key"] = as_json(by_key_);
    return out;
}

Fault Provider::fault_shown() const
{
    auto shown = *fault_.load();
    shown.fail_next = failures_left_.load();
    return shown;
}

void Provider::set_fault(const Fault& fault)
{
    failures_left_.store(fault.fail_next);
    fault_.store(std::make_shared<const Fault>(fault));
}

bool Provider::take_failure()
{
    auto left = failures_left_.load();
    while (left > 0) {
        if (failures_left_.compare_exchange_weak(left, left - 1))
            return true;
    }
    return false;
}

double Provider::dice()
{
    auto value = rolls_.fetch_add(1, std::memory_order_relaxed) + 0x9e3779b97f4a7c15ULL;
    value *= 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 30U)) * 0xbf58476d1ce4e5b9ULL;
    value = (value ^ (value >> 27U)) * 0x94d049bb133111ebULL;
    return static_cast<double>((value ^ (value >> 31U)) >> 11U) * 0x1.0p-53;
}

std::uint64_t Provider::add_socket(int fd)
{
    counters_.connections_opened.fetch_add(1);
    counters_.connections_open.fetch_add(1);
    const std::lock_guard lock(mutex_);
    sockets_.emplace(++next_socket_, fd);
    return next_socket_;
}

void Provider::remove_socket(std::uint64_t id)
{
    const std::lock_guard lock(mutex_);
    if (sockets_.erase(id) > 0)
        counters_.connections_open.fetch_sub(1);
}

void Provider::cut_sockets()
{
    const std::lock_guard lock(mutex_);
    for (const auto& [id, fd] : sockets_) {
        const linger at_once{1, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        ::shutdown(fd, SHUT_RDWR);
    }
}

} // namespace conduit::sim
