// SPDX-License-Identifier: Apache-2.0
#include "sim/server/session.hpp"

#include "core/text.hpp"
#include "sim/server/writer.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <charconv>

namespace conduit::sim {
namespace {

constexpr auto k_try = asio::as_tuple(k_await);
constexpr std::uint32_t k_max_header = 64U << 10U;
constexpr std::uint64_t k_max_body = 64U << 20U;
constexpr std::size_t k_max_bench = 1U << 30U;
using HeadParser = http::request_parser<http::empty_body>;

WireRequest wire_request(const http::request<http::empty_body>& head)
{
    WireRequest out;
    out.method = std::string(head.method_string());
    const std::string_view target{head.target().data(), head.target().size()};
    const auto mark = target.find('?');
    out.path = target.substr(0, mark);
    if (mark != std::string_view::npos)
        out.query = target.substr(mark + 1);
    for (const auto& field : head)
        out.headers.emplace_back(field.name_string(), field.value());
    return out;
}

// N of "/bench/N".
std::optional<std::size_t> bench_size(std::string_view target)
{
    constexpr std::string_view k_prefix = "/bench/";
    std::size_t size = 0;
    if (!target.starts_with(k_prefix))
        return std::nullopt;
    const auto* end = target.data() + target.size();
    const auto parsed = std::from_chars(target.data() + k_prefix.size(), end, size);
    if (parsed.ec != std::errc{} || (parsed.ptr != end && *parsed.ptr != '?') || size > k_max_bench)
        return std::nullopt;
    return size;
}

struct Wire { // one connection's reading side
    Socket& socket;
    beast::flat_buffer& buffer;
};

Task<bool> read_head(Wire wire, HeadParser& parser, std::atomic<std::uint64_t>* bytes)
{
    parser.header_limit(k_max_header);
    parser.body_limit(boost::none);
    auto [ec, size] = co_await http::async_read_header(wire.socket, wire.buffer, parser, k_try);
    if (bytes != nullptr)
        bytes->fetch_add(size, std::memory_order_relaxed);
    co_return !ec;
}

// A client that waits for "100 Continue" gets it.
Task<> invite_body(Wire wire, const http::request<http::empty_body>& head)
{
    const auto expect = head.find(http::field::expect);
    if (expect == head.end() || !iequals(std::string(expect->value()), "100-continue"))
        co_return;
    constexpr std::string_view k_continue = "HTTP/1.1 100 Continue\r\n\r\n";
    co_await asio::async_write(wire.socket, asio::buffer(k_continue), k_try);
}

// nullopt: the connection broke. Bodies beyond the limit are read to their end and come back empty.
struct Body {
    std::string bytes;
    bool too_large = false;
};

Task<std::optional<Body>> read_body(Wire wire, HeadParser& head, std::atomic<std::uint64_t>* bytes)
{
    http::request_parser<http::string_body> parser{std::move(head)};
    parser.body_limit(boost::none);
    Body out;
    const auto length = parser.content_length();
    if (length && *length <= k_max_body)
        parser.get().body().reserve(*length);
    while (!parser.is_done()) {
        auto [ec, size] = co_await http::async_read_some(wire.socket, wire.buffer, parser, k_try);
        if (bytes != nullptr)
            bytes->fetch_add(size, std::memory_order_relaxed);
        if (ec)
            co_return std::nullopt;
        if (parser.get().body().size() > k_max_body || out.too_large) {
            out.too_large = true;
            parser.get().body().clear();
        }
    }
    out.bytes = std::move(parser.get().body());
    co_return out;
}

Task<bool> discard_body(Wire wire, HeadParser& head)
{
    if (head.is_done())
        co_return true;
    http::request_parser<http::buffer_body> parser{std::move(head)};
    parser.body_limit(boost::none);
    std::vector<char> scratch(64U << 10U);
    while (!parser.is_done()) {
        parser.get().body().data = scratch.data();
        parser.get().body().size = scratch.size();
        auto [ec, size] = co_await http::async_read_some(wire.socket, wire.buffer, parser, k_try);
        if (ec && ec != http::error::need_buffer)
            co_return false;
    }
    co_return true;
}

// Returns when the client is gone.
Task<> hang(Socket& socket)
{
    char scratch[4096];
    for (;;) {
        auto [ec, size] = co_await socket.async_read_some(asio::buffer(scratch), k_try);
        if (ec)
            co_return;
    }
}

class InFlight {
  public:
    explicit InFlight(Counters& counters) : counters_(counters) { counters_.in_flight.fetch_add(1); }
    InFlight(const InFlight&) = delete;
    InFlight& operator=(const InFlight&) = delete;
    ~InFlight() { counters_.in_flight.fetch_sub(1); }

