// SPDX-License-Identifier: Apache-2.0
#include "agent/server/exchange.hpp"

#include <charconv>

namespace conduit::agent {

ClientWatch::ClientWatch(ClientCall& call, Stream& upstream)
    : Timed(call.worker.loop), call_(call), upstream_(upstream)
{
}

void ClientWatch::on_tick(SteadyTime /*now*/)
{
    if (call_.client == nullptr || call_.gone || !call_.client->peer_gone())
        return;
    call_.gone = true;
    upstream_.cancel();
}

std::string request_head(const UpstreamRequest& request, const ClientCall& call,
                         std::optional<std::uint64_t> length, bool chunked)
{
    std::string head;
    head.reserve(512);
    head += request.method;
    head += ' ';
    head += request.url.path.empty() ? "/" : request.url.path;
    if (!request.url.query.empty()) {
        head += '?';
        head += request.url.query;
    }
    head += " HTTP/1.1\r\nHost: ";
    head += request.url.authority();
    head += "\r\n";
    for (const auto& [name, value] : request.headers) {
        head += name;
        head += ": ";
        head += value;
        head += "\r\n";
    }
    if (!call.traceparent.empty())
        head += "traceparent: " + call.traceparent + "\r\n";
    if (!call.tracestate.empty())
        head += "tracestate: " + call.tracestate + "\r\n";
    head += "X-Request-Id: ";
    head += call.record.request_id;
    head += "\r\n";
    if (chunked)
        head += "Transfer-Encoding: chunked\r\n";
    else if (length && (*length > 0 || request.method != "GET"))
        head += "Content-Length: " + std::to_string(*length) + "\r\n";
    head += "\r\n";
    return head;
}

Task<Attempt> exchange(ClientCall& call, std::size_t provider_index)
{
    const ProviderConfig& provider = call.config().providers[provider_index];
    const Adapter& adapter = adapter_for(provider.kind);
    auto upstream = adapter.build(provider, call.request, call.worker.shared.clock.now());
    if (!upstream)
        co_return Attempt{.outcome = Outcome::unsupported, .message = upstream.error().message};
    ProviderHealth& health = *call.worker.health[provider_index];
    health.in_flight.fetch_add(1, std::memory_order_relaxed);
    call.health = &health;
    Attempt attempt;
    if (upstream->transport == Transport::websocket)
        attempt = co_await websocket_exchange(call, provider, adapter, *upstream);
    else
        attempt = co_await http_exchange(call, provider, adapter, *upstream);
    health.in_flight.fetch_sub(1, std::memory_order_relaxed);
    if (call.gone && attempt.outcome != Outcome::ok)
        attempt.outcome = Outcome::cancelled;
    co_return attempt;
}

} // namespace conduit::agent
