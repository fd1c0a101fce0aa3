// SPDX-License-Identifier: Apache-2.0
// A connected byte stream, plain or TLS, for one reader and one writer at a time. Operations try the system
// call first and wait only when the socket says so.
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
// TLS 1.2 or later with this certificate chain and key (PEM files).
Result<std::shared_ptr<ssl_ctx_st>> make_server_context(const std::string& certificate,
                                                        const std::string& key);

struct TlsSettings {
    std::string host;    // for SNI and verification
    std::string ca_file; // extra trust anchor
    std::shared_ptr<TlsSession> session;
};

class Stream final : public Timed {
  public:
    // Takes over a connected socket.
    Stream(Loop& loop, int fd);
    ~Stream() override;

    struct Read {
        Stream& stream;
        char* data;
        std::size_t size;
        bool await_ready();
        void await_suspend(std::coroutine_handle<> handle);
        IoResult await_resume();
    };
    struct Write {
        Stream& stream;
        bool await_ready();
        void await_suspend(std::coroutine_handle<> handle);
        IoResult await_resume();
    };
    // At least one byte, or eof. `likely`: data is probably there already, so ask the socket before waiting.
    Read read(char* data, std::size_t size, bool likely = true);
    // Until something can be read (or the peer closed); holds no buffer meanwhile.
    Read wait_readable() { return read(nullptr, 0, false); }
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
    bool reading() const { return reading_; }
    void shutdown_send();
    void reset_on_close(); // RST instead of FIN: the peer must not take a cut answer for a whole one
    bool peer_closed();    // without waiting: has the peer closed, or sent bytes nobody asked for?
    bool peer_gone();      // without waiting: has the peer closed? Unread bytes do not count.
    bool readable_now();
    std::string peer() const;
    std::uint64_t bytes_in() const { return bytes_in_; }
    std::uint64_t bytes_out() const { return bytes_out_; }

    struct Impl;

  private:
    Task<Result<>> shake_hands(std::string what);
    friend struct Read;
    friend struct Write;
    void on_tick(SteadyTime now) override;
    bool try_read(char* data, std::size_t size); // false: would block
    bool try_write();
    bool try_write_tls();
    void wait_read(std::coroutine_handle<> handle, char* data, std::size_t size);
    void wait_write(std::coroutine_handle<> handle);
    void read_ready(std::coroutine_handle<> handle, char* data, std::size_t size);
    void advance(std::size_t sent);

    std::unique_ptr<Impl> impl_;
    IoResult read_result_, write_result_;
    iovec pieces_[k_max_pieces];
    std::size_t piece_first_ = 0, piece_count_ = 0;
    SteadyTime deadline_ = SteadyTime::max();
    SteadyTime write_deadline_ = SteadyTime::max();
    bool reading_ = false, writing_ = false;
    bool cancelled_ = false, read_interrupted_ = false;
    bool read_timed_out_ = false, write_timed_out_ = false;
    std::uint64_t bytes_in_ = 0, bytes_out_ = 0;
};

} // namespace conduit::agent