  private:
    Counters& counters_;
};

Task<bool> serve_bench(Wire wire, HeadParser& parser, std::size_t size)
{
    static const std::string k_filler(1U << 20U, 'x');
    const auto keep_alive = parser.get().keep_alive();
    co_await invite_body(wire, parser.get());
    const bool read = co_await discard_body(wire, parser);
    if (!read)
        co_return false;
    const auto head = "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nContent-Length: " +
                      std::to_string(size) + (keep_alive ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n");
    auto now = std::min(size, k_filler.size());
    const std::array<asio::const_buffer, 2> first{asio::buffer(head), asio::buffer(k_filler.data(), now)};
    auto [ec, sent] = co_await asio::async_write(wire.socket, first, k_try);
    for (std::size_t left = size - now; left > 0 && !ec; left -= now) {
        now = std::min(left, k_filler.size());
        std::tie(ec, sent) =
            co_await asio::async_write(wire.socket, asio::buffer(k_filler.data(), now), k_try);
    }
    co_return !ec && keep_alive;
}

WireResponse too_large(ProviderKind kind, const Route& route)
{
    return failure_answer(kind, route, 413);
}

// One request that is not for the bench. False: the connection has ended.
Task<bool> serve_one(Wire wire, HeadParser& parser, Provider& provider, std::optional<SocketGuard>& guard)
{
    auto& counters = provider.counters();
    const bool keep_alive = parser.get().keep_alive();
    const bool http11 = parser.get().version() >= 11;
    http::request<http::empty_body> head{parser.get()};
    auto request = wire_request(head);
    const auto route = find_route(provider.spec().kind, request);
    const InFlight in_flight{counters};
    provider.count_route(route);
    co_await invite_body(wire, head);
    auto body = co_await read_body(wire, parser, &counters.bytes_in);
    if (!body) {
        counters.aborted.fetch_add(1);
        co_return false;
    }
    request.body = std::move(body->bytes);
    const auto fault = provider.fault();
    const bool counted = route.kind == RouteClass::client && fault->fail_next > 0 && provider.take_failure();
    auto verdict =
        judge(*fault, provider.spec().kind, route, fault->error_rate > 0 ? provider.dice() : 1.0, counted);
    if (verdict.hang) {
        co_await hang(wire.socket);
        counters.aborted.fetch_add(1);
        co_return false;
    }
    if (fault->latency.count() > 0)
        co_await pause(fault->latency);
    if (verdict.reset) {
        counters.aborted.fetch_add(1);
        reset_socket(wire.socket);
        co_return false;
    }
    const auto now =
        std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
    const auto context = provider.context(now);
    auto response = answer(provider.spec().kind, route, request, context);
    provider.count_caller(response.caller);
    if (verdict.answer) {
        // The provider's ordinary headers, with the failure's own in front.
        auto headers = std::move(verdict.answer->headers);
        for (auto& header : response.headers) {
            const auto same = [&](const auto& one) { return iequals(one.first, header.first); };
            if (header.first.starts_with("x-") && std::ranges::none_of(headers, same))
                headers.push_back(std::move(header));
        }
        response = {verdict.answer->status, std::move(headers), std::move(verdict.answer->body), false, {}};
    } else if (body->too_large) {
        response = too_large(provider.spec().kind, route);
    }
    if (response.status == 101) {
        co_await serve_websocket(std::move(wire.socket), std::move(*guard), provider, std::move(head),
                                 std::move(request), context, std::move(response));
        co_return false;
    }
    const WriteOptions options{fault.get(), keep_alive, http11};
    const auto written = co_await write_response(wire.socket, response, options);
    counters.bytes_out.fetch_add(written.bytes, std::memory_order_relaxed);
    if (!written.complete)
        counters.aborted.fetch_add(1);
    co_return written.complete&& keep_alive;
}

} // namespace

Task<> pause(Duration duration)
{
    asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                               Executor>
        timer{co_await asio::this_coro::executor, duration};
    co_await timer.async_wait(k_try);
}

void reset_socket(Socket& socket)
{
    beast::error_code ec;
    socket.set_option(asio::socket_base::linger(true, 0), ec);
    socket.close(ec);
}

Task<> serve_provider(Socket socket, Provider& provider, SessionSettings settings)
{
    std::optional<SocketGuard> guard{std::in_place, provider, socket.native_handle()};
    beast::flat_buffer buffer;
    const Wire wire{socket, buffer};
    bool open = true;
    while (open) {
        HeadParser parser;
        const bool got = co_await read_head(wire, parser, &provider.counters().bytes_in);
        if (!got)
            break;
        std::optional<std::size_t> bench;
        if (settings.bench_route)
            bench = bench_size({parser.get().target().data(), parser.get().target().size()});
        if (bench)
            open = co_await serve_bench(wire, parser, *bench);
        else
            open = co_await serve_one(wire, parser, provider, guard);
    }
    guard.reset(); // before the descriptor can be somebody else's
}

Task<> serve_control(Socket socket, SimState& state)
{
    beast::flat_buffer buffer;
    const Wire wire{socket, buffer};
    for (;;) {
        HeadParser parser;
        const bool got = co_await read_head(wire, parser, nullptr);
        if (!got)
            co_return;
        const bool keep_alive = parser.get().keep_alive();
        const bool http11 = parser.get().version() >= 11;
        auto request = wire_request(parser.get());
        co_await invite_body(wire, parser.get());
        auto body = co_await read_body(wire, parser, nullptr);
        if (!body)
            co_return;
        request.body = std::move(body->bytes);
        const auto response = answer_control(request, state);
        const WriteOptions options{nullptr, keep_alive, http11};
        const auto written = co_await write_response(socket, response, options);
        if (!written.complete || !keep_alive)
            co_return;
    }
}

} // namespace conduit::sim
