// SPDX-License-Identifier: Apache-2.0
// TLS: OpenSSL on the non-blocking socket itself. Towards providers it always verifies.
#include "agent/net/stream_impl.hpp"

#include <array>
#include <cerrno>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

namespace conduit::agent {

namespace {

std::shared_ptr<SSL_CTX> make_context(const std::string& ca_file, std::string& fault)
{
    std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_client_method()), SSL_CTX_free);
    if (!context)
        return nullptr;
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_default_verify_paths(context.get()); // the hashed folder: read when needed
    if (!ca_file.empty() && SSL_CTX_load_verify_locations(context.get(), ca_file.c_str(), nullptr) != 1) {
        fault = "cannot read the certificates in " + ca_file;
        return nullptr;
    }
    return context;
}

IoResult tls_fault(Stream::Impl& impl, int result)
{
    const int saved_errno = errno;
    switch (SSL_get_error(impl.ssl.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return {};
    case SSL_ERROR_ZERO_RETURN:
        return {IoStatus::eof, 0, 0};
    case SSL_ERROR_SYSCALL:
        return {IoStatus::eof, 0, saved_errno != 0 ? saved_errno : ECONNRESET};
    default:
        return {IoStatus::failed, 0, EPROTO};
    }
}

std::string tls_reason(const Stream::Impl& impl)
{
    const long verdict = SSL_get_verify_result(impl.ssl.get());
    if (verdict != X509_V_OK)
        return X509_verify_cert_error_string(verdict);
    char text[256] = "connection closed";
    if (const unsigned long code = ERR_get_error(); code != 0)
        ERR_error_string_n(code, text, sizeof text);
    return text;
}

} // namespace

std::shared_ptr<TlsSession> make_tls_session()
{
    return std::make_shared<TlsSession>();
}

IoResult tls_read(Stream::Impl& impl, char* data, std::size_t size)
{
    ERR_clear_error();
    std::size_t got = 0;
    if (const int result = SSL_read_ex(impl.ssl.get(), data, size, &got); result != 1)
        return tls_fault(impl, result);
    if (!impl.session_saved && impl.session) { // tickets of TLS 1.3 come with the first data
        impl.session_saved = true;
        impl.session->last.reset(SSL_get1_session(impl.ssl.get()), SSL_SESSION_free);
    }
    return {IoStatus::ok, got, 0};
}

bool tls_has_data(Stream::Impl& impl)
{
    ERR_clear_error();
    char byte = 0;
    std::size_t got = 0;
    const int result = SSL_peek_ex(impl.ssl.get(), &byte, 1, &got);
    const int error = result == 1 ? SSL_ERROR_NONE : SSL_get_error(impl.ssl.get(), result);
    return error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE;
}

IoResult tls_write(Stream::Impl& impl, const char* data, std::size_t size)
{
    ERR_clear_error();
    std::size_t sent = 0;
    if (const int result = SSL_write_ex(impl.ssl.get(), data, size, &sent); result != 1)
        return tls_fault(impl, result);
    return {IoStatus::ok, sent, 0};
}

Task<Result<>> Stream::start_tls(TlsSettings settings)
{
    auto& contexts = loop_.impl().tls;
    std::string fault;
    if (!contexts.contains(settings.ca_file)) {
        auto context = make_context(settings.ca_file, fault);
        if (!context)
            co_return Error{ErrorKind::failed, fault.empty() ? "cannot set up TLS" : fault};
        contexts[settings.ca_file] = std::move(context);
    }
    impl_->ssl.reset(SSL_new(contexts[settings.ca_file].get()), SSL_free);
    SSL* ssl = impl_->ssl.get();
    SSL_set_fd(ssl, impl_->fd.get());
    SSL_set_connect_state(ssl);
    const bool is_address = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), settings.host.c_str()) == 1;
    if (!is_address) {
        SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, settings.host.data());
        SSL_set1_host(ssl, settings.host.c_str());
    }
    impl_->session = settings.session;
    if (settings.session && settings.session->last)
        SSL_set_session(ssl, settings.session->last.get());
    auto shaken = co_await shake_hands("TLS handshake with " + settings.host);
    co_return shaken;
}

Task<Result<>> Stream::shake_hands(std::string what)
{
    SSL* ssl = impl_->ssl.get();
    for (;;) {
        ERR_clear_error();
        const int result = SSL_do_handshake(ssl);
        if (result == 1)
            co_return Result<>{};
        const IoResult step = tls_fault(*impl_, result);
        if (step.status != IoStatus::ok)
            co_return Error{ErrorKind::unreachable, what + " failed: " + tls_reason(*impl_)};
        const IoResult waited = co_await wait_readable();
        if (!waited)
            co_return Error{ErrorKind::unreachable, what + " took too long"};
    }
}

Task<Result<>> Stream::accept_tls(std::shared_ptr<SSL_CTX> context)
{
    impl_->ssl.reset(SSL_new(context.get()), SSL_free);
    SSL* ssl = impl_->ssl.get();
    SSL_set_fd(ssl, impl_->fd.get());
    SSL_set_accept_state(ssl);
    auto shaken = co_await shake_hands("TLS handshake");
    if (!shaken)
        co_await let_alert_arrive();
    co_return shaken;
}

// A client of TLS 1.3 may already have sent its request when it is refused: closing on unread bytes would be
// a reset, and the alert that says why would be lost with it.
Task<void> Stream::let_alert_arrive()
{
    constexpr std::size_t most = 16;
    impl_->ssl.reset();
    ::shutdown(impl_->fd.get(), SHUT_WR);
    set_deadline(std::chrono::steady_clock::now() + 1s);
    std::array<char, 4096> thrown_away;
    for (std::size_t i = 0; i < most; ++i) {
        const IoResult got = co_await read(thrown_away.data(), thrown_away.size());
        if (!got)
            break;
    }
}

namespace {

Error file_error(std::string_view what, const std::string& file)
{
    char text[256] = "unknown reason";
    if (const unsigned long code = ERR_peek_last_error(); code != 0)
        ERR_error_string_n(code, text, sizeof text);
    ERR_clear_error();
    return {ErrorKind::usage,
            std::string("cannot use the ") + std::string(what) + " in " + file + ": " + text,
            "Give the PEM file of the certificate with its chain, and the PEM file of its key."};
}

} // namespace

Result<std::shared_ptr<SSL_CTX>> make_server_context(const std::string& certificate, const std::string& key,
                                                     const std::string& client_ca)
{
    std::shared_ptr<SSL_CTX> context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
    if (!context)
        return fail(ErrorKind::failed, "cannot set up TLS");
    SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context.get(), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    if (SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1)
        return file_error("certificate", certificate);
    if (SSL_CTX_use_PrivateKey_file(context.get(), key.c_str(), SSL_FILETYPE_PEM) != 1)
        return file_error("key", key);
    if (SSL_CTX_check_private_key(context.get()) != 1)
        return file_error("key (it is of another certificate)", key);
    if (client_ca.empty())
        return context;
    if (SSL_CTX_load_verify_locations(context.get(), client_ca.c_str(), nullptr) != 1)
        return file_error("client_ca", client_ca);
    SSL_CTX_set_client_CA_list(context.get(), SSL_load_client_CA_file(client_ca.c_str()));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    // A ticket stands for a verification: only for one made by a listener of this program.
    constexpr std::array<unsigned char, 7> k_context{'c', 'o', 'n', 'd', 'u', 'i', 't'};
    SSL_CTX_set_session_id_context(context.get(), k_context.data(), k_context.size());
    return context;
}

} // namespace conduit::agent
