// SPDX-License-Identifier: Apache-2.0
// OpenAI Realtime (GA event names): audio in, its transcript and a spoken reply out.
#include "core/text.hpp"
#include "core/url.hpp"
#include "sim/audio/audio.hpp"
#include "sim/wire/providers.hpp"
#include "sim/wire/transcript.hpp"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::sim {
namespace {

constexpr std::size_t k_max_append = 15U << 20U; // of one event's audio
constexpr std::size_t k_max_audio = 64U << 20U;
constexpr std::size_t k_delta = 9600; // 200 ms

class RealtimeSocket final : public WireSocket {
  public:
    RealtimeSocket(std::string model, std::uint64_t serial, WallTime now);
    bool binary() const override { return false; }
    SocketOutput start() override;
    SocketOutput receive(std::string_view message, bool is_binary) override;

  private:
    void send(Json event);
    void error(std::string_view code, std::string_view message, const Json& cause);
    void dispatch(const std::string& type, const Json& event);
    void update(const Json& event);
    void append(const Json& event);
    void commit(const Json& event);
    void create_item(const Json& event);
    void respond(const Json& event);
    void speak(const std::string& text, const std::string& response, const std::string& item);
    void write(const std::string& text, const std::string& response, const std::string& item);
    Json usage(const std::string& text, std::size_t audio_tokens) const;
    std::string next_id(std::string_view prefix) { return fmt::format("{}{}_{}", prefix, session_, ++ids_); }

