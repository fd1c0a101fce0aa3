// SPDX-License-Identifier: Apache-2.0
// The provider's answer: an error is read and judged, a body goes to the client as it comes.
#include "agent/server/exchange_http.hpp"

#include "core/text.hpp"

#include <algorithm>

namespace conduit::agent {

namespace {

constexpr std::size_t k_error_body = 65536;
constexpr std::uint64_t k_capture_limit = 64U << 20U;

bool passes(std::string_view name)
{
    for (std::string_view allowed :
         {"content-encoding", "content-disposition", "content-language", "cache-control",
          "openai-processing-ms", "openai-version", "x-amzn-requestcharacters"})
        if (iequals(name, allowed))
            return true;
    return false;
}

// Puts what the decoder makes of the pieces in their place.
Result<> decode(ResponseDecoder& decoder, std::vector<std::string_view>& pieces, bool last, std::string& out)
{
    out.clear();
    for (std::string_view piece : pieces)
        TRY(decoder.feed(piece, out));
    if (last)
        TRY(decoder.finish(out));
    pieces.clear();
    if (!out.empty())
        pieces.push_back(out);
    return {};
}

} // namespace

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

void HttpExchange::note(std::span<const std::string_view> pieces)
{
    for (std::string_view piece : pieces) {
        call.capture = call.capture && call.captured.size() + piece.size() <= k_capture_limit;
        if (call.capture)
            call.captured.append(piece);
        if (call.request.operation == Operation::chat)
            usage.add(piece);
    }
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
        if (auto decoded = decoder == nullptr ? Result<>() : decode(*decoder, pieces, last, out); !decoded) {
            broken(decoded.error().message);
            co_return false;
        }
        note(pieces);
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

} // namespace conduit::agent
