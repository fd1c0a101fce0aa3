// SPDX-License-Identifier: Apache-2.0
// The request on its way to the provider: from memory in one write, or piece by piece while the client still
// uploads.
#include "agent/server/exchange_http.hpp"

#include <array>
#include <fmt/format.h>

namespace conduit::agent {

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

} // namespace conduit::agent