    std::string session_;
    Json description_;
    SocketOutput out_;
    std::string audio_;
    std::string heard_;     // what the next response replies to
    bool answered_ = false; // a response was made by a commit and not yet asked for
    double heard_seconds_ = 0;
    Json last_item_ = nullptr;
    std::size_t ids_ = 0;
};

RealtimeSocket::RealtimeSocket(std::string model, std::uint64_t serial, WallTime now)
    : session_(make_id("", serial).substr(0, 12))
{
    const auto expires =
        std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count() + 3600;
    const Json format{{"type", "audio/pcm"}, {"rate", 24000}};
    description_ = {{"type", "realtime"},
                    {"object", "realtime.session"},
                    {"id", "sess_" + session_},
                    {"model", std::move(model)},
                    {"output_modalities", Json::array({"audio"})},
                    {"instructions", ""},
                    {"tools", Json::array()},
                    {"tool_choice", "auto"},
                    {"max_output_tokens", "inf"},
                    {"tracing", nullptr},
                    {"prompt", nullptr},
                    {"expires_at", expires},
                    {"audio",
                     {{"input",
                       {{"format", format},
                        {"transcription", nullptr},
                        {"noise_reduction", nullptr},
                        {"turn_detection",
                         {{"type", "server_vad"},
                          {"threshold", 0.5},
                          {"prefix_padding_ms", 300},
                          {"silence_duration_ms", 200},
                          {"idle_timeout_ms", nullptr},
                          {"create_response", true},
                          {"interrupt_response", true}}}}},
                      {"output", {{"format", format}, {"voice", "marin"}, {"speed", 1.0}}}}},
                    {"include", nullptr}};
}

void RealtimeSocket::send(Json event)
{
    // type and event_id first, as the provider writes them
    Json ordered{{"type", event["type"]}, {"event_id", next_id("event_")}};
    for (const auto& [key, value] : event.items()) {
        if (key != "type")
            ordered[key] = value;
    }
    out_.messages.push_back(dump_json(ordered));
}

void RealtimeSocket::error(std::string_view code, std::string_view message, const Json& cause)
{
    const auto id = json_string_or(cause, "event_id", "");
    send({{"type", "error"},
          {"error",
           {{"type", "invalid_request_error"},
            {"code", code},
            {"message", message},
            {"param", nullptr},
            {"event_id", id.empty() ? Json(nullptr) : Json(id)}}}});
}

SocketOutput RealtimeSocket::start()
{
    send({{"type", "session.created"}, {"session", description_}});
    return std::exchange(out_, {});
}

SocketOutput RealtimeSocket::receive(std::string_view message, bool is_binary)
{
    const auto event = parse_json(message, {.max_bytes = 24U << 20U});
    if (is_binary || !event || !event->is_object())
        error("invalid_json", "The message is not a JSON object.", Json::object());
    else if (const auto type = json_string_or(*event, "type", ""); type.empty())
        error("invalid_event", "The 'type' field is missing.", *event);
    else
        dispatch(type, *event);
    return std::exchange(out_, {});
}

void RealtimeSocket::dispatch(const std::string& type, const Json& event)
{
    if (type == "session.update") {
        update(event);
    } else if (type == "input_audio_buffer.append") {
        append(event);
    } else if (type == "input_audio_buffer.commit") {
        commit(event);
    } else if (type == "input_audio_buffer.clear") {
        audio_.clear();
        send({{"type", "input_audio_buffer.cleared"}});
    } else if (type == "conversation.item.create") {
        create_item(event);
    } else if (type == "response.create") {
        if (!std::exchange(answered_, false))
            respond(event);
    } else if (type == "response.cancel") {
        error("response_cancel_not_active", "Cancellation failed: no active response found", event);
    } else {
        error("invalid_value", fmt::format("Invalid value: '{}'.", sanitize_utf8(type)), event);
    }
}

void RealtimeSocket::update(const Json& event)
{
    const auto* session = json_find(event, "session");
    if (session == nullptr || !session->is_object())
        return error("missing_required_parameter", "Missing required parameter: 'session'.", event);
    auto merged = description_;
    merged.merge_patch(*session);
    for (const auto* fixed : {"id", "object", "model", "expires_at"})
        merged[fixed] = description_[fixed];
    auto& audio = merged["audio"];
    if (!audio.is_object() || !audio["input"].is_object())
        return error("invalid_type", "Invalid type for 'session.audio': expected an object.", event);
    // A null in a patch removes; the provider keeps the member and shows null.
    for (const auto* nullable : {"transcription", "turn_detection", "noise_reduction"}) {
        if (!audio["input"].contains(nullable))
            audio["input"][nullable] = nullptr;
    }
    description_ = std::move(merged);
    send({{"type", "session.updated"}, {"session", description_}});
}

void RealtimeSocket::append(const Json& event)
{
    const auto audio = base64_decode(json_string_or(event, "audio", ""));
    if (!audio)
        return error("invalid_value", "Invalid 'audio'. Expected base64-encoded audio bytes.", event);
    if (audio->size() > k_max_append || audio_.size() + audio->size() > k_max_audio)
        return error("input_audio_buffer_too_large", "The audio exceeds the limit of the buffer.", event);
    audio_ += *audio;
}

void RealtimeSocket::commit(const Json& event)
{
    constexpr std::size_t k_least = 4800; // 100 ms
    if (audio_.size() < k_least)
        return error(
            "input_audio_buffer_commit_empty",
            fmt::format("Error committing input audio buffer: buffer too small. Expected at least 100ms of "
                        "audio, but buffer only has {:.2f}ms of audio.",
                        static_cast<double>(audio_.size()) / 48.0),
            event);
    const auto facts = read_audio(audio_);
    heard_ = transcript_of(audio_, facts);
    heard_seconds_ = facts.seconds;
    audio_.clear();
    const auto item = next_id("item_");
    send({{"type", "input_audio_buffer.committed"}, {"previous_item_id", last_item_}, {"item_id", item}});
    const Json content{
        {"id", item},        {"object", "realtime.item"},
        {"type", "message"}, {"status", "completed"},
        {"role", "user"},    {"content", Json::array({{{"type", "input_audio"}, {"transcript", nullptr}}})}};
    send({{"type", "conversation.item.added"}, {"previous_item_id", last_item_}, {"item", content}});
    send({{"type", "conversation.item.done"}, {"previous_item_id", last_item_}, {"item", content}});
    last_item_ = item;
    const auto audio_tokens = static_cast<std::size_t>(std::ceil(heard_seconds_ * 10));
    const auto output = token_count(heard_);
    send({{"type", "conversation.item.input_audio_transcription.delta"},
          {"item_id", item},
          {"content_index", 0},
          {"delta", heard_}});
    send({{"type", "conversation.item.input_audio_transcription.completed"},
          {"item_id", item},
          {"content_index", 0},
          {"transcript", heard_},
          {"usage",
           {{"type", "tokens"},
            {"total_tokens", audio_tokens + output},
            {"input_tokens", audio_tokens},
            {"input_token_details", {{"text_tokens", 0}, {"audio_tokens", audio_tokens}}},
            {"output_tokens", output}}}});
    const auto turn = Json::json_pointer("/audio/input/turn_detection");
    const auto detection = description_.contains(turn) ? description_.at(turn) : Json(nullptr);
    if (json_bool_or(detection, "create_response", false)) {
        respond(Json::object());
        answered_ = true; // the response.create that usually follows a commit asks for this very response
    }
}

void RealtimeSocket::create_item(const Json& event)
{
    const auto* given = json_find(event, "item");
    if (given == nullptr || !given->is_object())
        return error("missing_required_parameter", "Missing required parameter: 'item'.", event);
    auto item = *given;
    if (json_string_or(item, "id", "").empty())
        item["id"] = next_id("item_");
    item["object"] = "realtime.item";
    item["status"] = "completed";
    if (const auto* content = json_find(item, "content"); content != nullptr && content->is_array()) {
        heard_.clear();
        for (const auto& part : *content)
            heard_ += json_string_or(part, "text", json_string_or(part, "transcript", ""));
        heard_seconds_ = 0;
        answered_ = false;
    }
    send({{"type", "conversation.item.added"}, {"previous_item_id", last_item_}, {"item", item}});
    send({{"type", "conversation.item.done"}, {"previous_item_id", last_item_}, {"item", item}});
    last_item_ = item["id"];
}

void RealtimeSocket::speak(const std::string& text, const std::string& response, const std::string& item)
{
    const auto event = [&](std::string_view type, std::string_view key, std::string value) {
        send({{"type", type},
              {"response_id", response},
              {"item_id", item},
              {"output_index", 0},
              {"content_index", 0},
              {key, std::move(value)}});
    };
    bool first = true;
    for (const auto& word : words_of(text, 1)) {
        event("response.output_audio_transcript.delta", "delta", (first ? "" : " ") + word.text);
        first = false;
    }
    const auto audio = make_speech(text, {.format = AudioFormat::pcm});
    for (std::size_t at = 0; at < audio.size(); at += k_delta)
        event("response.output_audio.delta", "delta",
              base64_encode(std::string_view(audio).substr(at, k_delta)));
    send({{"type", "response.output_audio.done"},
          {"response_id", response},
          {"item_id", item},
          {"output_index", 0},
          {"content_index", 0}});
    event("response.output_audio_transcript.done", "transcript", text);
}

void RealtimeSocket::write(const std::string& text, const std::string& response, const std::string& item)
{
    bool first = true;
    const auto event = [&](std::string_view type, std::string_view key, std::string value) {
        send({{"type", type},
              {"response_id", response},
              {"item_id", item},
              {"output_index", 0},
              {"content_index", 0},
              {key, std::move(value)}});
    };
    for (const auto& word : words_of(text, 1)) {
        event("response.output_text.delta", "delta", (first ? "" : " ") + word.text);
        first = false;
    }
    event("response.output_text.done", "text", text);
}

Json RealtimeSocket::usage(const std::string& text, std::size_t audio_tokens) const
{
    const auto input_audio = static_cast<std::size_t>(std::ceil(heard_seconds_ * 10));
    const auto input_text = heard_seconds_ > 0 ? 0 : token_count(heard_);
    const auto output_text = token_count(text);
    return {{"total_tokens", input_audio + input_text + output_text + audio_tokens},
            {"input_tokens", input_audio + input_text},
            {"output_tokens", output_text + audio_tokens},
            {"input_token_details",
             {{"text_tokens", input_text},
              {"audio_tokens", input_audio},
              {"image_tokens", 0},
              {"cached_tokens", 0},
              {"cached_tokens_details", {{"text_tokens", 0}, {"audio_tokens", 0}, {"image_tokens", 0}}}}},
            {"output_token_details", {{"text_tokens", output_text}, {"audio_tokens", audio_tokens}}}};
}

void RealtimeSocket::respond(const Json& event)
{
    const auto* wanted = json_find(event, "response");
    const auto* modalities = wanted == nullptr ? nullptr : json_find(*wanted, "output_modalities");
    if (modalities == nullptr)
        modalities = json_find(description_, "output_modalities");
    const bool as_text = modalities != nullptr && *modalities == Json::array({"text"});
    const auto text = heard_.empty() ? std::string("Nothing was said.") : "You said: " + heard_;
    const auto id = next_id("resp_");
    const auto item = next_id("item_");
    Json response{{"object", "realtime.response"},
                  {"id", id},
                  {"status", "in_progress"},
                  {"status_details", nullptr},
                  {"output", Json::array()},
                  {"conversation_id", "conv_" + session_},
                  {"usage", nullptr},
                  {"metadata", nullptr}};
    send({{"type", "response.created"}, {"response", response}});
    Json message{{"id", item},          {"object", "realtime.item"},
                 {"type", "message"},   {"status", "in_progress"},
                 {"role", "assistant"}, {"content", Json::array()}};
    send({{"type", "response.output_item.added"},
          {"response_id", id},
          {"output_index", 0},
          {"item", message}});
    const Json part = as_text ? Json{{"type", "output_text"}, {"text", text}}
                              : Json{{"type", "output_audio"}, {"transcript", text}};
    const auto part_event = [&](std::string_view type) {
        send({{"type", type},
              {"response_id", id},
              {"item_id", item},
              {"output_index", 0},
              {"content_index", 0},
              {"part", part}});
    };
    part_event("response.content_part.added");
    as_text ? write(text, id, item) : speak(text, id, item);
    part_event("response.content_part.done");
    message["status"] = "completed";
    message["content"].push_back(part);
    send(
        {{"type", "response.output_item.done"}, {"response_id", id}, {"output_index", 0}, {"item", message}});
    response["status"] = "completed";
    response["output"].push_back(message);
    response["usage"] =
        usage(text, as_text ? 0 : static_cast<std::size_t>(std::ceil(speech_seconds(text, 1) * 20)));
    send({{"type", "response.done"}, {"response", response}});
    send({{"type", "rate_limits.updated"},
          {"rate_limits",
           Json::array(
               {{{"name", "requests"}, {"limit", 1000}, {"remaining", 999}, {"reset_seconds", 60}}})}});
    last_item_ = item;
}

} // namespace

std::unique_ptr<WireSocket> open_realtime(const WireRequest& request, const WireContext& context)
{
    const auto query = parse_query(request.query);
    const auto model = query.find("model");
    return std::make_unique<RealtimeSocket>(model == query.end() ? "gpt-realtime" : model->second,
                                            context.serial, context.now);
}

} // namespace conduit::sim
