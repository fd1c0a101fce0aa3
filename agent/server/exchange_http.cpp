// SPDX-License-Identifier: Apache-2.0
// One HTTP attempt: send, read the head, judge it, and only then let anything through to the client.
#include "agent/server/exchange.hpp"
#include "agent/server/exchange_hold.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <fmt/format.h>

namespace conduit::agent {

namespace {

constexpr std::size_t k_error_body = 65536;
constexpr std::uint64_t k_capture_limit = 64U << 20U;

enum class Sent : std::uint8_t { all, early_answer, failed, client_fault };

bool passes(std::string_view name)
{
    for (std::string_view allowed :
         {"content-encoding", "content-disposition", "content-language", "cache-control",
          "openai-processing-ms", "openai-version", "x-amzn-requestcharacters"})
        if (iequals(name, allowed))
            return true;
    return false;
}

std::string io_text(const IoResult& result)
{
    switch (result.status) {
    case IoStatus::timeout:
        return "no answer in time";
    case IoStatus::eof:
        return "the connection was closed before the answer";
    case IoStatus::cancelled:
        return "cancelled";
    default:
        return fmt::format("the connection failed (error {})", result.error);
    }
}

} // namespace

struct HttpExchange {
    ClientCall& call;
    const ProviderConfig& provider;
    const Adapter& adapter;
    UpstreamRequest& upstream;
    std::unique_ptr<BodyEncoder> encoder;
    std::string encoded; // a body of ours: the adapter's, or the whole upload encoded
    bool own_body = false;
    std::unique_ptr<Upstream> connection;
    Buffer buffer;
    std::size_t begin = 0, end = 0;
    Attempt attempt;
    bool reusable = false;
    SteadyTime deadline;
    ChatUsage usage;

