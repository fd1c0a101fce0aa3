// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/request.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::array<std::string_view, 6> k_speech_formats{"mp3", "opus", "aac", "flac", "wav", "pcm"};
constexpr std::array<std::string_view, 6> k_text_formats{"json",         "text", "srt",
                                                         "verbose_json", "vtt",  "diarized_json"};

std::unexpected<Error> bad(std::string_view param, std::string message, std::string hint)
{
    return std::unexpected(Error{ErrorKind::usage, std::move(message), std::move(hint)}.with_detail(
        "param", std::string(param)));
}

std::unexpected<Error> wrong_type(std::string_view param, std::string_view wanted)
{
    return bad(param, fmt::format("parameter '{}' must be {}", param, wanted),
               fmt::format("Send '{}' as {}.", param, wanted));
}

// Reads the top level of a speech body, and "voice": {"id": ...}, without building a document.
class SpeechHandler final : public nlohmann::json_sax<nlohmann::json> {
  public:
    explicit SpeechHandler(SpeechParams& out) : out_(out) {}

    bool null() override { return value({}, Kind::null); }
    bool boolean(bool) override { return value({}, Kind::other); }
    bool number_integer(std::int64_t n) override { return number(static_cast<double>(n)); }
    bool number_unsigned(std::uint64_t n) override { return number(static_cast<double>(n)); }
    bool number_float(double n, const std::string&) override { return number(n); }
    bool string(std::string& text) override { return value(std::move(text), Kind::text); }
    bool binary(nlohmann::json::binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(depth_ == 1 && key_ == "voice"); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(false); }
    bool end_array() override { return close(); }
    bool key(std::string& name) override
    {
        (depth_ == 1 ? key_ : inner_key_) = std::move(name);
        return true;
    }
    bool parse_error(std::size_t position, const std::string&, const nlohmann::json::exception&) override
    {
        position_ = position;
        return false;
    }

    std::size_t position() const { return position_; }
    bool is_object() const { return object_; }
    std::string_view fault() const { return fault_; } // the parameter of a wrong type
    std::string_view wanted() const { return wanted_; }

  private:
    enum class Kind : std::uint8_t { text, null, other };

    bool open(bool voice)
    {
        if (depth_ == 0)
            object_ = true;
        else if (depth_ == 1 && !voice)
            value({}, Kind::other);
        ++depth_;
        in_voice_ = depth_ == 2 ? voice : in_voice_;
        return depth_ <= 64;
    }
    bool close()
    {
        --depth_;
        return true;
    }
    bool number(double n)
    {
        if (depth_ == 1 && key_ == "speed") {
            out_.speed = n;
            return true;
        }
        return value({}, Kind::other);
    }
    bool value(std::string text, Kind kind)
    {
        if (depth_ != 1) {
            if (depth_ == 2 && in_voice_ && inner_key_ == "id" && kind == Kind::text)
                out_.voice = std::move(text);
            return true;
        }
        auto* field = slot();
        if (field != nullptr && kind == Kind::text)
            *field = std::move(text);
        else if (kind != Kind::null && (field != nullptr || key_ == "speed") && fault_.empty()) {
            fault_ = key_;
            wanted_ = field != nullptr ? "a string" : "a number";
        }
        return true;
    }
    std::string* slot()
    {
        const std::array<std::pair<std::string_view, std::string*>, 6> slots{
            {{"model", &out_.model},
             {"input", &out_.input},
             {"voice", &out_.voice},
             {"instructions", &out_.instructions},
             {"response_format", &out_.format},
             {"stream_format", &out_.stream_format}}};
        for (const auto& [name, field] : slots)
            if (name == key_)
                return field;
        return nullptr;
    }

    SpeechParams& out_;
    std::string key_, inner_key_, fault_, wanted_;
    std::size_t depth_ = 0, position_ = 0;
    bool in_voice_ = false, object_ = false;
};

Result<> check_speech(const SpeechParams& speech)
{
    if (speech.model.empty())
        return missing_parameter("model");
    if (speech.input.empty())
        return missing_parameter("input");
    if (speech.voice.empty())
        return missing_parameter("voice");
    const auto characters = utf8_characters(speech.input);
    if (characters > k_max_input_characters)
        return std::unexpected(Error{ErrorKind::usage,
                                     fmt::format("parameter 'input' is {} characters long, the limit is {}",
                                                 characters, k_max_input_characters),
                                     "Split the text and send several requests."}
                                   .with_detail("param", "input")
                                   .with_detail("code", "string_above_max_length"));
    if (utf8_characters(speech.instructions) > k_max_input_characters)
        return bad(
            "instructions",
            fmt::format("parameter 'instructions' is longer than {} characters", k_max_input_characters),
            "Shorten the instructions.");
    if (std::ranges::find(k_speech_formats, speech.format) == k_speech_formats.end())
        return bad("response_format",
                   fmt::format("response_format '{}' is not known", printable(speech.format.substr(0, 40))),
                   fmt::format("Use one of {}.", fmt::join(k_speech_formats, ", ")));
    if (!(speech.speed >= 0.25 && speech.speed <= 4.0))
        return bad("speed", "parameter 'speed' must be from 0.25 to 4", "Leave it out for normal speed.");
    if (speech.stream_format != "audio" && speech.stream_format != "sse")
        return bad("stream_format", "parameter 'stream_format' must be audio or sse",
                   "Leave it out to receive the audio itself.");
    return {};
}

