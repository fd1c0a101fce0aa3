// SPDX-License-Identifier: Apache-2.0
// A connected byte stream, plain or TLS, for one reader and one writer at a time. It remembers from the
// loop's events whether the socket may be ready: an operation makes a system call only then, and waits
// otherwise.
#pragma once

#include "agent/net/loop.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <sys/uio.h>

struct ssl_ctx_st; // OpenSSL's SSL_CTX

namespace conduit::agent {

enum class IoStatus : std::uint8_t { ok, eof, timeout, cancelled, failed };

struct IoResult {
    IoStatus status = IoStatus::ok;
    std::size_t bytes = 0;
    int error = 0; // errno when failed
    explicit operator bool() const { return status == IoStatus::ok; }
};

struct TlsSession; // kept between connections of one endpoint, so that a handshake is short
std::shared_ptr<TlsSession> make_tls_session();
// TLS 1.2 or later with this certificate chain and key (PEM files). With client_ca, clients without a
// certificate of that authority are refused.
Result<std::shared_ptr<ssl_ctx_st>> make_server_context(const std::string& certificate,
                                                        const std::string& key, const std::string& client_ca);

struct TlsSettings {
    std::string host;    // for SNI and verification
    std::string ca_file; // extra trust anchor
    std::shared_ptr<TlsSession> session;
};

class Stream final : public Timed, public Watched {
  public:
    // Takes over a connected socket.
    Stream(Loop& loop, int fd);
    ~Stream() override;

    struct Read {
        Stream& stream;
        char* data;
        std::size_t size;
        bool await_ready() { return stream.start_read(data, size); }
        void await_suspend(std::coroutine_handle<> handle) { stream.reader_ = handle; }
        IoResult await_resume() { return stream.read_result_; }
    };
    struct Write {
        Stream& stream;
        bool await_ready() { return stream.start_write(); }
        void await_suspend(std::coroutine_handle<> handle) { stream.writer_ = handle; }
        IoResult await_resume() { return stream.write_result_; }
    };
    // At least one byte, or eof.
    Read read(char* data, std::size_t size) { return {*this, data, size}; }
    // Until something can be read (or the peer closed); holds no buffer meanwhile.
    Read wait_readable() { return {*this, nullptr, 0}; }
    // All of it, gathered. The pieces must stay valid; at most k_max_pieces.
    static constexpr std::size_t k_max_pieces = 64;
    Write write(std::span<const std::string_view> pieces);
    Write write(std::string_view piece);

    static Task<std::unique_ptr<Stream>> connect(Loop& loop, Loop::Address address, SteadyTime deadline,
                                                 int& error);
    Task<Result<>> start_tls(TlsSettings settings);
    Task<Result<>> accept_tls(std::shared_ptr<ssl_ctx_st> context); // the server's side, until the deadline

    void set_deadline(SteadyTime deadline) { deadline_ = deadline; }
    void set_write_deadline(SteadyTime deadline) { write_deadline_ = deadline; }
    void cancel(); // both operations end with `cancelled`, now and later
    bool cancelled() const { return cancelled_; }
    void interrupt_read(); // the read in progress ends with `cancelled`; later ones are not affected
    bool reading() const { return static_cast<bool>(reader_); }
    void shutdown_send();
    void reset_on_close(); // RST instead of FIN: the peer must not take a cut answer for a whole one
    bool peer_closed();    // without waiting: has the peer closed, or sent bytes nobody asked for?
    bool peer_gone() const
    {
        return ended_;
    } // without waiting: has the peer closed? Unread bytes do not count.
    bool readable_now();
    std::string peer() const;
    std::uint64_t bytes_in() const { return bytes_in_; }
    std::uint64_t bytes_out() const { return bytes_out_; }

    struct Impl;

  private:
    Task<Result<>> shake_hands(std::string what);
    Task<void> let_alert_arrive();
    void on_tick(SteadyTime now) override;
    void on_events(std::uint32_t events) override;
    bool start_read(char* data, std::size_t size); // true: read_result_ holds the end of it
    bool start_write();
    bool step_read();
    bool step_write();
    bool step_write_tls();
    bool finish_connect();
    void end_read(IoStatus status, int error = 0); // of the waiting reader, soon
    void end_write(IoStatus status, int error = 0);
    void advance(std::size_t sent);

    std::unique_ptr<Impl> impl_;
    std::coroutine_handle<> reader_, writer_; // null: nobody waits
    char* read_into_ = nullptr;
    std::size_t read_size_ = 0;
    IoResult read_result_, write_result_;
    iovec pieces_[k_max_pieces];
    std::size_t piece_first_ = 0, piece_count_ = 0;
    SteadyTime deadline_ = SteadyTime::max();
    SteadyTime write_deadline_ = SteadyTime::max();
    bool readable_ = true, writable_ = true; // as far as is known: false means that an event will tell
    bool ended_ = false;                     // the peer sends no more
    bool connecting_ = false, cancelled_ = false;
    std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
};

} // namespace conduit::agent
