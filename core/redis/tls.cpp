// SPDX-License-Identifier: Apache-2.0
// OpenSSL on the non-blocking socket. Certificates are read at every connection, so that a rotated one is
// taken.
#include "core/redis/socket.hpp"
#include "core/text.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

namespace conduit::redis {
namespace {

std::string openssl_reason()
{
    char text[256] = "no reason given";
    if (const unsigned long code = ERR_get_error(); code != 0)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return text;
}

Moved outcome(Connection::Socket& socket, int result)
{
    const int saved = errno;
    switch (SSL_get_error(socket.ssl.get(), result)) {
    case SSL_ERROR_WANT_READ:
        return {Moved::State::wait, 0, {}};
    case SSL_ERROR_WANT_WRITE:
        socket.wants_write = true;
        return {Moved::State::wait, 0, {}};
    case SSL_ERROR_ZERO_RETURN:
        return {Moved::State::ended, 0, "the server closed the connection"};
    case SSL_ERROR_SYSCALL:
        return {Moved::State::ended, 0,
                saved != 0 ? std::strerror(saved) : "the server closed the connection"};
    default:
        return {Moved::State::failed, 0, openssl_reason()};
    }
}

Result<> load_files(SSL_CTX* context, const Tls& tls)
{
    if (tls.ca.empty())
        SSL_CTX_set_default_verify_paths(context);
    else if (SSL_CTX_load_verify_locations(context, tls.ca.c_str(), nullptr) != 1)
        return fail(ErrorKind::usage, fmt::format("cannot read the authority {} of Redis' TLS: {}",
                                                  tls.ca.string(), openssl_reason()));
    if (tls.certificate.empty())
        return {};
    if (SSL_CTX_use_certificate_chain_file(context, tls.certificate.c_str()) != 1)
        return fail(ErrorKind::usage, fmt::format("cannot read the certificate {} for Redis: {}",
                                                  tls.certificate.string(), openssl_reason()));
    if (SSL_CTX_use_PrivateKey_file(context, tls.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(context) != 1)
        return fail(ErrorKind::usage,
                    fmt::format("the key {} does not fit the certificate {}: {}", tls.key.string(),
                                tls.certificate.string(), openssl_reason()));
    return {};
}

} // namespace

Result<> start_tls(Connection::Socket& socket, const Tls& tls, const std::string& host)
{
    ERR_clear_error();
    socket.context = std::shared_ptr<SSL_CTX>(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    if (!socket.context)
        return fail(ErrorKind::failed, "cannot set up TLS for Redis: " + openssl_reason());
    SSL_CTX_set_min_proto_version(socket.context.get(), TLS1_2_VERSION);
    SSL_CTX_set_mode(socket.context.get(),
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_verify(socket.context.get(), tls.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    TRY(load_files(socket.context.get(), tls));
    socket.ssl = std::shared_ptr<SSL>(SSL_new(socket.context.get()), SSL_free);
    SSL* ssl = socket.ssl.get();
    SSL_set_fd(ssl, socket.fd.get());
    SSL_set_connect_state(ssl);
    std::string name = tls.server_name.empty() ? host : tls.server_name;
    if (name.empty() && tls.verify)
        return fail(ErrorKind::usage, "TLS over a unix socket needs the name that the certificate is for",
                    "Add server_name: NAME to tls:.");
    if (!name.empty() && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) != 1) {
        SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data());
        if (SSL_set1_host(ssl, name.c_str()) != 1)
            return fail(ErrorKind::usage, fmt::format("'{}' is no name for a certificate", printable(name)));
    }
    return {};
}

Result<bool> tls_handshake(Connection::Socket& socket, const std::string& where)
{
    ERR_clear_error();
    errno = 0;
    socket.wants_write = false;
    const int result = SSL_do_handshake(socket.ssl.get());
    if (result == 1)
        return true;
    const auto moved = outcome(socket, result);
    if (moved.state == Moved::State::wait)
        return false;
    const long verdict = SSL_get_verify_result(socket.ssl.get());
    if (verdict != X509_V_OK)
        return fail(ErrorKind::auth,
                    fmt::format("the certificate of Redis at {} is not trusted: {}", where,
                                X509_verify_cert_error_string(verdict)),
                    "Look at tls: {ca, server_name}.");
    return fail(ErrorKind::unreachable, fmt::format("TLS with Redis at {} failed: {}", where, moved.reason));
}

Moved tls_send(Connection::Socket& socket, std::string_view bytes)
{
    ERR_clear_error();
    errno = 0;
    socket.wants_write = false;
    std::size_t sent = 0;
    if (const int result = SSL_write_ex(socket.ssl.get(), bytes.data(), bytes.size(), &sent); result != 1)
        return outcome(socket, result);
    return {Moved::State::ok, sent, {}};
}

Moved tls_receive(Connection::Socket& socket, std::span<char> into)
{
    ERR_clear_error();
    errno = 0;
    socket.wants_write = false;
    std::size_t got = 0;
    if (const int result = SSL_read_ex(socket.ssl.get(), into.data(), into.size(), &got); result != 1)
        return outcome(socket, result);
    return {Moved::State::ok, got, {}};
}

bool tls_has_pending(const Connection::Socket& socket)
{
    return socket.ssl && SSL_pending(socket.ssl.get()) > 0;
}

} // namespace conduit::redis
