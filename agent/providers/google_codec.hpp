// SPDX-License-Identifier: Apache-2.0
// Google's bodies: Speech-to-Text requests and answers, Text-to-Speech answers decoded while they arrive.
#pragma once

#include "agent/providers/adapter.hpp"
#include "agent/providers/base64_stream.hpp"
#include "agent/providers/transcript.hpp"

namespace conduit::agent {

// "" when there is no encoding for it.
std::string google_encoding(const AudioInfo& audio);

class GoogleRecognizeEncoder final : public BodyEncoder {
  public:
    GoogleRecognizeEncoder(AudioInfo audio, std::string model, std::string default_language)
        : audio_(audio), model_(std::move(model)), default_language_(std::move(default_language))
    {
    }
    Input input() const override { return Input::audio; }
    std::string begin() override { return R"({"audio":{"content":")"; }
    void feed(std::string_view piece, std::string& out) override { base64_.feed(piece, out); }
    void finish(const TranscriptionParams& params, std::string& out) override;

  private:
    AudioInfo audio_;
    std::string model_, default_language_;
    Base64StreamEncoder base64_;
};

Result<Transcript> read_google_transcript(std::string_view json);

// {"audioContent":"<base64>"}: the audio comes out as soon as its text came in.
class GoogleSpeechDecoder final : public ResponseDecoder {
  public:
    explicit GoogleSpeechDecoder(std::string content_type) : content_type_(std::move(content_type)) {}
    Result<> feed(std::string_view piece, std::string& out) override;
    Result<> finish(std::string& out) override;
    std::string content_type() const override { return content_type_; }
    bool streams() const override { return true; }

  private:
    enum class State : std::uint8_t { outside, text, text_escape, content, content_escape, after };
    Result<> outside(char c);
    void inside_text(char c);
    Result<> content(std::string_view& piece, std::string& out);
    Result<> content_escape(char c, std::string& out);

    std::string content_type_;
    State state_ = State::outside;
    Base64StreamDecoder base64_;
    std::string seen_;  // what came before the audio: an error, or the object's opening
    std::string token_; // the text being read, then the last one read
    std::string escape_;
    int depth_ = 0;
    bool key_ = false; // token_ was followed by a colon
};

// Collects the whole answer, then renders the transcript that `read` finds in it.
class TranscriptDecoder final : public ResponseDecoder {
  public:
    using Reader = Result<Transcript> (*)(std::string_view body);
    TranscriptDecoder(TranscriptionParams params, Reader read) : params_(std::move(params)), read_(read) {}
    Result<> feed(std::string_view piece, std::string& out) override;
    Result<> finish(std::string& out) override;
    std::string content_type() const override;
    bool streams() const override { return false; }
    std::optional<double> audio_seconds() const override { return transcript_.duration; }
    std::string text() const override { return transcript_.text; }

  private:
    TranscriptionParams params_;
    Reader read_;
    std::string body_;
    Transcript transcript_;
};

} // namespace conduit::agent
