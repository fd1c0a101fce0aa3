// SPDX-License-Identifier: Apache-2.0
// OpenAI: /v1/audio/speech and /v1/chat/completions.
#include "core/text.hpp"
#include "sim/audio/audio.hpp"
#include "sim/wire/providers.hpp"
#include "sim/wire/transcript.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::sim {
namespace {

constexpr std::size_t k_max_input = 4096;
constexpr std::array<std::string_view, 13> k_voices = {"alloy", "ash",   "ballad", "coral", "echo",
                                                       "fable", "onyx",  "nova",   "sage",  "shimmer",
                                                       "verse", "marin", "cedar"};

WireResponse refuse(std::string message, std::string_view param = {}, std::string_view code = {})
{
    return openai_error({400, "invalid_request_error", std::move(message), param, code});
}

Result<Json> body_of(const WireRequest& request)
{
    TRY_ASSIGN(auto body, parse_json(request.body));
    if (!body.is_object())
        return fail(ErrorKind::failed, "not an object");
    return body;
}

WireResponse bad_json()
{
    return refuse(
        "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your "
        "HTTP library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid "
        "JSON.)");
}

std::size_t characters(std::string_view text)
{
    return static_cast<std::size_t>(
        std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

std::optional<WireResponse> bad_speech(const Json& body)
{
    for (const auto* name : {"model", "input"}) {
        const auto value = json_string_or(body, name, "");
        if (value.empty())
            return refuse(fmt::format("Missing required parameter: '{}'.", name), name,
                          "missing_required_parameter");
    }
    const auto model = json_string_or(body, "model", "");
    if (!openai_model_exists(model))
        return openai_no_model(model);
    const auto* voice = json_find(body, "voice");
    if (voice == nullptr || voice->is_null())
        return refuse("Missing required parameter: 'voice'.", "voice", "missing_required_parameter");
    const bool known = voice->is_object()
                           ? !json_string_or(*voice, "id", "").empty()
                           : std::ranges::find(k_voices, json_string_or(body, "voice", "")) != k_voices.end();
    if (!known)
        return refuse(
            "Invalid value for 'voice'. Supported values are: 'alloy', 'ash', 'ballad', 'coral', 'echo', "
            "'fable', 'onyx', 'nova', 'sage', 'shimmer', 'verse', 'marin', and 'cedar'.",
            "voice", "invalid_value");
    if (characters(json_string_or(body, "input", "")) > k_max_input)
        return refuse("Invalid 'input': string too long. Expected a string with maximum length 4096.",
                      "input", "string_above_max_length");
    const auto speed = json_number_or(body, "speed", 1.0);
    if (speed < 0.25 || speed > 4.0)
        return refuse("Invalid 'speed': must be between 0.25 and 4.0.", "speed", "invalid_value");
    const auto format = parse_audio_format(json_string_or(body, "response_format", "mp3"));
    if (!format || *format == AudioFormat::mulaw || *format == AudioFormat::alaw)
        return refuse(
            "Invalid value for 'response_format'. Supported values are: 'mp3', 'opus', 'aac', 'flac', "
            "'wav', and 'pcm'.",
            "response_format", "invalid_value");
    if (json_string_or(body, "stream_format", "audio") == "sse" && model.starts_with("tts-1"))
        return refuse("stream_format 'sse' is not supported for this model.", "stream_format",
                      "unsupported_value");
    return std::nullopt;
}

WireResponse speech_events(std::string_view text, std::string_view audio, double seconds)
{
    constexpr std::size_t k_piece = 24000;
    WireResponse response{200, {{"Content-Type", "text/event-stream; charset=utf-8"}}, {}, true, {}};
    for (std::size_t at = 0; at < audio.size(); at += k_piece)
        response.body +=
            sse_event({{"type", "speech.audio.delta"}, {"audio", base64_encode(audio.substr(at, k_piece))}});
    const auto input = token_count(text);
    const auto output = static_cast<std::size_t>(std::ceil(seconds * 20));
    response.body += sse_event(
        {{"type", "speech.audio.done"},
         {"usage", {{"input_tokens", input}, {"output_tokens", output}, {"total_tokens", input + output}}}});
    return response;
}

// The text of a message whose content is a string or a list of parts.
std::string message_text(const Json& message)
{
    const auto* content = json_find(message, "content");
    if (content == nullptr)
        return {};
    if (!content->is_array())
        return json_string_or(message, "content", "");
    std::string text;
    for (const auto& part : *content)
        text += json_string_or(part, "text", "");
    return text;
}

struct Chat {
    std::string id;
    std::string model;
    std::string reply;
    Json usage;
    long created = 0;
};

Json chat_chunk(const Chat& chat, Json choices)
{
    return {{"id", chat.id},       {"object", "chat.completion.chunk"}, {"created", chat.created},
            {"model", chat.model}, {"system_fingerprint", "fp_sim"},    {"choices", std::move(choices)}};
}

WireResponse chat_stream(const Chat& chat, bool with_usage)
{
    WireResponse response{200, {{"Content-Type", "text/event-stream; charset=utf-8"}}, {}, true, {}};
    const auto send = [&](Json delta, Json finish) {
        response.body += sse_event(chat_chunk(
            chat, Json::array(
                      {{{"index", 0}, {"delta", std::move(delta)}, {"finish_reason", std::move(finish)}}})));
    };
    send({{"role", "assistant"}, {"content", ""}}, nullptr);
    bool first = true;
    for (const auto& word : words_of(chat.reply, 1)) {
        send({{"content", (first ? "" : " ") + word.text}}, nullptr);
        first = false;
    }
    send(Json::object(), "stop");
    if (with_usage) {
        auto last = chat_chunk(chat, Json::array());
        last["usage"] = chat.usage;
        response.body += sse_event(last);
    }
    response.body += "data: [DONE]\n\n";
    return response;
}

} // namespace

WireResponse openai_speech(const WireRequest& request)
{
    const auto body = body_of(request);
    if (!body)
        return bad_json();
    if (auto refused = bad_speech(*body))
        return *std::move(refused);
    const auto text = json_string_or(*body, "input", "");
    SpeechSpec spec;
    spec.format = *parse_audio_format(json_string_or(*body, "response_format", "mp3"));
    spec.speed = json_number_or(*body, "speed", 1.0);
    auto audio = make_speech(text, spec);
    if (json_string_or(*body, "stream_format", "audio") == "sse")
        return speech_events(text, audio, speech_seconds(text, spec.speed));
    return {200, {{"Content-Type", std::string(media_type(spec.format))}}, std::move(audio), true, {}};
}

WireResponse openai_chat(const WireRequest& request, const WireContext& context)
{
    const auto body = body_of(request);
    if (!body)
        return bad_json();
    Chat chat;
    chat.model = json_string_or(*body, "model", "");
    if (chat.model.empty())
        return refuse("you must provide a model parameter");
    if (!openai_model_exists(chat.model))
        return openai_no_model(chat.model);
    const auto* messages = json_find(*body, "messages");
    if (messages == nullptr || !messages->is_array() || messages->empty())
        return refuse("Invalid 'messages': empty array. Expected an array with minimum length 1.", "messages",
                      "empty_array");
    std::size_t prompt_tokens = 0;
    for (const auto& message : *messages) {
        const auto text = message_text(message);
        prompt_tokens += token_count(text) + 4;
        if (json_string_or(message, "role", "") == "user")
            chat.reply = "You said: " + text;
    }
    if (chat.reply.empty())
        chat.reply = "Nothing was said.";
    chat.id = make_id("chatcmpl-", context.serial);
    chat.created = std::chrono::duration_cast<std::chrono::seconds>(context.now.time_since_epoch()).count();
    const auto reply_tokens = token_count(chat.reply);
    chat.usage = {{"prompt_tokens", prompt_tokens},
                  {"completion_tokens", reply_tokens},
                  {"total_tokens", prompt_tokens + reply_tokens}};
    if (json_bool_or(*body, "stream", false)) {
        const auto* options = json_find(*body, "stream_options");
        return chat_stream(chat, options != nullptr && json_bool_or(*options, "include_usage", false));
    }
    return json_response(
        200, {{"id", chat.id},
              {"object", "chat.completion"},
              {"created", chat.created},
              {"model", chat.model},
              {"choices", Json::array({{{"index", 0},
                                        {"message", {{"role", "assistant"}, {"content", chat.reply}}},
                                        {"finish_reason", "stop"}}})},
              {"usage", chat.usage},
              {"system_fingerprint", "fp_sim"}});
}

} // namespace conduit::sim
