// SPDX-License-Identifier: Apache-2.0
// Boost.Beast. Messages go out as one frame each: the servers' library takes a fragment for a message.
#include "core/kube/web_socket.hpp"

#include "core/kube/tls.hpp"
#include "core/text.hpp"
#include "core/url.hpp"

#include <algorithm>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl.hpp>
#include <boost/beast/websocket.hpp>
#include <boost/beast/websocket/ssl.hpp>
#include <deque>
#include <fmt/format.h>
#include <map>
#include <netinet/tcp.h>

namespace conduit::kube {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using Tcp = asio::ip::tcp;
using Code = beast::error_code;
using Done = std::function<void(Code)>;

constexpr Duration k_tick{50};
constexpr Duration k_goodbye{1'000};
constexpr Duration k_ping_after{10'000};
constexpr Duration k_dead_after{40'000};
constexpr std::size_t k_max_message = 4U << 20U; // servers send pieces of 32 KiB
constexpr std::size_t k_write_buffer = 64U << 10U;
constexpr std::size_t k_max_refusal = 1U << 20U;

class Loop : public WebSocket {
  public:
    explicit Loop(std::string server, const Cancel& cancel) : server_(std::move(server)), cancel_(cancel) {}
    ~Loop() override
    {
        for (auto& [fd, descriptor] : descriptors_)
            descriptor->release(); // they are the caller's
    }
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    const std::string& protocol() const override { return protocol_; }
    const std::string& server() const override { return server_; }
    std::size_t queued() const override { return queued_; }

    void send(std::string message) override
    {
        queued_ += message.size();
        out_.push_back(std::move(message));
        write_next();
    }

    void pause(bool paused) override
    {
        paused_ = paused;
        read_next();
    }

    void when_readable(int socket, std::function<void()> then) override
    {
        wait(socket, asio::posix::stream_descriptor::wait_read, std::move(then));
    }

    void when_writable(int socket, std::function<void()> then) override
    {
        wait(socket, asio::posix::stream_descriptor::wait_write, std::move(then));
    }

    void post(std::function<void()> task) override { asio::post(io_, std::move(task)); }

    void stop() override
    {
        if (stopping_ || ended_)
            return;
        stopping_ = true;
        give_up_ = Deadline(k_goodbye);
        async_close([this](Code) { ended_ = true; });
    }

    Result<> run(SocketEvents events) override
    {
        events_ = std::move(events);
        running_ = true;
        const auto work = asio::make_work_guard(io_);
        heard_ = asked_ = std::chrono::steady_clock::now();
        read_next();
        write_next();
        auto next = std::chrono::steady_clock::now();
        while (!ended_ && !(stopping_ && give_up_.passed())) {
            io_.run_one_for(k_tick);
            if (const auto now = std::chrono::steady_clock::now(); now >= next) {
                next = now + k_tick;
                events_.tick();
                look_for_life(now);
            }
        }
        ended_ = true;
        Code ignored;
        lowest().close(ignored);
        for (auto& [fd, descriptor] : descriptors_)
            descriptor->cancel(ignored);
        io_.restart();
        io_.poll(); // what was cut off says so, to nobody
        return fault_;
    }

    // Until the operation that `start` begins is done. After the deadline or a stop the connection is cut.
    template <class Start> Code wait_for(const Start& start, Deadline deadline)
    {
        std::optional<Code> done;
        start([&done](Code code, auto&&...) { done = code; });
        bool cut = false;
        while (!done) {
            io_.restart();
            io_.run_one_for(k_tick);
            if (!cut && (deadline.passed() || cancel_.requested())) {
                cut = true;
                Code ignored;
                lowest().close(ignored);
            }
        }
        io_.restart();
        return cut ? asio::error::timed_out : *done;
    }

  protected:
    virtual Tcp::socket& lowest() = 0;
    virtual void async_read(beast::flat_buffer& buffer, Done done) = 0;
    virtual void async_write(const std::string& message, Done done) = 0;
    virtual void async_ping(Done done) = 0;
    virtual void async_close(Done done) = 0;

    void heard() { heard_ = std::chrono::steady_clock::now(); }

    asio::io_context io_{1};
    std::string protocol_;
    beast::flat_buffer buffer_;

  private:
    using Descriptor = asio::posix::stream_descriptor;

    void wait(int socket, Descriptor::wait_type what, std::function<void()> then)
    {
        auto& descriptor = descriptors_[socket];
        if (!descriptor)
            descriptor = std::make_unique<Descriptor>(io_, socket);
        descriptor->async_wait(what, [this, then = std::move(then)](Code code) {
            if (!code && !ended_)
                then();
        });
    }

    void read_next()
    {
        if (!running_ || paused_ || reading_ || ended_)
            return;
        reading_ = true;
        async_read(buffer_, [this](Code code) {
            reading_ = false;
            if (code)
                return end(code);
            heard();
            const auto data = buffer_.cdata();
            if (!stopping_)
                events_.message({static_cast<const char*>(data.data()), data.size()});
            buffer_.consume(buffer_.size());
            read_next();
        });
    }

    void write_next()
    {
        if (!running_ || writing_ || ended_ || out_.empty())
            return;
        writing_ = true;
        async_write(out_.front(), [this](Code code) {
            writing_ = false;
            if (code)
                return end(code);
            sent_ = std::chrono::steady_clock::now();
            queued_ -= out_.front().size();
            out_.pop_front();
            if (out_.empty() && !stopping_)
                events_.drained();
            write_next();
        });
    }

    // A server that holds what we sent, because the program there does not take it, reads no pings either;
    // then TCP alone knows whether it lives.
    void look_for_life(SteadyTime now)
    {
        const bool may_be_deaf = sent_ > heard_ || writing_ || paused_;
        if (!may_be_deaf && now - heard_ > k_dead_after) {
            fault_ = fail(ErrorKind::unknown,
                          fmt::format("the API server {} no longer answers on this stream", server_));
            ended_ = true;
        } else if (!pinging_ && now - std::max(heard_, asked_) > k_ping_after) {
            pinging_ = true;
            asked_ = now;
            async_ping([this](Code) { pinging_ = false; });
        }
    }

    void end(Code code)
    {
        if (code != websocket::error::closed && !stopping_ && !ended_)
            fault_ =
                Error{ErrorKind::unknown, fmt::format("the stream through {} broke", server_)}.with_cause(
                    code.message());
        ended_ = true;
    }

    const std::string server_;
    const Cancel& cancel_;
    SocketEvents events_;
    std::deque<std::string> out_;
    std::size_t queued_ = 0;
    bool running_ = false, paused_ = false, reading_ = false, writing_ = false, pinging_ = false;
    bool stopping_ = false, ended_ = false;
    Deadline give_up_ = Deadline::never();
    SteadyTime heard_{}, asked_{}, sent_{};
    std::map<int, std::unique_ptr<Descriptor>> descriptors_;
    Result<> fault_;
};

struct Target {
    Url url;
    std::string name; // that the certificate must have
    std::optional<Url> proxy;
    const Identity& identity;
    const Upgrade& upgrade;
    Deadline deadline;
};

Error unreached(const Access& access, std::string why)
{
    return Error{ErrorKind::unreachable, fmt::format("cannot reach the API server {}", access.cluster.server)}
        .with_cause(std::move(why));
}

Result<> connect_tcp(Loop& loop, asio::io_context& io, Tcp::socket& socket, const Target& to)
{
    const auto& end = to.proxy ? *to.proxy : to.url;
    Tcp::resolver resolver(io);
    Tcp::resolver::results_type found;
    const auto resolving = [&](auto done) {
        resolver.async_resolve(end.host, std::to_string(end.port),
                               [&found, done](Code code, auto results) mutable {
                                   found = std::move(results);
                                   done(code);
                               });
    };
    if (const auto code = loop.wait_for(resolving, to.deadline))
        return fail(ErrorKind::unreachable, fmt::format("cannot resolve {}: {}", end.host, code.message()));
    const auto connecting = [&](auto done) { asio::async_connect(socket, found, done); };
    if (const auto code = loop.wait_for(connecting, to.deadline))
        return fail(ErrorKind::unreachable, code.message());
    Code ignored;
    socket.set_option(Tcp::no_delay(true), ignored);
    socket.set_option(asio::socket_base::keep_alive(true), ignored);
    socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPIDLE>(15), ignored);
    socket.set_option(asio::detail::socket_option::integer<IPPROTO_TCP, TCP_KEEPINTVL>(5), ignored);
    if (!to.proxy)
        return {};
    const auto address = fmt::format("{}:{}", to.url.host, to.url.port);
    http::request<http::empty_body> request{http::verb::connect, address, 11};
    request.set(http::field::host, address);
    http::response_parser<http::empty_body> answer;
    answer.skip(true);
    beast::flat_buffer buffer;
    const auto asking = [&](auto done) { http::async_write(socket, request, done); };
    const auto hearing = [&](auto done) { http::async_read_header(socket, buffer, answer, done); };
    auto code = loop.wait_for(asking, to.deadline);
    if (!code)
        code = loop.wait_for(hearing, to.deadline);
    if (code || answer.get().result() != http::status::ok)
        return fail(ErrorKind::unreachable,
                    code ? "the proxy: " + code.message()
                         : fmt::format("the proxy answers HTTP {}", answer.get().result_int()));
    return {};
}

Result<asio::ssl::context> tls_context(const Access& access, const Target& to)
{
    asio::ssl::context context(asio::ssl::context::tls_client);
    auto* native = context.native_handle();
    SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
    if (to.identity.certificate.set()) {
        TRY_ASSIGN(const auto chain, read_chain(to.identity));
        SSL_CTX_use_certificate(native, chain.own.get());
        SSL_CTX_use_PrivateKey(native, chain.key.get());
        for (const auto& other : chain.others)
            SSL_CTX_add1_chain_cert(native, other.get());
    }
    Code code;
    if (access.cluster.insecure) {
        context.set_verify_mode(asio::ssl::verify_none, code);
        return context;
    }
    if (access.cluster.ca.set()) {
        TRY_ASSIGN(auto store, read_store(access.cluster.ca));
        SSL_CTX_set_cert_store(native, store.release());
    } else {
        context.set_default_verify_paths(code);
    }
    context.set_verify_mode(asio::ssl::verify_peer, code);
    context.set_verify_callback(asio::ssl::host_name_verification(to.name), code);
    return context;
}

Answer refusal_of(const websocket::response_type& response)
{
    Answer answer{.status = static_cast<int>(response.result_int()), .headers = {}, .body = response.body()};
    for (const auto& field : response)
        answer.headers.emplace_back(to_lower(std::string_view(field.name_string())),
                                    std::string(field.value()));
    if (answer.body.size() > k_max_refusal)
        answer.body.resize(k_max_refusal);
    return answer;
}

template <class Next> class Link final : public Loop {
  public:
    template <class... More>
    Link(const Access& access, const Cancel& cancel, More&... more)
        : Loop(access.cluster.server, cancel), ws_(io_, more...)
    {
    }

    Result<Opened> open(const Access& access, const Target& to, std::unique_ptr<WebSocket> self)
    {
        if (auto joined = connect_tcp(*this, io_, lowest(), to); !joined)
            return unreached(access, joined.error().message);
        TRY(shake_tls(access, to));
        prepare(to);
        websocket::response_type response;
        const auto path = to.url.path + to.upgrade.path;
        const auto shaking = [&](auto done) {
            ws_.async_handshake(response, to.url.authority(), path, std::move(done));
        };
        const auto code = wait_for(shaking, to.deadline);
        if (code == websocket::error::upgrade_declined)
            return Opened{nullptr, refusal_of(response)};
        if (code)
            return Error{ErrorKind::unknown,
                         fmt::format("the API server {} did not answer the request for a stream", server())}
                .with_cause(code.message());
        protocol_ = response[http::field::sec_websocket_protocol];
        return Opened{std::move(self), {}};
    }

  protected:
    Tcp::socket& lowest() override { return beast::get_lowest_layer(ws_); }
    void async_read(beast::flat_buffer& buffer, Done done) override
    {
        ws_.async_read(buffer, [done = std::move(done)](Code code, std::size_t) { done(code); });
    }
    void async_write(const std::string& message, Done done) override
    {
        ws_.async_write(asio::buffer(message),
                        [done = std::move(done)](Code code, std::size_t) { done(code); });
    }
    void async_ping(Done done) override { ws_.async_ping({}, std::move(done)); }
    void async_close(Done done) override { ws_.async_close(websocket::close_code::normal, std::move(done)); }

  private:
    static constexpr bool k_tls = !std::is_same_v<Next, Tcp::socket>;

    Result<> shake_tls(const Access& access, const Target& to)
    {
        if constexpr (k_tls) {
            auto& tls = ws_.next_layer();
            if (Code bad; asio::ip::make_address(to.name, bad).is_unspecified() && bad)
                SSL_ctrl(tls.native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                         const_cast<char*>(to.name.c_str())); // NOLINT: OpenSSL does not write it
            const auto shaking = [&](auto done) {
                tls.async_handshake(asio::ssl::stream_base::client, std::move(done));
            };
            if (const auto code = wait_for(shaking, to.deadline))
                return unreached(access, code.message());
        }
        return {};
    }

    void prepare(const Target& to)
    {
        ws_.auto_fragment(false);
        ws_.binary(true);
        ws_.write_buffer_bytes(k_write_buffer);
        ws_.read_message_max(k_max_message);
        ws_.control_callback([this](websocket::frame_type, beast::string_view) { heard(); });
        ws_.set_option(websocket::stream_base::decorator([&to](websocket::request_type& request) {
            for (const auto& [name, value] : to.identity.headers)
                request.insert(name, value);
            request.set(http::field::user_agent, "conduitctl/" CONDUIT_VERSION);
            request.set(http::field::sec_websocket_protocol, join(to.upgrade.protocols, ", "));
        }));
    }

    websocket::stream<Next> ws_;
};

template <class Next, class... More>
Result<Opened> open_link(const Access& access, const Target& to, const Cancel& cancel, More&... more)
{
    auto link = std::make_unique<Link<Next>>(access, cancel, more...);
    auto& ref = *link;
    return ref.open(access, to, std::move(link));
}

} // namespace

Result<Opened> open_web_socket(const Access& access, const Identity& identity, const Upgrade& upgrade,
                               const Cancel& cancel, Deadline deadline)
{
    auto url = parse_url(access.cluster.server);
    if (!url)
        return fail(ErrorKind::usage, fmt::format("the cluster's server is no URL: {}", url.error().message));
    Target to{*url, access.cluster.tls_server_name, {}, identity, upgrade, deadline};
    if (to.name.empty())
        to.name = url->host;
    if (!access.cluster.proxy_url.empty()) {
        const auto proxy = parse_url(access.cluster.proxy_url);
        if (!proxy || proxy->scheme != "http")
            return fail(ErrorKind::usage, fmt::format("proxy-url '{}' is not http://HOST:PORT",
                                                      printable(access.cluster.proxy_url)));
        to.proxy = *proxy;
    }
    if (!url->tls())
        return open_link<Tcp::socket>(access, to, cancel);
    TRY_ASSIGN(auto context, tls_context(access, to));
    return open_link<beast::ssl_stream<Tcp::socket>>(access, to, cancel, context);
}

} // namespace conduit::kube
