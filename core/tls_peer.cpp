// SPDX-License-Identifier: Apache-2.0
#include "core/tls_peer.hpp"

#include "core/fs.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <memory>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

namespace conduit {
namespace {

template <auto Free> struct Freed {
    template <class T> void operator()(T* value) const { Free(value); }
};
using Addresses = std::unique_ptr<addrinfo, Freed<::freeaddrinfo>>;
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Session = std::unique_ptr<SSL, Freed<SSL_free>>;
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;

std::string place(const TlsEndpoint& endpoint)
{
    return fmt::format("{}:{}", endpoint.host, endpoint.port);
}

bool wait_for(int fd, short events, Deadline deadline)
{
    pollfd one{.fd = fd, .events = events, .revents = 0};
    const auto left = std::clamp<std::int64_t>(deadline.left().count(), 0, 60'000);
    return ::poll(&one, 1, static_cast<int>(left)) > 0;
}

Result<UniqueFd> connect_to(const TlsEndpoint& endpoint, Deadline deadline)
{
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (const int error = ::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &found);
        error != 0)
        return Error{ErrorKind::unreachable, fmt::format("{} has no address", place(endpoint))}.with_cause(
            ::gai_strerror(error));
    const Addresses addresses(found);
    for (const auto* one = found; one != nullptr; one = one->ai_next) {
        UniqueFd fd(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!fd)
            continue;
        int wrong = 0;
        socklen_t size = sizeof wrong;
        if (::connect(fd.get(), one->ai_addr, one->ai_addrlen) != 0 &&
            (errno != EINPROGRESS || !wait_for(fd.get(), POLLOUT, deadline) ||
             ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &wrong, &size) != 0 || wrong != 0))
            continue;
        return fd;
    }
    return fail(ErrorKind::unreachable, fmt::format("nobody listens at {}", place(endpoint)),
                "Check the host and the port.");
}

Result<> greet(SSL* session, int fd, const TlsEndpoint& endpoint, Deadline deadline)
{
    for (;;) {
        ERR_clear_error();
        const int done = SSL_connect(session);
        if (done == 1)
            return {};
        const int wants = SSL_get_error(session, done);
        const bool waits = wants == SSL_ERROR_WANT_READ || wants == SSL_ERROR_WANT_WRITE;
        // The server may want a certificate of ours after it has shown its own.
        if (!waits && SSL_get0_peer_certificate(session) != nullptr)
            return {};
        if (!waits)
            return fail(ErrorKind::failed, fmt::format("{} speaks no TLS", place(endpoint)));
        if (!wait_for(fd, wants == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline))
            return fail(ErrorKind::unreachable, fmt::format("{} did not answer in time", place(endpoint)));
    }
}

} // namespace

Result<std::vector<CertificateInfo>> served_certificates(const TlsEndpoint& endpoint, Deadline deadline)
{
    TRY_ASSIGN(const auto fd, connect_to(endpoint, deadline));
    const Context context(SSL_CTX_new(TLS_client_method()));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr); // an expired one is what we came to see
    const Session session(SSL_new(context.get()));
    const auto& name = endpoint.server_name.empty() ? endpoint.host : endpoint.server_name;
    const bool address = name.find_first_not_of("0123456789.:") == std::string::npos;
    if (!address)
        SSL_ctrl(session.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
                 const_cast<char*>(name.c_str())); // NOLINT: it is only read
    SSL_set_fd(session.get(), fd.get());
    TRY(greet(session.get(), fd.get(), endpoint, deadline));
    const Bio pem(BIO_new(BIO_s_mem()));
    auto* chain = SSL_get_peer_cert_chain(session.get());
    for (int i = 0; chain != nullptr && i < sk_X509_num(chain); ++i)
        PEM_write_bio_X509(pem.get(), sk_X509_value(chain, i));
    char* data = nullptr;
    const auto size = BIO_get_mem_data(pem.get(), &data); // NOLINT: OpenSSL's macro casts
    if (size <= 0)
        return fail(ErrorKind::failed, fmt::format("{} shows no certificate", place(endpoint)));
    return read_certificates({data, static_cast<std::size_t>(size)});
}

} // namespace conduit
