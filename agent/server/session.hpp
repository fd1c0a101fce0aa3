// SPDX-License-Identifier: Apache-2.0
// One client connection: heads in, requests served one after another.
#pragma once

#include "agent/server/call.hpp"

namespace conduit::agent {

struct AdminRequest;

// What the sessions need from the server around them.
class SessionHost {
  public:
    virtual ~SessionHost() = default;
    // Runs the handler on an admin thread and resumes on the loop.
    virtual Task<void> answer_admin(Loop& loop, AnswerSink& sink, AdminRequest request) = 0;
};

class ClientSession {
  public:
    ClientSession(Worker& worker, SessionHost& host, int fd);
    ~ClientSession();
    Task<bool> secure(std::shared_ptr<ssl_ctx_st> context); // before run(): TLS
    Task<void> run();
    void stop_when_idle(); // drain: an idle connection ends now, a busy one after its request
    bool idle() const { return idle_; }
    const Stream& stream() const { return stream_; }
    std::uint64_t requests() const { return requests_; }
    SteadyTime since() const { return since_; }

  private:
    friend class Shrink;
    enum class HeadResult : std::uint8_t { ok, closed, bad };
    Task<HeadResult> read_head();
    Task<HeadResult> wait_idle();
    Task<void> refuse_head(int status, std::string_view message, std::string_view code);
    Task<void> handle();
    Task<void> handle_model_route(Operation operation, bool conversation);
    Task<void> handle_realtime();
    Task<void> handle_admin();
    Task<void> handle_list(bool voices);
    Task<void> plain_refusal(Refusal refusal);
    void begin_call(ClientCall& call);
    std::string_view presented_key() const;
    const Sha256Digest& digest_of(std::string_view key);

    Worker& worker_;
    SessionHost& host_;
    Stream stream_;
    HttpParser parser_;
    ClientInput input_;
    ClientSink sink_;
    std::string last_key_; // a connection's requests mostly carry the same key: it is hashed once
    Sha256Digest last_digest_{};
    std::uint64_t requests_ = 0;
    SteadyTime since_ = std::chrono::steady_clock::now();
    bool idle_ = false, stopping_ = false, close_ = false;
};

// The WebSocket relay takes the connection over.
Task<void> relay_realtime(ClientCall& call, Stream& client, const HttpHead& head, ClientInput& input);
// Speech in, speech out: transcription, chat completion and speech one after another.
Task<void> serve_conversation(ClientCall& call, std::string content_type);

std::string list_models(const Config& config);
std::string list_voices(const Config& config);

} // namespace conduit::agent
