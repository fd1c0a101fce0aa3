// SPDX-License-Identifier: Apache-2.0
// AWS Transcribe over WebSocket: event-stream frames in, TranscriptEvents out.
#include "core/event_stream.hpp"
#include "core/url.hpp"
#include "sim/audio/audio.hpp"
#include "sim/wire/providers.hpp"
#include "sim/wire/transcript.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

namespace conduit::sim {
namespace {

constexpr std::size_t k_max_audio = 64U << 20U;
constexpr std::size_t k_max_chunk = 32U << 10U;

class TranscribeSocket final : public WireSocket {
  public:
    TranscribeSocket(const WireRequest& request, const WireContext& context)
        : result_id_(make_uuid(context.serial + 7)), query_(parse_query(request.query)),
          signature_(check_aws_signature(request, context, "transcribe"))
    {
    }
    bool binary() const override { return true; }
    SocketOutput start() override;
    SocketOutput receive(std::string_view message, bool is_binary) override;

  private:
    std::string parameter(const std::string& name) const;
    SocketOutput refuse(std::string_view type, std::string_view message) const;
    SocketOutput audio(std::string_view bytes);
    SocketOutput finish() const;
    std::string event(const Span& segment, bool partial) const;

    std::string result_id_;
    std::multimap<std::string, std::string> query_;
    Result<std::string> signature_;
    std::uint32_t rate_ = 16000;
    std::string audio_;
    std::size_t announced_ = 0; // bytes of audio at the last partial result
};

std::string TranscribeSocket::parameter(const std::string& name) const
{
    const auto found = query_.find(name);
    return found == query_.end() ? "" : found->second;
}

SocketOutput TranscribeSocket::refuse(std::string_view type, std::string_view message) const
{
    return {{transcribe_exception(type, message)}, SocketClose{1000, ""}};
}

SocketOutput TranscribeSocket::start()
{
    if (!signature_) {
        // The handshake names unknown keys so; anything else wrong with a signature is a bad request.
        const auto& code = signature_.error().details.at("code");
        return refuse(code == "UnrecognizedClientException" ? code : "BadRequestException",
                      signature_.error().message);
    }
    const auto encoding = parameter("media-encoding");
    if (encoding != "pcm" && encoding != "ogg-opus" && encoding != "flac")
        return refuse("BadRequestException", "MediaEncoding must be one of pcm, ogg-opus, flac");
    const auto rate = parameter("sample-rate");
    std::from_chars(rate.data(), rate.data() + rate.size(), rate_);
    if (rate_ < 8000 || rate_ > 48000 || rate.empty())
        return refuse("BadRequestException", "MediaSampleRateHertz must be between 8000 and 48000");
    if (parameter("language-code").empty() && parameter("identify-language") != "true")
        return refuse("BadRequestException", "LanguageCode must be set");
    return {};
}

std::string TranscribeSocket::event(const Span& segment, bool partial) const
{
    Json items = Json::array();
    for (const auto& word : words_of(segment.text, segment.end - segment.start))
        items.push_back({{"Content", word.text},
                         {"StartTime", segment.start + word.start},
                         {"EndTime", segment.start + word.end},
                         {"Type", "pronunciation"},
                         {"Confidence", 0.99},
                         {"Stable", !partial},
                         {"VocabularyFilterMatch", false}});
    Json result{{"ResultId", result_id_},
                {"StartTime", segment.start},
                {"EndTime", segment.end},
                {"IsPartial", partial},
                {"ChannelId", "ch_0"},
                {"Alternatives", Json::array({{{"Transcript", segment.text},
                                               {"Items", std::move(items)},
                                               {"Entities", Json::array()}}})}};
    return encode_event("TranscriptEvent", "application/json",
                        dump_json({{"Transcript", {{"Results", Json::array({std::move(result)})}}}}));
}

// A partial result each second of audio, once the text is known: the words spoken so far.
SocketOutput TranscribeSocket::audio(std::string_view bytes)
{
    if (bytes.size() > k_max_chunk)
        return refuse("BadRequestException", "Your audio chunk is larger than 32 KB.");
    if (audio_.size() + bytes.size() > k_max_audio)
        return refuse("LimitExceededException", "Your stream is too long.");
    audio_ += bytes;
    if (parameter("media-encoding") != "pcm" || audio_.size() - announced_ < std::size_t{2} * rate_)
        return {};
    announced_ = audio_.size();
    const auto facts = read_audio(audio_, rate_);
    if (!facts.text)
        return {};
    std::string so_far;
    for (const auto& word : words_of(*facts.text, speech_seconds(*facts.text, 1))) {
        if (word.end <= facts.seconds)
            so_far += (so_far.empty() ? "" : " ") + word.text;
    }
    if (so_far.empty())
        return {};
    return {{event({0, facts.seconds, so_far}, true)}, std::nullopt};
}

SocketOutput TranscribeSocket::finish() const
{
    SocketOutput out;
    out.close = SocketClose{1000, ""};
    if (audio_.empty())
        return out;
    const auto facts = read_audio(audio_, rate_);
    for (const auto& segment : segments_of(transcript_of(audio_, facts), facts.seconds))
        out.messages.push_back(event(segment, false));
    return out;
}

SocketOutput TranscribeSocket::receive(std::string_view message, bool is_binary)
{
    EventDecoder decoder;
    decoder.feed(message);
    auto frame = decoder.next();
    if (!is_binary || !frame || !*frame || decoder.buffered() != 0 ||
        (*frame)->text(":event-type") != "AudioEvent")
        return refuse("BadRequestException", "The request is not a valid event-stream frame.");
    return (*frame)->payload.empty() ? finish() : audio((*frame)->payload);
}

} // namespace

std::unique_ptr<WireSocket> open_transcribe(const WireRequest& request, const WireContext& context)
{
    return std::make_unique<TranscribeSocket>(request, context);
}

} // namespace conduit::sim
