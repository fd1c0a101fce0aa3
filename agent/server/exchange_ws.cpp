// SPDX-License-Identifier: Apache-2.0
// One attempt over a WebSocket: the upload goes up as binary messages while the answers come down (AWS
// Transcribe streaming).
#include "agent/server/exchange.hpp"

#include "agent/net/websocket.hpp"
#include "core/text.hpp"

#include <cstring>
#include <fmt/format.h>

namespace conduit::agent {

namespace {

constexpr std::size_t k_max_message = 4U << 20U;
constexpr unsigned k_normal_close = 1000; // RFC 6455, 7.4.1

unsigned close_code(std::string_view payload)
{
    return static_cast<unsigned>(static_cast<unsigned char>(payload[0])) << 8U |
           static_cast<unsigned>(static_cast<unsigned char>(payload[1]));
}

struct WsExchange {
    ClientCall& call;
    const ProviderConfig& provider;
    const Adapter& adapter;
    UpstreamRequest& upstream;
    std::unique_ptr<BodyEncoder> encoder;
    std::unique_ptr<ResponseDecoder> decoder;
    std::unique_ptr<Upstream> connection;
    Attempt attempt;
    std::string received; // bytes of frames not taken yet
    std::string message;  // a message in pieces
    WsFrameReader frames{false};
    Buffer buffer;
    bool upload_failed = false;
    std::unique_ptr<Signal> uploaded;

