// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/sim/websocket_client.hpp"

#include "core/url.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>

namespace conduit::sim {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

struct WebSocketClient::Impl {
    asio::io_context context;
    websocket::stream<asio::ip::tcp::socket> stream{context};
    websocket::response_type answer;
};

WebSocketClient::WebSocketClient(std::string_view url, const HeaderList& headers)
    : impl_(std::make_unique<Impl>())
{
    const auto target = *parse_url(url);
    auto& socket = impl_->stream.next_layer();
    socket.connect({asio::ip::make_address(target.host), target.port});
    impl_->stream.set_option(websocket::stream_base::decorator([&](websocket::request_type& request) {
        for (const auto& [name, value] : headers)
            request.set(name, value);
    }));
    beast::error_code ec;
    impl_->stream.read_message_max(64U << 20U);
    impl_->stream.handshake(impl_->answer, target.authority(), target.path + "?" + target.query, ec);
}

WebSocketClient::~WebSocketClient() = default;

int WebSocketClient::status() const
{
    return static_cast<int>(impl_->answer.result_int());
}

std::string WebSocketClient::header(std::string_view name) const
{
    return std::string(impl_->answer[name]);
}

std::string WebSocketClient::body() const
{
    return impl_->answer.body();
}

void WebSocketClient::send(std::string_view message, bool binary)
{
    beast::error_code ec;
    impl_->stream.binary(binary);
    impl_->stream.write(asio::buffer(message), ec);
}

std::optional<std::string> WebSocketClient::read()
{
    beast::error_code ec;
    beast::flat_buffer buffer;
    impl_->stream.read(buffer, ec);
    if (ec)
        return std::nullopt;
    return beast::buffers_to_string(buffer.data());
}

int WebSocketClient::close_code() const
{
    return impl_->stream.reason().code;
}

std::string WebSocketClient::close_reason() const
{
    const auto& reason = impl_->stream.reason().reason;
    return {reason.data(), reason.size()};
}

} // namespace conduit::sim
