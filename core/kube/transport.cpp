// SPDX-License-Identifier: Apache-2.0
// cpp-httplib, and OpenSSL where httplib takes its objects: a certificate in memory never touches the disk.
#include "core/kube/transport.hpp"

#include "core/kube/tls.hpp"
#include "core/text.hpp"
#include "core/url.hpp"

#include <algorithm>
#include <array>
#include <condition_variable>
#include <fmt/format.h>
#include <httplib.h>
#include <mutex>
#include <netdb.h>
#include <thread>

namespace conduit::kube {
namespace {

constexpr Duration k_connect_limit{10'000};
constexpr Duration k_look{50}; // how soon a stop is noticed
constexpr std::size_t k_max_body = 256U << 20U;
constexpr std::size_t k_max_idle = 16;

// httplib checks the name that it connects to; another name in the certificate needs the address told apart.
Result<std::string> address_of(const std::string& host)
{
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int error = ::getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0)
        return Error{ErrorKind::unreachable, fmt::format("cannot resolve {}", host)}.with_cause(
            ::gai_strerror(error));
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
    std::array<char, NI_MAXHOST> text{};
    ::getnameinfo(found->ai_addr, found->ai_addrlen, text.data(), text.size(), nullptr, 0, NI_NUMERICHOST);
    return std::string(text.data());
}

using Client = std::unique_ptr<httplib::ClientImpl>;

Result<> use_proxy(httplib::ClientImpl& client, const std::string& text)
{
    if (text.empty())
        return {};
    const auto proxy = parse_url(text);
    if (!proxy || proxy->scheme != "http")
        return fail(ErrorKind::usage, fmt::format("proxy-url '{}' is not http://HOST:PORT", printable(text)));
    client.set_proxy(proxy->host, proxy->port);
    return {};
}

Result<Client> open_client(const Access& access, const Url& url, const Identity& identity)
{
    if (!url.tls()) {
        auto plain = std::make_unique<httplib::ClientImpl>(url.host, url.port);
        TRY(use_proxy(*plain, access.cluster.proxy_url));
        return plain;
    }
    const auto& name = access.cluster.tls_server_name.empty() ? url.host : access.cluster.tls_server_name;
    std::unique_ptr<httplib::SSLClient> client;
    if (identity.certificate.set()) {
        TRY_ASSIGN(const auto chain, read_chain(identity));
        client = std::make_unique<httplib::SSLClient>(name, url.port, chain.own.get(), chain.key.get());
        for (const auto& other : chain.others)
            SSL_CTX_add1_chain_cert(client->ssl_context(), other.get());
    } else {
        client = std::make_unique<httplib::SSLClient>(name, url.port);
    }
    if (name != url.host) {
        TRY_ASSIGN(const auto address, address_of(url.host));
        client->set_hostname_addr_map({{name, address}});
    }
    if (access.cluster.insecure) {
        client->enable_server_certificate_verification(false);
    } else if (access.cluster.ca.set()) {
        TRY_ASSIGN(auto store, read_store(access.cluster.ca));
        client->set_ca_cert_store(store.release());
        // Without a path of ours httplib reads the system's authorities as well: they would be believed too,
        // and reading them costs more than the rest of a command. A folder that cannot be one adds nothing.
        client->set_ca_cert_path({}, "/dev/null");
    }
    SSL_CTX_set_min_proto_version(client->ssl_context(), TLS1_2_VERSION);
    TRY(use_proxy(*client, access.cluster.proxy_url));
    return client;
}

// Cuts the connection when the time is over or somebody wants to stop: httplib itself only knows limits for
// each read.
class Watch {
  public:
    Watch(httplib::ClientImpl& client, Deadline deadline, const Cancel* cancel, const Cancel* own)
        : thread_([this, &client, deadline, cancel, own](const std::stop_token& stop) {
              std::unique_lock lock(mutex_);
              while (!stop.stop_requested()) {
                  const bool wanted =
                      (cancel != nullptr && cancel->requested()) || (own != nullptr && own->requested());
                  if (wanted || deadline.passed()) {
                      client.stop();
                      return;
                  }
                  ended_.wait_for(lock, stop, std::min(k_look, deadline.left()), [] { return false; });
              }
          })
    {
    }

  private:
    std::mutex mutex_;
    std::condition_variable_any ended_;
    std::jthread thread_;
};

bool nothing_was_sent(httplib::Error error)
{
    switch (error) {
    case httplib::Error::Connection:
    case httplib::Error::ConnectionTimeout:
    case httplib::Error::SSLConnection:
    case httplib::Error::SSLLoadingCerts:
    case httplib::Error::SSLServerVerification:
        return true;
    default:
        return false;
    }
}

class HttpTransport final : public Transport {
  public:
    HttpTransport(const Access& access, std::unique_ptr<Credentials> credentials, const Cancel* cancel)
        : access_(access), credentials_(std::move(credentials)), cancel_(cancel)
    {
    }

    std::string server() const override { return access_.cluster.server; }

    Result<Answer> send(const Call& call, Deadline deadline) override
    {
        return perform(call, nullptr, deadline);
    }

    Result<Answer> stream(const Call& call, const OnPiece& piece, Deadline deadline) override
    {
        return perform(call, &piece, deadline);
    }

  private:
    struct Idle {
        Identity identity;
        Client client;
    };

    Result<Answer> perform(const Call& call, const OnPiece* piece, Deadline deadline)
    {
        auto answer = once(call, piece, deadline, false);
        if (answer && answer->status == 401)
            answer = once(call, piece, deadline, true);
        const bool refused = answer ? answer->status == 401 : answer.error().kind == ErrorKind::unknown;
        if (refused)
            TRY(check_certificate(deadline));
        return answer;
    }