    Task<bool> open();
    Task<bool> shake_hands();
    Task<bool> send_messages(std::string_view bytes);
    Task<void> send_upload();
    Task<void> upload_beside();
    Task<bool> next_message(WsOpcode& opcode);
    Task<bool> read_more();
    Task<void> receive();
    Task<void> run();
    void fail(std::string why) { attempt.message = std::move(why); }
};

Task<bool> WsExchange::open()
{
    const SteadyTime deadline = std::min(call.deadline, call.now() + provider.timeout);
    const PoolTarget target{provider, upstream.url};
    Pool::Acquired acquired = co_await call.worker.pool.open(target, deadline, true);
    if (!acquired.connection) {
        attempt.message = acquired.error;
        attempt.exhausted = acquired.exhausted;
        co_return false;
    }
    connection = std::move(acquired.connection);
    connection->stream->set_deadline(deadline);
    connection->stream->set_write_deadline(deadline);
    co_return true;
}

Task<bool> WsExchange::read_more()
{
    if (!buffer)
        buffer = call.worker.loop.buffer();
    const SteadyTime before = call.now();
    const IoResult got = co_await connection->stream->read(buffer.data(), Buffer::k_size);
    call.waited += call.now() - before;
    if (!got) {
        attempt.code = got.status == IoStatus::timeout ? "timeout" : "";
        fail(got.status == IoStatus::timeout ? "no answer in time" : "the connection was closed");
        co_return false;
    }
    received.append(buffer.data(), got.bytes);
    co_return true;
}

Task<bool> WsExchange::shake_hands()
{
    const std::string key = ws_new_key();
    upstream.method = "GET";
    upstream.headers.emplace_back("Connection", "Upgrade");
    upstream.headers.emplace_back("Upgrade", "websocket");
    upstream.headers.emplace_back("Sec-WebSocket-Version", "13");
    upstream.headers.emplace_back("Sec-WebSocket-Key", key);
    const std::string head = request_head(upstream, call, std::nullopt, false);
    const std::string_view view = head;
    const IoResult sent = co_await connection->stream->write(view);
    if (!sent) {
        fail("the connection was closed");
        co_return false;
    }
    connection->stream->set_deadline(std::min(call.deadline, call.now() + provider.first_byte_timeout));
    connection->parser.reset();
    for (;;) {
        const bool more = co_await read_more();
        if (!more)
            co_return false;
        const auto used = connection->parser.read_head(received);
        if (!used) {
            fail("the answer to the WebSocket handshake is malformed");
            co_return false;
        }
        if (*used == 0)
            continue;
        const HttpHead& answer = connection->parser.head();
        if (answer.status == 101 && answer.find("sec-websocket-accept") == ws_accept(key)) {
            received.erase(0, *used);
            co_return true;
        }
        ResponseHead seen;
        seen.status = answer.status;
        for (const HttpField& field : answer.fields)
            seen.headers.emplace_back(to_lower(field.name), std::string(field.value));
        const std::string body = received.substr(*used);
        const Classified verdict = adapter.classify(seen, body);
        attempt.status = seen.status;
        attempt.outcome = verdict.outcome == Outcome::ok ? Outcome::transient : verdict.outcome;
        attempt.retry_after = verdict.retry_after;
        attempt.code = verdict.code;
        fail(verdict.message.empty() ? "the WebSocket handshake was refused" : verdict.message);
        co_return false;
    }
}

Task<bool> WsExchange::send_messages(std::string_view bytes)
{
    while (!bytes.empty()) {
        // One event-stream frame is one message, however many frames the encoder gave at once.
        const std::size_t size = encoder->message_length(bytes);
        const std::string frame = ws_frame(WsOpcode::binary, bytes.substr(0, size), true);
        const std::string_view view = frame;
        const IoResult sent = co_await connection->stream->write(view);
        if (!sent)
            co_return false;
        bytes.remove_prefix(size);
    }
    co_return true;
}

Task<void> WsExchange::send_upload()
{
    std::string out = encoder->begin();
    encode_kept(call, *encoder, out);
    std::vector<std::string_view> raw, audio;
    for (;;) {
        const bool ended = call.upload->complete();
        if (ended)
            encoder->finish(call.request.stt, out);
        const bool sent = co_await send_messages(out);
        if (!sent || ended)
            co_return;
        out.clear();
        const UploadFault fault = co_await read_upload(call, raw, audio);
        if (fault != UploadFault::none) {
            attempt.refusal = upload_refusal(fault, call.config());
            upload_failed = true;
            connection->stream->cancel();
            co_return;
        }
        for (std::string_view piece : encoder->input() == BodyEncoder::Input::raw ? raw : audio)
            encoder->feed(piece, out);
    }
}

Task<void> WsExchange::upload_beside()
{
    co_await send_upload();
    uploaded->set();
}

// One whole message into `message`; pings are answered on the way once the upload has ended.
Task<bool> WsExchange::next_message(WsOpcode& opcode)
{
    message.clear();
    for (;;) {
        WsFrameHead head;
        WsFrameReader attempt_reader = frames;
        const auto used = attempt_reader.read(received, head);
        if (!used || head.length > k_max_message || message.size() + head.length > k_max_message) {
            fail("the provider broke the WebSocket protocol");
            co_return false;
        }
        if (*used == 0 || received.size() - *used < head.length) {
            const bool more = co_await read_more();
            if (!more)
                co_return false;
            continue;
        }
        frames = attempt_reader;
        const std::string_view payload = std::string_view(received).substr(*used, head.length);
        const std::size_t whole = *used + static_cast<std::size_t>(head.length);
        if (head.opcode == WsOpcode::ping || head.opcode == WsOpcode::pong) {
            received.erase(0, whole);
            continue;
        }
        if (head.opcode != WsOpcode::continuation)
            opcode = head.opcode;
        message.append(payload);
        received.erase(0, whole);
        if (head.fin)
            co_return true;
    }
}

Task<void> WsExchange::receive()
{
    ResponseHead seen;
    seen.status = 101;
    decoder = adapter.decoder(provider, call.request, seen);
    if (!decoder) {
        fail("the adapter cannot read WebSocket answers");
        co_return;
    }
    AnswerHead head;
    head.content_type = decoder->content_type();
    call.answer_type = head.content_type;
    call.record.streamed = decoder->streams();
    std::string out;
    for (;;) {
        WsOpcode opcode = WsOpcode::binary;
        const bool more = co_await next_message(opcode);
        if (!more)
            co_return;
        out.clear();
        const bool closed = opcode == WsOpcode::close;
        if (closed && message.size() >= 2 && close_code(message) != k_normal_close) {
            fail(fmt::format("the provider closed with code {}", close_code(message)));
            co_return;
        }
        Result<> fed = closed ? decoder->finish(out) : decoder->feed(message, out);
        if (!fed) {
            const Classified verdict = adapter.classify(ResponseHead{}, message);
            attempt.outcome = verdict.outcome == Outcome::ok ? Outcome::transient : verdict.outcome;
            attempt.retry_after = verdict.retry_after;
            attempt.code = verdict.code;
            fail(verdict.message.empty() ? fed.error().message : verdict.message);
            co_return;
        }
        if (call.capture)
            call.captured += out;
        if (!out.empty() || closed) {
            const std::string_view piece = out;
            bool going = true;
            if (!call.sink.begun()) {
                add_conduit_headers(call, head.headers);
                going = co_await call.sink.begin(head, std::span(&piece, 1), closed);
            } else {
                going = co_await call.sink.write(std::span(&piece, 1), closed);
            }
            call.gone = call.gone || !going;
            if (!going)
                co_return;
        }
        if (closed) {
            attempt.outcome = Outcome::ok;
            attempt.status = 200;
            co_return;
        }
    }
}

Task<void> WsExchange::run()
{
    encoder = adapter.encoder(provider, call.request);
    if (!encoder || call.upload == nullptr) {
        attempt.outcome = Outcome::unsupported;
        co_return;
    }
    const bool opened = co_await open();
    if (!opened)
        co_return;
    ClientWatch watch(call, *connection->stream);
    const bool shaken = co_await shake_hands();
    if (!shaken)
        co_return;
    connection->stream->set_deadline(std::min(call.deadline, call.now() + provider.timeout));
    uploaded = std::make_unique<Signal>(call.worker.loop);
    spawn(call.worker.loop.tasks(), upload_beside());
    co_await receive();
    // The writer must have ended before its frame goes.
    if (!uploaded->is_set()) {
        connection->stream->cancel();
        call.client->interrupt_read();
    }
    co_await uploaded->wait(SteadyTime::max());
    if (upload_failed)
        attempt.outcome = call.gone ? Outcome::cancelled : Outcome::client_error;
    if (call.sink.begun() && attempt.outcome != Outcome::ok && !call.gone) {
        attempt.outcome = Outcome::broken;
        call.sink.cut();
    }
    if (decoder && decoder->audio_seconds())
        call.record.audio_seconds = *decoder->audio_seconds();
}

} // namespace

Task<Attempt> websocket_exchange(ClientCall& call, const ProviderConfig& provider, const Adapter& adapter,
                                 UpstreamRequest& upstream)
{
    WsExchange exchange{call, provider, adapter, upstream};
    co_await exchange.run();
    if (exchange.connection)
        call.worker.pool.give_back(std::move(exchange.connection), false);
    co_return std::move(exchange.attempt);
}

} // namespace conduit::agent
