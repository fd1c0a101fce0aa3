// SPDX-License-Identifier: Apache-2.0
// One adapter a provider kind: translates the OpenAI-compatible request to the provider's wire format and
// back. Pure functions of request and configuration: no sockets, no clock, no allocation of connections.
#pragma once

#include "agent/config/config.hpp"
#include "agent/health/health.hpp"
#include "agent/safety/safety.hpp"
#include "core/clock.hpp"
#include "core/http.hpp"
#include "core/url.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::agent {

struct SpeechParams {
    std::string model, input, voice, instructions;
    std::string format = "mp3"; // mp3 opus aac flac wav pcm
    double speed = 1.0;
    std::string stream_format = "audio"; // or sse
    std::string raw_json;                // the client's body, for adapters that pass it on
};

struct TranscriptionParams { // also translations
    std::string model, language, prompt, temperature;
    std::string response_format = "json"; // json text srt verbose_json vtt diarized_json
    std::vector<std::string> granularities;
    bool stream = false;
    std::string filename;
    AudioInfo audio; // from the file part's first bytes
    // Multipart as received, for adapters that pass it on:
    std::string boundary;
    bool complete = false; // every field was seen before the choice (small body), else `file` came first
    std::uint64_t upload_bytes = 0; // Content-Length of the upload; 0: not known
};

struct ChatParams {
    std::string model;
    std::string raw_json; // the client's body
};

struct ClientRequest {
    Operation operation = Operation::transcription;
    SpeechParams speech;
    TranscriptionParams stt;
    ChatParams chat;
};

enum class Transport : std::uint8_t { http, websocket };

struct UpstreamRequest {
    Transport transport = Transport::http;
    Url url; // scheme, host, port, path, query
    std::string method = "POST";
    HeaderList headers; // complete, credentials included; no Host, Content-Length or Transfer-Encoding
    std::optional<std::string> body; // set: the whole body. Not set: the upload goes through `encoder`
};

// Turns the upload into the provider's body, piece by piece. `raw` is the multipart body as received;
// `audio` only the bytes of its file part.
class BodyEncoder {
  public:
    virtual ~BodyEncoder() = default;
    enum class Input : std::uint8_t { raw, audio };
    virtual Input input() const = 0;
    virtual std::string begin() { return {}; } // bytes before the first piece
    virtual void feed(std::string_view piece, std::string& out) = 0;
    // params are complete now, also those that came after the file.
    virtual void finish(const TranscriptionParams& params, std::string& out) = 0;
    // websocket transport: `out` may hold several messages, each is one binary WebSocket message. The length
    // of the first one (never 0 for non-empty `out`).
    virtual std::size_t message_length(std::string_view out) const { return out.size(); }
    // Feed at most this much at once on the websocket transport: a message follows its audio without delay.
    virtual std::size_t max_message() const { return 32768; }
};

struct ResponseHead {
    int status = 0;
    HeaderList headers; // lower-case names
};

// What the client gets. Pass-through adapters return no decoder: bytes flow unchanged under `content_type`.
class ResponseDecoder {
  public:
    virtual ~ResponseDecoder() = default;
    // An error: the stream is broken. When it carries details["exception"] (the provider's own error name),
    // stream_failure() turns it into what classify() takes.
    virtual Result<> feed(std::string_view piece, std::string& out) = 0;
    virtual Result<> finish(std::string& out) = 0;
    virtual std::string content_type() const = 0;
    virtual bool streams() const = 0; // false: nothing comes out before finish()
    virtual std::optional<double> audio_seconds() const { return std::nullopt; }
    virtual std::string text() const
    {
        return {};
    } // a transcription's text, for conversations and the cache's rule
};

struct Classified {
    Outcome outcome = Outcome::ok;
    Duration retry_after{0};
    std::string code;    // the provider's own ("rate_limit_exceeded", "ThrottlingException")
    std::string message; // safe to show: never text of a credential refusal
};

struct ProbeSpec { // a cheap authenticated call that is not billed
    UpstreamRequest request;
};

class Adapter {
  public:
    virtual ~Adapter() = default;
    // "" when it can; else why not ("aac is not offered by google"), and the router skips it.
    virtual std::string unsupported(const ProviderConfig& provider, const ClientRequest& request) const = 0;
    virtual Result<UpstreamRequest> build(const ProviderConfig& provider, const ClientRequest& request,
                                          WallTime now) const = 0;
    virtual std::unique_ptr<BodyEncoder>
    encoder(const ProviderConfig& provider,
            const ClientRequest& request) const = 0; // null: raw pass-through
    virtual std::unique_ptr<ResponseDecoder>
    decoder(const ProviderConfig& provider, const ClientRequest& request,
            const ResponseHead& head) const = 0; // null: pass-through
    // For every answer, with up to 64 KiB of its body when it is an error; for websocket transport with the
    // exception frame's payload and status 0.
    virtual Classified classify(const ResponseHead& head, std::string_view body) const = 0;
    // The handshake of a realtime session that is relayed frame by frame. refused: not offered.
    virtual Result<UpstreamRequest> realtime(const ProviderConfig& provider, std::string_view model,
                                             WallTime now) const = 0;
    virtual ProbeSpec probe(const ProviderConfig& provider, WallTime now) const = 0;
    // Cached, single-flight and conversation answers need to know what a success would look like.
    virtual std::vector<std::string> models(const ProviderConfig& provider) const = 0;
    virtual std::vector<std::string> voices(const ProviderConfig& provider) const = 0;
};

const Adapter& adapter_for(ProviderKind kind);

// A decoder's error, as head and body for classify(): details["exception"] becomes x-amzn-errortype,
// details["body"] the body, the status is 0.
struct StreamFailure {
    ResponseHead head;
    std::string body;
};
StreamFailure stream_failure(const Error& error);

// What a provider says about its limits (x-ratelimit-*); nothing where it is silent.
struct QuotaHeaders {
    std::optional<std::int64_t> limit_requests, remaining_requests, limit_tokens, remaining_tokens;
    std::optional<Duration> reset_requests, reset_tokens;
};
QuotaHeaders quota_from_headers(const ResponseHead& head);

// An error body in OpenAI's shape: {"error":{"message","type","param","code"}}.
std::string openai_error(std::string_view message, std::string_view type, std::string_view code,
                         std::string_view param = {});

} // namespace conduit::agent