    // A server says no more than "Unauthorized" of a certificate that has expired, or ends the connection.
    Result<> check_certificate(Deadline deadline) const
    {
        const auto identity = credentials_->get(false, deadline);
        const auto end = identity ? certificate_end(*identity) : std::nullopt;
        if (!end || *end > system_clock().now())
            return {};
        const auto user = access_.user.name.empty() ? std::string() : " of user " + access_.user.name;
        return fail(
            ErrorKind::auth,
            fmt::format("the client certificate{} in the kubeconfig expired at {}", user, format_time(*end)),
            "Get a new one (kubeadm certs renew, or log in again), and try again.");
    }

    Result<Answer> once(const Call& call, const OnPiece* piece, Deadline deadline, bool refused)
    {
        const auto url = parse_url(access_.cluster.server);
        if (!url)
            return fail(ErrorKind::usage,
                        fmt::format("the cluster's server is no URL: {}", url.error().message));
        TRY_ASSIGN(const auto identity, credentials_->get(refused, deadline));
        TRY_ASSIGN(auto client, take(*url, identity));
        auto answer = exchange(*client, *url, identity, call, piece, deadline);
        if (answer && (piece == nullptr || answer->status >= 300))
            give_back({identity, std::move(client)});
        return answer;
    }

    Result<Client> take(const Url& url, const Identity& identity)
    {
        {
            const std::lock_guard lock(mutex_);
            const auto same = [&](const Idle& idle) {
                return idle.identity.certificate == identity.certificate && idle.identity.key == identity.key;
            };
            if (const auto it = std::ranges::find_if(idle_, same); it != idle_.end()) {
                auto client = std::move(it->client);
                idle_.erase(it);
                return client;
            }
        }
        TRY_ASSIGN(auto client, open_client(access_, url, identity));
        client->set_keep_alive(true);
        client->set_tcp_nodelay(true);
        client->set_decompress(true);
        return client;
    }

    void give_back(Idle idle)
    {
        const std::lock_guard lock(mutex_);
        if (idle_.size() < k_max_idle)
            idle_.push_back(std::move(idle));
    }

    Result<Answer> exchange(httplib::ClientImpl& client, const Url& url, const Identity& identity,
                            const Call& call, const OnPiece* piece, Deadline deadline)
    {
        Answer answer;
        bool stopped = false, too_large = false;
        httplib::Request request;
        request.method = call.method;
        request.path = url.path + call.path;
        for (const auto& [name, value] : identity.headers)
            request.headers.emplace(name, value);
        request.headers.emplace("Host", url.authority());
        request.headers.emplace("Accept", call.accept);
        if (piece == nullptr) // a compressed stream comes in lumps
            request.headers.emplace("Accept-Encoding", "gzip");
        for (const auto& [name, value] : call.headers)
            request.headers.emplace(name, value);
        request.headers.emplace("User-Agent", "conduitctl/" CONDUIT_VERSION);
        if (!call.body.empty()) {
            request.body = call.body;
            request.headers.emplace("Content-Type", call.content_type);
        }
        request.response_handler = [&](const httplib::Response& head) {
            answer.status = head.status;
            for (const auto& [name, value] : head.headers)
                answer.headers.emplace_back(to_lower(name), value);
            if (call.on_sent)
                call.on_sent();
            return true;
        };
        request.content_receiver = [&](const char* data, std::size_t size, std::uint64_t, std::uint64_t) {
            if (piece != nullptr && answer.status < 300) {
                stopped = !(*piece)({data, size});
                return !stopped;
            }
            too_large = answer.body.size() + size > k_max_body;
            if (!too_large)
                answer.body.append(data, size);
            return !too_large;
        };
        const auto limit = std::max(Duration{1}, deadline.left());
        client.set_connection_timeout(std::min(limit, k_connect_limit));
        client.set_read_timeout(limit);
        client.set_write_timeout(limit);
        const Watch watch(client, deadline, call.finish ? nullptr : cancel_, call.stop);
        httplib::Response response;
        httplib::Error error = httplib::Error::Success;
        const bool done = client.send(request, response, error);
        if (done || stopped)
            return answer;
        if (piece != nullptr && answer.status != 0 && answer.status < 300) {
            answer.whole = false; // to one that follows, an end like another
            return answer;
        }
        if (too_large)
            return fail(ErrorKind::failed,
                        fmt::format("the answer of {} is larger than {} MiB", server(), k_max_body >> 20U));
        return failure(call, error, deadline);
    }

    Error failure(const Call& call, httplib::Error error, Deadline deadline) const
    {
        if (cancel_ != nullptr && cancel_->requested() && !call.finish)
            return {ErrorKind::interrupted, fmt::format("interrupted while talking to {}", server())};
        if (nothing_was_sent(error)) {
            Error out{ErrorKind::unreachable, fmt::format("cannot reach the API server {}", server())};
            return std::move(out).with_cause(httplib::to_string(error));
        }
        if (call.on_sent)
            call.on_sent();
        return Error{ErrorKind::unknown, fmt::format("no whole answer from the API server {}{}", server(),
                                                     deadline.passed() ? " in time" : "")}
            .with_cause(httplib::to_string(error));
    }

    const Access access_;
    const std::unique_ptr<Credentials> credentials_;
    const Cancel* const cancel_;
    std::mutex mutex_;
    std::vector<Idle> idle_;
};

} // namespace

std::unique_ptr<Transport> make_transport(const Access& access, std::unique_ptr<Credentials> credentials,
                                          const Cancel* cancel)
{
    return std::make_unique<HttpTransport>(access, std::move(credentials), cancel);
}

} // namespace conduit::kube