    void prepare();
    Task<Sent> send();
    Task<Sent> stream_upload(bool chunked);
    Task<bool> send_piece(std::span<const std::string_view> pieces, bool chunked, bool last);
    Task<bool> acquire(bool fresh);
    Task<IoResult> fill();
    Task<IoResult> read_head();
    Task<void> read_error();
    Task<void> relay();
    Task<bool> forward(ResponseDecoder* decoder, AnswerHead& head, BodyFraming& framing);
    void broken(std::string message);
    Task<void> run();
};

void HttpExchange::prepare()
{
    deadline = std::min(call.deadline, call.now() + provider.timeout);
    encoder = call.upload != nullptr && !upstream.body ? adapter.encoder(provider, call.request) : nullptr;
    if (upstream.body) {
        encoded = std::move(*upstream.body);
        own_body = true;
    } else if (call.upload == nullptr) {
        own_body = true;
    } else if (encoder && call.upload->complete() && call.upload->replayable()) {
        encoded = encoder->begin();
        encode_kept(call, *encoder, encoded);
        encoder->finish(call.request.stt, encoded);
        own_body = true;
    }
}

Task<bool> HttpExchange::acquire(bool fresh)
{
    const PoolTarget target{provider, upstream.url};
    if (!fresh)
        connection = call.worker.pool.take_idle(target);
    if (!connection) {
        const SteadyTime before = call.now();
        Pool::Acquired acquired = co_await call.worker.pool.open(target, deadline, fresh);
        call.waited += call.now() - before;
        if (!acquired.connection) {
            attempt.message = acquired.error;
            attempt.exhausted = acquired.exhausted;
            co_return false;
        }
        connection = std::move(acquired.connection);
    }
    connection->stream->set_deadline(deadline);
    connection->stream->set_write_deadline(deadline);
    co_return true;
}

Task<bool> HttpExchange::send_piece(std::span<const std::string_view> pieces, bool chunked, bool last)
{
    std::array<std::string_view, Stream::k_max_pieces> out;
    std::size_t count = 0, size = 0;
    for (std::string_view piece : pieces)
        size += piece.size();
    std::string size_line;
    if (chunked && size > 0) {
        size_line = fmt::format("{:x}\r\n", size);
        out[count++] = size_line;
    }
    for (std::string_view piece : pieces) {
        if (count == out.size() - 2) {
            const IoResult sent = co_await connection->stream->write(std::span(out.data(), count));
            if (!sent)
                co_return false;
            count = 0;
        }
        out[count++] = piece;
    }
    if (chunked && size > 0)
        out[count++] = last ? "\r\n0\r\n\r\n" : "\r\n";
    else if (chunked && last)
        out[count++] = "0\r\n\r\n";
    if (count == 0)
        co_return true;
    const IoResult sent = co_await connection->stream->write(std::span(out.data(), count));
    co_return static_cast<bool>(sent);
}

// Head and body in as few writes as there are pieces; a large upload goes through piece by piece.
Task<Sent> HttpExchange::send()
{
    const bool whole = own_body || (call.upload->complete() && call.upload->replayable());
    std::optional<std::uint64_t> length;
    if (own_body)
        length = encoded.size();
    else if (whole)
        length = call.upload->kept_bytes();
    else if (!encoder)
        length = call.upload->length();
    const bool chunked = !length;
    const std::string head = request_head(upstream, call, length, chunked);
    if (whole) {
        std::vector<std::string_view> pieces;
        pieces.reserve(8);
        pieces.push_back(head);
        if (own_body)
            pieces.push_back(encoded);
        else
            pieces.insert(pieces.end(), call.upload->kept().begin(), call.upload->kept().end());
        const bool sent = co_await send_piece(pieces, false, true);
        co_return sent ? Sent::all : Sent::failed;
    }
    const std::string_view head_view = head;
    const IoResult sent = co_await connection->stream->write(head_view);
    if (!sent)
        co_return Sent::failed;
    const Sent result = co_await stream_upload(chunked);
    co_return result;
}

Task<Sent> HttpExchange::stream_upload(bool chunked)
{
    std::vector<std::string_view> pieces, raw, audio;
    std::string out;
    if (encoder) {
        out = encoder->begin();
        encode_kept(call, *encoder, out);
    } else {
        pieces = call.upload->kept();
    }
    for (;;) {
        const bool ended = call.upload->complete();
        if (encoder) {
            if (ended)
                encoder->finish(call.request.stt, out);
            pieces.assign(1, out);
        }
        const bool sent = co_await send_piece(pieces, chunked, ended);
        if (!sent)
            co_return Sent::failed;
        if (ended)
            co_return Sent::all;
        if (connection->stream->readable_now())
            co_return Sent::early_answer;
        const UploadFault fault = co_await read_upload(call, raw, audio);
        if (fault != UploadFault::none) {
            attempt.refusal = upload_refusal(fault, call.config());
            attempt.outcome = call.gone ? Outcome::cancelled : Outcome::client_error;
            co_return Sent::client_fault;
        }
        out.clear();
        if (!encoder)
            pieces = raw;
        else
            for (std::string_view piece : encoder->input() == BodyEncoder::Input::raw ? raw : audio)
                encoder->feed(piece, out);
    }
}

Task<IoResult> HttpExchange::fill()
{
    if (!buffer)
        buffer = call.worker.loop.buffer();
    if (begin == end)
        begin = end = 0;
    if (end == Buffer::k_size) {
        if (begin == 0)
            co_return IoResult{IoStatus::failed, 0, EMSGSIZE};
        std::memmove(buffer.data(), buffer.data() + begin, end - begin);
        end -= begin;
        begin = 0;
    }
    const SteadyTime before = call.now();
    const IoResult got = co_await connection->stream->read(buffer.data() + end, Buffer::k_size - end);
    call.waited += call.now() - before;
    if (got)
        end += got.bytes;
    co_return got;
}

Task<IoResult> HttpExchange::read_head()
{
    connection->stream->set_deadline(std::min(deadline, call.now() + provider.first_byte_timeout));
    connection->parser.reset();
    for (;;) {
        const IoResult got = co_await fill();
        if (!got)
            co_return got;
        for (;;) {
            const auto used = connection->parser.read_head({buffer.data() + begin, end - begin});
            if (!used)
                co_return IoResult{IoStatus::failed, 0, EPROTO};
            if (*used == 0)
                break;
            begin += *used;
            const int status = connection->parser.head().status;
            if (status >= 200)
                co_return IoResult{};
            connection->parser.reset(); // 100, 102, 103: the answer is still to come
            if (begin == end)
                break;
        }
    }
}

Task<void> HttpExchange::read_error()
{
    const HttpHead& head = connection->parser.head();
    ResponseHead seen;
    seen.status = head.status;
    for (const HttpField& field : head.fields)
        seen.headers.emplace_back(to_lower(field.name), std::string(field.value));
    std::string body;
    BodyFraming framing = BodyFraming::of_answer(head, false);
    connection->stream->set_deadline(std::min(deadline, call.now() + 2s));
    while (!framing.done() && body.size() < k_error_body) {
        std::vector<std::string_view> pieces;
        const auto used = framing.take(connection->parser, {buffer.data() + begin, end - begin}, pieces);
        if (!used)
            break;
        begin += *used;
        for (std::string_view piece : pieces)
            body.append(piece);
        if (framing.done())
            break;
        const IoResult got = co_await fill();
        if (got.status == IoStatus::eof && framing.end_of_stream())
            break;
        if (!got)
            break;
    }
    reusable = reusable && framing.done() && begin == end;
    const Classified verdict = adapter.classify(seen, body);
    attempt.outcome = verdict.outcome == Outcome::ok ? Outcome::transient : verdict.outcome;
    attempt.status = seen.status;
    attempt.retry_after = verdict.retry_after;
    attempt.code = verdict.code;
    attempt.message = verdict.message;
    if (attempt.outcome == Outcome::client_error) {
        Refusal refusal{.status = seen.status >= 400 && seen.status < 500 ? seen.status : 400,
                        .message = verdict.message,
                        .code = verdict.code};
        if (provider.kind == ProviderKind::openai && body.starts_with('{') && body.size() < k_error_body)
            refusal.body = std::move(body); // already in the shape the client expects
        attempt.refusal = std::move(refusal);
    }
}

void HttpExchange::broken(std::string message)
{
    reusable = false;
    attempt.outcome = Outcome::broken;
    attempt.message = std::move(message);
}

// Moves the body to the sink until its end. False: it ended badly (attempt says how).
Task<bool> HttpExchange::forward(ResponseDecoder* decoder, AnswerHead& head, BodyFraming& framing)
{
    std::vector<std::string_view> pieces;
    std::string out;
    const bool hold = decoder != nullptr && !decoder->streams();
    bool first_read = true;
    HoldBack back(call, head, decoder == nullptr);
    call.captured.clear(); // of an attempt that broke off
    for (;;) {
        pieces.clear();
        const auto used = framing.take(connection->parser, {buffer.data() + begin, end - begin}, pieces);
        if (!used) {
            broken("the provider's answer is malformed");
            co_return false;
        }
        begin += *used;
        const bool last = framing.done();
        if (decoder != nullptr) {
            out.clear();
            Result<> fed;
            for (std::string_view piece : pieces)
                if (fed)
                    fed = decoder->feed(piece, out);
            if (fed && last)
                fed = decoder->finish(out);
            if (!fed) {
                broken(fed.error().message);
                co_return false;
            }
            pieces.clear();
            if (!out.empty())
                pieces.push_back(out);
        }
        for (std::string_view piece : pieces) {
            call.capture = call.capture && call.captured.size() + piece.size() <= k_capture_limit;
            if (call.capture)
                call.captured.append(piece);
            if (call.request.operation == Operation::chat)
                usage.add(piece);
        }
        const bool kept = !call.sink.begun() && back.keep(pieces, last);
        if (kept)
            connection->stream->set_deadline(deadline);
        bool going = true;
        const bool ready =
            !kept && (last || (!hold && (!pieces.empty() || (!first_read && !call.sink.begun()))));
        if (ready && !call.sink.begun()) {
            connection->stream->set_deadline(deadline);
            add_conduit_headers(call, head.headers);
            going = co_await call.sink.begin(head, pieces, last);
            if (call.upload != nullptr && going)
                call.upload->forget();
        } else if (ready) {
            going = co_await call.sink.write(pieces, last);
        }
        if (!going) {
            call.gone = true;
            attempt.outcome = Outcome::cancelled;
            reusable = false;
            co_return false;
        }
        if (last)
            co_return true;
        const IoResult got = co_await fill();
        first_read = false;
        if (!got && !(got.status == IoStatus::eof && framing.end_of_stream())) {
            broken(io_text(got));
            if (call.gone)
                attempt.outcome = Outcome::cancelled;
            co_return false;
        }
    }
}

Task<void> HttpExchange::relay()
{
    const HttpHead& answer = connection->parser.head();
    ResponseHead seen;
    seen.status = answer.status;
    AnswerHead head;
    head.status = answer.status;
    head.content_type = std::string(answer.find("content-type"));
    const bool needs_head = provider.kind != ProviderKind::openai;
    for (const HttpField& field : answer.fields) {
        if (needs_head)
            seen.headers.emplace_back(to_lower(field.name), std::string(field.value));
        if (passes(field.name))
            head.headers.emplace_back(field.name, field.value);
    }
    if (!needs_head)
        seen.headers.emplace_back("content-type", head.content_type);
    auto decoder = call.undecoded ? nullptr : adapter.decoder(provider, call.request, seen);
    if (decoder)
        head.content_type = decoder->content_type();
    else
        head.length = answer.content_length;
    BodyFraming framing = BodyFraming::of_answer(answer, false);
    if (framing.mode() == BodyFraming::Mode::until_close)
        reusable = false;
    call.answer_type = head.content_type;
    call.record.streamed = !head.length && (!decoder || decoder->streams());
    attempt.outcome = Outcome::ok;
    attempt.status = answer.status;
    const bool whole = co_await forward(decoder.get(), head, framing);
    if (decoder && decoder->audio_seconds())
        call.record.audio_seconds = *decoder->audio_seconds();
    if (call.request.operation == Operation::chat)
        call.record.tokens = usage.tokens();
    reusable = reusable && whole && begin == end;
    if (whole || !call.sink.begun() || call.gone) {
        if (!whole && attempt.outcome == Outcome::broken && !call.sink.begun())
            attempt.outcome = Outcome::transient; // nothing was forwarded: it may be tried elsewhere
        co_return;
    }
    if (head.content_type.starts_with("text/event-stream")) {
        const std::string event =
            "data: " + openai_error("the provider's answer broke off", "server_error", "provider_broken") +
            "\n\n";
        const std::string_view piece = event;
        co_await call.sink.write(std::span(&piece, 1), false);
    }
    call.sink.cut();
}

Task<void> HttpExchange::run()
{
    prepare();
    for (bool fresh = false;; fresh = true) {
        const bool acquired = co_await acquire(fresh);
        if (!acquired) {
            attempt.outcome = Outcome::transient;
            co_return;
        }
        ClientWatch watch(call, *connection->stream);
        const Sent sent = co_await send();
        if (sent == Sent::client_fault)
            co_return;
        // A failed send may still have an answer to read: servers refuse large bodies early.
        const IoResult head = co_await read_head();
        if (head) {
            const HttpHead& answer = connection->parser.head();
            note_quota(call.health, answer);
            reusable = sent == Sent::all && answer.keep_alive;
            if (answer.status >= 400 || answer.status < 200)
                co_await read_error();
            else
                co_await relay();
            co_return;
        }
        const bool untouched = head.status == IoStatus::eof && end == 0;
        const bool repeatable = own_body || call.upload->replayable();
        if (untouched && connection->reused && repeatable && !fresh && !call.gone) {
            call.worker.pool.give_back(std::move(connection), false); // it had gone stale while it was idle
            continue;
        }
        attempt.outcome = call.gone ? Outcome::cancelled : Outcome::transient;
        attempt.message = io_text(head);
        if (head.status == IoStatus::timeout)
            attempt.code = "timeout";
        co_return;
    }
}

Task<Attempt> http_exchange(ClientCall& call, const ProviderConfig& provider, const Adapter& adapter,
                            UpstreamRequest& upstream)
{
    HttpExchange exchange{call, provider, adapter, upstream};
    co_await exchange.run();
    if (exchange.connection)
        call.worker.pool.give_back(std::move(exchange.connection), exchange.reusable);
    co_return std::move(exchange.attempt);
}

} // namespace conduit::agent
