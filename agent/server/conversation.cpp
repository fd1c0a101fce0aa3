// SPDX-License-Identifier: Apache-2.0
// POST /v1/audio/conversations: the upload is transcribed, a chat completion answers, the answer is spoken.
// Each step is an ordinary request, accounted for by itself; only the first one is charged to the limits.
#include "agent/server/exchange.hpp"
#include "agent/server/session.hpp"
#include "core/json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {

namespace {

constexpr std::size_t k_step_limit = 4U << 20U;
constexpr std::size_t k_shown_text = 1500; // of each text, in the header

struct Form {
    std::map<std::string, std::string> fields;
    std::string audio, filename, content_type;
    std::string get(const std::string& name, const std::string& other, std::string otherwise) const
    {
        for (const std::string& key : {name, other})
            if (const auto it = fields.find(key); it != fields.end() && !it->second.empty())
                return it->second;
        return otherwise;
    }
};

Refusal invalid(std::string message, std::string param = {})
{
    return {
        .status = 400, .message = std::move(message), .code = "invalid_request", .param = std::move(param)};
}

Task<std::optional<Refusal>> read_form_whole(ClientCall& call, std::string content_type, Form& form)
{
    const auto boundary = multipart_boundary(content_type);
    if (!boundary)
        co_return Refusal{.status = 415,
                          .message = "send the audio as multipart/form-data with a boundary",
                          .code = "unsupported_media_type"};
    const UploadFault fault =
        co_await call.upload->keep_all(call.config().server.max_body, call.worker.shared.replay_bytes);
    call.gone = fault == UploadFault::gone;
    if (fault != UploadFault::none)
        co_return upload_refusal(fault, call.config());
    MultipartReader reader(*boundary);
    std::vector<std::string_view> audio;
    for (std::string_view piece : call.upload->kept()) {
        audio.clear();
        if (const auto fed = reader.feed(piece, audio); !fed)
            co_return invalid(fed.error().message);
        for (std::string_view part : audio)
            form.audio.append(part);
    }
    if (const auto ended = reader.finish(); !ended)
        co_return invalid(ended.error().message, "file");
    for (const MultipartField& field : reader.fields())
        form.fields[field.name] = field.value;
    form.filename = std::string(reader.filename());
    form.content_type = std::string(reader.file_content_type());
    call.upload->forget();
    co_return std::nullopt;
}

std::string transcription_body(const Form& form, std::string_view boundary)
{
    std::string body;
    const auto add = [&](std::string_view name, std::string_view value) {
        if (!value.empty())
            body += fmt::format("--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n", boundary,
                                name, value);
    };
    add("model", form.get("stt_model", "sttModel", "whisper-1"));
    add("language", form.get("language", "language", ""));
    add("response_format", "json");
    std::string filename = form.filename.empty() ? "audio.wav" : form.filename;
    std::erase_if(filename, [](char c) { return c == '"' || c == '\r' || c == '\n'; });
    body += fmt::format("--{}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{}\"\r\n"
                        "Content-Type: {}\r\n\r\n",
                        boundary, filename,
                        form.content_type.empty() ? "application/octet-stream" : form.content_type);
    body += form.audio;
    body += fmt::format("\r\n--{}--\r\n", boundary);
    return body;
}

// A step of ours inside the client's request.
void begin_step(const ClientCall& whole, ClientCall& step, Operation operation)
{
    step.in_process = true;
    step.client = whole.client;
    step.key = whole.key;
    step.deadline = whole.deadline;
    step.traceparent = whole.traceparent;
    step.tracestate = whole.tracestate;
    step.record.request_id = whole.record.request_id;
    step.record.key_id = whole.record.key_id;
    step.request.operation = step.record.operation = operation;
}

std::optional<Refusal> step_failure(const ClientCall& step, const MemorySink& sink, std::string_view what)
{
    if (sink.begun() && sink.complete() && sink.status() == 200)
        return std::nullopt;
    Refusal refusal{.status = sink.status() >= 400 ? sink.status() : 502,
                    .message = fmt::format("{} failed", what),
                    .type = "server_error",
                    .code = step.record.error.empty() ? "provider_failed" : step.record.error,
                    .outcome = step.record.outcome == Outcome::ok ? Outcome::transient : step.record.outcome};
    if (sink.complete() && sink.body().starts_with('{'))
        refusal.body = sink.body();
    return refusal;
}

Task<std::optional<Refusal>> transcribe(ClientCall& whole, const Form& form, std::string& transcript)
{
    const std::string boundary = "conduit-" + random_token(12);
    const std::string body = transcription_body(form, boundary);
    MemorySink sink(k_step_limit);
    ClientCall step(whole.worker, sink);
    begin_step(whole, step, Operation::transcription);
    Upload upload(whole.worker.loop, body);
    step.upload = &upload;
    const std::string content_type = "multipart/form-data; boundary=" + boundary;
    co_await serve(step, content_type);
    whole.gone = whole.gone || step.gone;
    if (auto refusal = step_failure(step, sink, "the transcription"))
        co_return refusal;
    const auto answer = parse_json(sink.body());
    transcript = answer ? json_string_or(*answer, "text", "") : "";
    co_return std::nullopt;
}

Json chat_request(const Form& form, const std::string& transcript)
{
    Json messages = Json::array();
    if (const std::string system = form.get("system_prompt", "systemPrompt", ""); !system.empty())
        messages.push_back({{"role", "system"}, {"content", system}});
    messages.push_back({{"role", "user"}, {"content", transcript}});
    Json body{{"model", form.get("model", "llmModel", "gpt-4o-mini")}, {"messages", std::move(messages)}};
    if (const std::string tokens = form.get("max_tokens", "maxTokens", ""); !tokens.empty())
        body["max_tokens"] = std::atoi(tokens.c_str());
    if (const std::string heat = form.get("temperature", "temperature", ""); !heat.empty())
        body["temperature"] = std::atof(heat.c_str());
    return body;
}

Task<std::optional<Refusal>> complete(ClientCall& whole, const Form& form, const std::string& transcript,
                                      std::string& reply)
{
    MemorySink sink(k_step_limit);
    ClientCall step(whole.worker, sink);
    begin_step(whole, step, Operation::chat);
    step.request.chat.raw_json = dump_json(chat_request(form, transcript));
    step.record.model = form.get("model", "llmModel", "gpt-4o-mini");
    co_await serve(step, {});
    whole.gone = whole.gone || step.gone;
    if (auto refusal = step_failure(step, sink, "the chat completion"))
        co_return refusal;
    const auto answer = parse_json(sink.body());
    const Json* choices = answer ? json_find(*answer, "choices") : nullptr;
    if (choices != nullptr && choices->is_array() && !choices->empty())
        if (const Json* message = json_find(choices->front(), "message"))
            reply = json_string_or(*message, "content", "");
    if (reply.empty())
        co_return Refusal{.status = 502,
                          .message = "the chat completion had no text",
                          .type = "server_error",
                          .code = "provider_failed",
                          .outcome = Outcome::transient};
    co_return std::nullopt;
}

std::string shown(std::string text)
{
    if (text.size() > k_shown_text)
        text.resize(k_shown_text);
    return text;
}

Task<void> speak(ClientCall& whole, const Form& form, const std::string& transcript, const std::string& reply)
{
    const Json request{{"model", form.get("tts_model", "ttsModel", "tts-1")},
                       {"input", reply},
                       {"voice", form.get("voice", "voiceId", "alloy")},
                       {"response_format", form.get("response_format", "outputFormat", "mp3")}};
    auto speech = parse_speech(dump_json(request));
    if (!speech) {
        Refusal refusal = invalid(speech.error().message);
        refusal.body = bad_request_body(speech.error());
        co_await refuse(whole, std::move(refusal));
        co_return;
    }
    ClientCall step(whole.worker, whole.sink);
    begin_step(whole, step, Operation::speech);
    step.request.speech = std::move(*speech);
    step.record.model = step.request.speech.model;
    step.record.voice = step.request.speech.voice;
    step.record.characters = static_cast<std::uint32_t>(utf8_characters(reply));
    const Json metadata{{"transcript", shown(transcript)}, {"reply", shown(reply)}};
    // Escaped to ASCII: a header carries nothing else safely.
    step.extra_headers.emplace_back("x-conduit-conversation",
                                    metadata.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
    co_await serve(step, {});
    whole.gone = whole.gone || step.gone;
}

} // namespace

Task<void> serve_conversation(ClientCall& call, std::string content_type)
{
    std::optional<Refusal> refusal = co_await admit(call);
    Form form;
    std::string transcript, reply;
    if (!refusal)
        refusal = co_await read_form_whole(call, std::move(content_type), form);
    if (!refusal)
        refusal = co_await transcribe(call, form, transcript);
    if (!refusal)
        refusal = co_await complete(call, form, transcript, reply);
    if (refusal) {
        co_await refuse(call, std::move(*refusal));
        co_return;
    }
    co_await speak(call, form, transcript, reply);
}

} // namespace conduit::agent
