// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/aws_codec.hpp"

#include "agent/providers/support.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::size_t k_frame_audio = 32000; // with its headers a frame stays below 32 KiB
constexpr std::size_t k_max_text = 8U << 20U;
constexpr std::uint64_t k_endless = std::numeric_limits<std::uint64_t>::max();

std::string audio_event(std::string_view bytes)
{
    return encode_event("AudioEvent", "application/octet-stream", bytes);
}

std::unexpected<Error> refused(std::string_view name, std::string_view message, std::string_view body)
{
    return std::unexpected(Error{ErrorKind::failed, "the provider ended the stream: " + safe_text(name)}
                               .with_cause(safe_text(message))
                               .with_detail("exception", safe_text(name))
                               .with_detail("body", std::string(body)));
}

} // namespace

TranscribeEncoder::TranscribeEncoder(const AudioInfo& audio)
    : wav_(audio.format == AudioFormat::wav), header_left_(wav_ ? audio.data_offset : 0),
      samples_left_(k_endless)
{
}

void TranscribeEncoder::skip_header(std::string_view& piece)
{
    while (header_left_ > 0 && !piece.empty()) {
        length_field_ = length_field_ >> 8U | static_cast<std::uint32_t>(static_cast<unsigned char>(piece[0]))
                                                  << 24U; // little endian
        piece.remove_prefix(1);
        // Streamed WAVs carry a placeholder there.
        if (--header_left_ == 0 && length_field_ != 0 && length_field_ < 0x7FFFFFFFU)
            samples_left_ = length_field_;
    }
}

void TranscribeEncoder::feed(std::string_view piece, std::string& out)
{
    skip_header(piece);
    piece = piece.substr(0, static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), samples_left_)));
    if (samples_left_ != k_endless)
        samples_left_ -= piece.size();
    while (pending_.size() + piece.size() >= k_frame_audio) {
        const auto take = k_frame_audio - pending_.size();
        pending_ += piece.substr(0, take);
        piece.remove_prefix(take);
        out += audio_event(pending_);
        pending_.clear();
    }
    pending_ += piece;
}

void TranscribeEncoder::finish(const TranscriptionParams& /*params*/, std::string& out)
{
    if (wav_ && pending_.size() % 2 != 0)
        pending_.pop_back(); // half a sample
    if (!pending_.empty())
        out += audio_event(pending_);
    pending_.clear();
    out += audio_event({});
}

std::size_t TranscribeEncoder::message_length(std::string_view out) const
{
    if (out.size() < 4)
        return out.size();
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i)
        length = length << 8U | static_cast<unsigned char>(out[i]);
    return std::clamp<std::size_t>(length, 1, out.size());
}

TranscribeDecoder::TranscribeDecoder(TranscriptionParams params)
    : params_(std::move(params)), frames_(EventLimits{64U << 10U, 1U << 20U})
{
    transcript_.language = params_.language;
}

Result<> TranscribeDecoder::feed(std::string_view piece, std::string& out)
{
    frames_.feed(piece);
    for (;;) {
        TRY_ASSIGN(const auto message, frames_.next());
        if (!message)
            return {};
        TRY(take(*message, out));
    }
}

Result<> TranscribeDecoder::take(const EventMessage& message, std::string& out)
{
    const auto type = message.text(":message-type");
    if (type == "exception") {
        const auto body = parse_json(message.payload);
        const auto text = body ? json_string_or(*body, "Message", json_string_or(*body, "message", "")) : "";
        return refused(message.text(":exception-type"), text, message.payload);
    }
    if (type == "error") {
        const auto text = message.text(":error-message");
        return refused(message.text(":error-code"), text, dump_json({{"Message", text}}));
    }
    if (type != "event" || message.text(":event-type") != "TranscriptEvent")
        return {};
    TRY_ASSIGN(const auto body, parse_json(message.payload));
    const auto* transcript = json_find(body, "Transcript");
    const auto* results = transcript == nullptr ? nullptr : json_find(*transcript, "Results");
    if (results == nullptr || !results->is_array())
        return {};
    for (const auto& result : *results)
        TRY(add_result(result, out));
    return {};
}

Result<> TranscribeDecoder::add_result(const Json& result, std::string& out)
{
    const auto* alternatives = json_find(result, "Alternatives");
    if (json_bool_or(result, "IsPartial", false) || alternatives == nullptr || !alternatives->is_array() ||
        alternatives->empty())
        return {};
    const auto& best = alternatives->front();
    const auto text = json_string_or(best, "Transcript", "");
    if (transcript_.text.size() + text.size() > k_max_text)
        return fail(ErrorKind::failed, "the provider's transcript is too large");
    const double start = json_number_or(result, "StartTime", 0);
    const double end = json_number_or(result, "EndTime", start);
    if (const auto* items = json_find(best, "Items"); items != nullptr && items->is_array())
        for (const auto& item : *items)
            if (json_string_or(item, "Type", "") == "pronunciation")
                transcript_.words.push_back({json_string_or(item, "Content", ""),
                                             json_number_or(item, "StartTime", start),
                                             json_number_or(item, "EndTime", end)});
    if (text.empty())
        return {};
    const auto piece = transcript_.text.empty() ? text : " " + text;
    transcript_.text += piece;
    transcript_.segments.push_back({start, end, piece, 0});
    if (params_.stream)
        out += sse_delta(piece);
    return {};
}

Result<> TranscribeDecoder::finish(std::string& out)
{
    if (frames_.buffered() > 0)
        return fail(ErrorKind::failed, "the provider's stream ended in the middle of a message");
    transcript_.duration = params_.audio.seconds;
    if (!transcript_.duration && !transcript_.segments.empty())
        transcript_.duration = transcript_.segments.back().end;
    out += params_.stream ? sse_done(transcript_)
                          : render_transcript(transcript_, params_.response_format, params_.granularities);
    return {};
}

std::string TranscribeDecoder::content_type() const
{
    return transcript_content_type(params_.response_format, params_.stream);
}

Result<> PrefixDecoder::feed(std::string_view piece, std::string& out)
{
    if (!started_ && !piece.empty()) {
        out += prefix_;
        started_ = true;
    }
    out += piece;
    return {};
}

Result<> PrefixDecoder::finish(std::string& /*out*/)
{
    if (!started_)
        return fail(ErrorKind::failed, "the provider's answer holds no audio");
    return {};
}

std::string streaming_wav_header(std::uint32_t rate, std::uint16_t channels)
{
    std::string out;
    const auto add = [&](std::uint32_t value, int bytes) {
        for (int i = 0; i < bytes; ++i)
            out += static_cast<char>(value >> (8U * static_cast<unsigned>(i)) & 255U);
    };
    constexpr std::uint32_t unknown = 0xFFFFFFFFU;
    out += "RIFF";
    add(unknown, 4);
    out += "WAVEfmt ";
    add(16, 4);
    add(1, 2); // PCM
    add(channels, 2);
    add(rate, 4);
    add(rate * channels * 2, 4);
    add(channels * 2U, 2);
    add(16, 2);
    out += "data";
    add(unknown, 4);
    return out;
}

} // namespace conduit::agent
