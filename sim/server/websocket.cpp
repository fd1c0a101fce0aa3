// SPDX-License-Identifier: Apache-2.0
#include "core/text.hpp"
#include "sim/server/session.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/beast/websocket.hpp>

namespace conduit::sim {
namespace {

namespace websocket = beast::websocket;
constexpr auto k_try = asio::as_tuple(k_await);
constexpr std::size_t k_max_message = 24U << 20U;
using Stream = websocket::stream<Socket>;

void prepare(Stream& stream, const http::request<http::empty_body>& head, const WireResponse& accepted)
{
    std::string protocol;
    const auto offered = head[http::field::sec_websocket_protocol];
    for (const auto& item : split(std::string(offered), ',')) {
        if (trim(item) == "realtime")
            protocol = "realtime";
    }
    stream.read_message_max(k_max_message);
    stream.set_option(websocket::stream_base::decorator(
        [headers = accepted.headers, protocol](websocket::response_type& response) {
            for (const auto& [name, value] : headers)
                response.set(name, value);
            if (!protocol.empty())
                response.set(http::field::sec_websocket_protocol, protocol);
        }));
}

struct Pump {
    Stream& stream;
    Provider& provider;
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
};

Task<> close_with(Stream& stream, SocketClose close)
{
    const websocket::close_reason reason{static_cast<websocket::close_code>(close.code), close.reason};
    co_await stream.async_close(reason, k_try);
}

// False: the connection has ended.
Task<bool> send(Pump& pump, const SocketOutput& output)
{
    for (const auto& message : output.messages) {
        const auto fault = pump.provider.fault();
        if (fault->latency.count() > 0)
            co_await pause(fault->latency);
        if (fault->cut_after_bytes && pump.bytes + message.size() > *fault->cut_after_bytes) {
            reset_socket(pump.stream.next_layer());
            co_return false;
        }
        if (fault->ws_close && pump.messages >= fault->ws_close_after) {
            co_await close_with(pump.stream, *fault->ws_close);
            co_return false;
        }
        auto [ec, size] = co_await pump.stream.async_write(asio::buffer(message), k_try);
        if (ec)
            co_return false;
        ++pump.messages;
        pump.bytes += message.size();
        pump.provider.counters().bytes_out.fetch_add(size);
    }
    if (output.close) {
        co_await close_with(pump.stream, *output.close);
        co_return false;
    }
    co_return true;
}

} // namespace

Task<> serve_websocket(Socket socket, SocketGuard guard, Provider& provider,
                       http::request<http::empty_body> head, WireRequest request, WireContext context,
                       WireResponse accepted)
{
    Stream stream{std::move(socket)};
    const SocketGuard leaves_first{std::move(guard)}; // before the stream closes the descriptor
    prepare(stream, head, accepted);
    auto [failed] = co_await stream.async_accept(head, k_try);
    if (failed)
        co_return;
    const auto wire = open_socket(provider.spec().kind, request, context);
    stream.binary(wire->binary());
    Pump pump{stream, provider};
    const auto greeting = wire->start();
    bool open = co_await send(pump, greeting);
    beast::flat_buffer buffer;
    while (open) {
        auto [ec, size] = co_await stream.async_read(buffer, k_try);
        provider.counters().bytes_in.fetch_add(size);
        if (ec) {
            if (ec != websocket::error::closed)
                provider.counters().aborted.fetch_add(1);
            co_return;
        }
        const auto data = buffer.cdata();
        const auto output =
            wire->receive({static_cast<const char*>(data.data()), data.size()}, stream.got_binary());
        buffer.consume(buffer.size());
        if (!provider.fault()->hang)
            open = co_await send(pump, output);
    }
}

} // namespace conduit::sim