Result<> take_field(const MultipartField& field, Operation operation, TranscriptionParams& out)
{
    const auto& [name, value] = field;
    if (!is_valid_utf8(value))
        return bad(name.substr(0, 64),
                   fmt::format("field '{}' is not valid UTF-8", printable(name.substr(0, 64))),
                   "Encode the form's text as UTF-8.");
    if (name == "model") {
        out.model = value;
    } else if (name == "language") {
        out.language = value;
    } else if (name == "prompt") {
        out.prompt = value;
    } else if (name == "response_format") {
        const bool known = std::ranges::find(k_text_formats, value) != k_text_formats.end();
        if (!known || (operation == Operation::translation && value == "diarized_json"))
            return bad(name, fmt::format("response_format '{}' is not known", printable(value.substr(0, 40))),
                       "Use one of json, text, srt, verbose_json, vtt.");
        out.response_format = value;
    } else if (name == "temperature") {
        double number = 0;
        const auto text = trim(value);
        const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (ec != std::errc{} || end != text.data() + text.size() || !(number >= 0 && number <= 1))
            return bad(name, "parameter 'temperature' must be a number from 0 to 1", "Leave it out for 0.");
        out.temperature = text;
    } else if (name == "timestamp_granularities") {
        if (value != "word" && value != "segment")
            return bad(name, "parameter 'timestamp_granularities' must be word or segment",
                       "Repeat the field timestamp_granularities[] to get both.");
        out.granularities.push_back(value);
    } else if (name == "stream") {
        if (!iequals(value, "true") && !iequals(value, "false") && value != "1" && value != "0")
            return bad(name, "parameter 'stream' must be true or false", "Leave it out for a whole answer.");
        out.stream = iequals(value, "true") || value == "1";
    }
    return {};
}

} // namespace

std::size_t utf8_characters(std::string_view text)
{
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::unexpected<Error> missing_parameter(std::string_view param)
{
    return std::unexpected(Error{ErrorKind::usage, fmt::format("missing required parameter '{}'", param),
                                 fmt::format("Add '{}' to the request.", param)}
                               .with_detail("param", std::string(param))
                               .with_detail("code", "missing_required_parameter"));
}

Result<SpeechParams> parse_speech(std::string_view json)
{
    SpeechParams speech;
    SpeechHandler handler(speech);
    if (!nlohmann::json::sax_parse(json, &handler)) {
        return fail(ErrorKind::usage,
                    handler.position() > 0
                        ? fmt::format("the body is not valid JSON at byte {}", handler.position())
                        : "the body is not valid JSON",
                    "Send a JSON object with model, input and voice, encoded as UTF-8.");
    }
    if (!handler.is_object() || !trim(json).starts_with('{'))
        return fail(ErrorKind::usage, "the body is not a JSON object",
                    "Send a JSON object with model, input and voice.");
    if (!handler.fault().empty())
        return wrong_type(handler.fault(), handler.wanted());
    TRY(check_speech(speech));
    speech.raw_json = json;
    return speech;
}

Result<TranscriptionParams> read_transcription(const MultipartReader& reader, std::string_view boundary,
                                               Operation operation)
{
    TranscriptionParams out;
    out.boundary = boundary;
    out.filename = reader.filename();
    out.complete = reader.complete();
    for (const auto& field : reader.fields())
        TRY(take_field(field, operation, out));
    if (!out.complete)
        return out;
    if (out.model.empty())
        return missing_parameter("model");
    if (!out.granularities.empty() && out.response_format != "verbose_json")
        return bad("timestamp_granularities",
                   "parameter 'timestamp_granularities' needs response_format verbose_json",
                   "Set response_format to verbose_json.");
    return out;
}

std::string bad_request_body(const Error& error)
{
    const auto detail = [&](const char* name) {
        const auto it = error.details.find(name);
        return it == error.details.end() ? std::string() : it->second;
    };
    auto text = error.message;
    if (!error.hint.empty())
        text += ". " + error.hint;
    return openai_error(text, "invalid_request_error", detail("code"), detail("param"));
}

} // namespace conduit::agent
