// SPDX-License-Identifier: Apache-2.0
// Where an answer goes: to the client's connection, or into memory for in-process requests.
#pragma once

#include "agent/net/stream.hpp"
#include "core/http.hpp"

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace conduit::agent {

struct AnswerHead {
    int status = 200;
    std::string content_type = "application/json";
    std::optional<std::uint64_t> length; // not set: streamed
    HeaderList headers;                  // further ones, complete and safe
};

std::string_view reason_phrase(int status);

class AnswerSink {
  public:
    virtual ~AnswerSink() = default;
    // The head and what is there of the body, in one piece. `last`: nothing follows. False: the client is
    // gone.
    virtual Task<bool> begin(const AnswerHead& head, std::span<const std::string_view> pieces, bool last) = 0;
    virtual Task<bool> write(std::span<const std::string_view> pieces, bool last) = 0;
    // The body cannot be finished: the client must be able to see that.
    virtual void cut() = 0;
    bool begun() const { return begun_; }
    int status() const { return status_; }
    std::uint64_t bytes() const { return bytes_; }
    SteadyTime first_byte_at() const { return first_byte_at_; }

  protected:
    void note_begin(int status);
    bool begun_ = false;
    int status_ = 0;
    std::uint64_t bytes_ = 0; // of bodies
    SteadyTime first_byte_at_{};
};

class ClientSink final : public AnswerSink {
  public:
    struct Mode {
        bool keep_alive = true;
        bool http10 = false; // no chunks: the body ends with the connection
        bool head_only = false;
    };
    ClientSink(Stream& client, Duration write_timeout) : client_(client), write_timeout_(write_timeout) {}
    void reset(Mode mode);
    Task<bool> begin(const AnswerHead& head, std::span<const std::string_view> pieces, bool last) override;
    Task<bool> write(std::span<const std::string_view> pieces, bool last) override;
    void cut() override;
    bool keep_alive() const { return mode_.keep_alive; }
    void close_after() { mode_.keep_alive = false; }

  private:
    void append_head(const AnswerHead& head, std::uint64_t size, bool last);
    Task<bool> send(std::string_view head, std::span<const std::string_view> pieces, bool last);
    Stream& client_;
    Duration write_timeout_;
    Mode mode_;
    bool chunked_ = false;
    std::string head_; // reused
};

class MemorySink final : public AnswerSink {
  public:
    explicit MemorySink(std::size_t limit) : limit_(limit) {}
    Task<bool> begin(const AnswerHead& head, std::span<const std::string_view> pieces, bool last) override;
    Task<bool> write(std::span<const std::string_view> pieces, bool last) override;
    void cut() override { cut_ = true; }
    bool complete() const { return complete_ && !cut_; }
    const AnswerHead& head() const { return head_; }
    const std::string& body() const { return body_; }

  private:
    std::size_t limit_;
    AnswerHead head_;
    std::string body_;
    bool complete_ = false, cut_ = false;
};

} // namespace conduit::agent
