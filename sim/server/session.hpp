// SPDX-License-Identifier: Apache-2.0
// Internal to sim/server: one connection as a coroutine.
#pragma once

#include "sim/control/control.hpp"
#include "sim/server/provider.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>

namespace conduit::sim {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using Executor = asio::io_context::executor_type;
using Socket = asio::basic_stream_socket<asio::ip::tcp, Executor>;
template <class T = void> using Task = asio::awaitable<T, Executor>;
inline constexpr asio::use_awaitable_t<Executor> k_await{};

struct SessionSettings {
    bool bench_route = false;
};

// Keeps a connection in its provider's list while it is open.
class SocketGuard {
  public:
    SocketGuard(Provider& provider, int fd) : provider_(&provider), id_(provider.add_socket(fd)) {}
    SocketGuard(SocketGuard&& other) noexcept
        : provider_(std::exchange(other.provider_, nullptr)), id_(other.id_)
    {
    }
    SocketGuard& operator=(SocketGuard&&) = delete;
    ~SocketGuard()
    {
        if (provider_ != nullptr)
            provider_->remove_socket(id_);
    }

  private:
    Provider* provider_;
    std::uint64_t id_;
};

Task<> serve_provider(Socket socket, Provider& provider, SessionSettings settings);
Task<> serve_control(Socket socket, SimState& state);
// Takes the connection over after the request for an upgrade.
Task<> serve_websocket(Socket socket, SocketGuard guard, Provider& provider,
                       http::request<http::empty_body> head, WireRequest request, WireContext context,
                       WireResponse accepted);
Task<> pause(Duration duration);
void reset_socket(Socket& socket); // RST

} // namespace conduit::sim
