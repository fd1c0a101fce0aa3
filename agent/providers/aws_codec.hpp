// SPDX-License-Identifier: Apache-2.0
// Amazon's bodies: Transcribe's event-stream frames in both directions, Polly's audio made a file.
#pragma once

#include "agent/providers/adapter.hpp"
#include "agent/providers/transcript.hpp"
#include "core/event_stream.hpp"
#include "core/json.hpp"

namespace conduit::agent {

// Audio in, AudioEvent frames out. A WAV's header and what follows its samples stay behind: the service takes
// bare samples only.
class TranscribeEncoder final : public BodyEncoder {
  public:
    explicit TranscribeEncoder(const AudioInfo& audio);
    Input input() const override { return Input::audio; }
    void feed(std::string_view piece, std::string& out) override;
    void finish(const TranscriptionParams& params, std::string& out) override;
    std::size_t message_length(std::string_view out) const override;

  private:
    void skip_header(std::string_view& piece);

    bool wav_;
    std::size_t header_left_;
    std::uint32_t length_field_ = 0; // the last four bytes of the header: how many bytes of samples follow
    std::uint64_t samples_left_;
    std::string pending_;
};

class TranscribeDecoder final : public ResponseDecoder {
  public:
    explicit TranscribeDecoder(TranscriptionParams params);
    Result<> feed(std::string_view piece, std::string& out) override;
    Result<> finish(std::string& out) override;
    std::string content_type() const override;
    bool streams() const override { return params_.stream; }
    std::string text() const override { return transcript_.text; }

  private:
    Result<> take(const EventMessage& message, std::string& out);
    Result<> add_result(const Json& result, std::string& out);

    TranscriptionParams params_;
    EventDecoder frames_;
    Transcript transcript_;
};

// Audio bytes as they are, after a prefix, under another content type.
class PrefixDecoder final : public ResponseDecoder {
  public:
    PrefixDecoder(std::string content_type, std::string prefix)
        : content_type_(std::move(content_type)), prefix_(std::move(prefix))
    {
    }
    Result<> feed(std::string_view piece, std::string& out) override;
    Result<> finish(std::string& out) override;
    std::string content_type() const override { return content_type_; }
    bool streams() const override { return true; }

  private:
    std::string content_type_, prefix_;
    bool started_ = false;
};

// For sound whose length is not known yet: both lengths are 0xFFFFFFFF, as OpenAI streams them.
std::string streaming_wav_header(std::uint32_t rate, std::uint16_t channels);

} // namespace conduit::agent
