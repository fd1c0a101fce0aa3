// SPDX-License-Identifier: Apache-2.0
// Reading the client's request: JSON bodies whole, forms kept when small and looked at in passing when large.
#include "agent/server/exchange.hpp"

#include "core/json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {

namespace {

Refusal bad_request(const Error& error)
{
    Refusal refusal{.status = 400, .message = error.message};
    refusal.body = bad_request_body(error);
    refusal.code = "invalid_request";
    return refusal;
}

Task<std::optional<Refusal>> read_json(ClientCall& call, std::string& body)
{
    const std::uint64_t limit = call.config().server.max_json_body;
    const SteadyTime before = call.now();
    const UploadFault fault = co_await call.upload->keep_all(limit, call.worker.shared.replay_bytes);
    call.waited += call.now() - before;
    call.gone = fault == UploadFault::gone;
    if (fault == UploadFault::too_large)
        co_return Refusal{.status = 413,
                          .message = fmt::format("the body is larger than {}", format_bytes(limit)),
                          .code = "body_too_large"};
    if (fault != UploadFault::none)
        co_return upload_refusal(fault, call.config());
    body.reserve(call.upload->kept_bytes());
    for (std::string_view piece : call.upload->kept())
        body.append(piece);
    call.upload->forget();
    co_return std::nullopt;
}

std::optional<Refusal> parse_json_request(ClientCall& call, std::string body)
{
    if (call.request.operation == Operation::chat) {
        auto chat = parse_chat(std::move(body));
        if (!chat)
            return bad_request(chat.error());
        call.record.model = chat->model;
        call.request.chat = std::move(*chat);
        return std::nullopt;
    }
    auto speech = parse_speech(body);
    if (!speech)
        return bad_request(speech.error());
    call.request.speech = std::move(*speech);
    call.record.model = call.request.speech.model;
    call.record.voice = call.request.speech.voice;
    call.record.characters = static_cast<std::uint32_t>(utf8_characters(call.request.speech.input));
    return std::nullopt;
}

// Looks at form bytes once, as they come.
Result<> look_at(ClientCall& call, const std::vector<std::string_view>& raw,
                 std::vector<std::string_view>& audio, bool ended)
{
    for (std::string_view piece : raw) {
        const std::size_t before = audio.size();
        TRY(call.form->feed(piece, audio));
        for (std::size_t i = before; i < audio.size(); ++i)
            call.meter.feed(audio[i]);
    }
    if (ended)
        TRY(call.form->finish());
    return {};
}

std::optional<Refusal> take_parameters(ClientCall& call)
{
    auto params = read_transcription(*call.form, call.request.stt.boundary, call.request.operation);
    if (!params)
        return bad_request(params.error());
    call.request.stt = std::move(*params);
    call.request.stt.audio = call.meter.info();
    call.record.model = call.request.stt.model;
    call.record.language = call.request.stt.language;
    return std::nullopt;
}

std::optional<Refusal> check_audio(ClientCall& call)
{
    const AudioFormat format = call.meter.info().format;
    const bool known = format != AudioFormat::unknown;
    call.worker.shared.metrics.validation(call.worker.index(), audio_format_name(format),
                                          known ? "valid" : "invalid", known ? "" : "unknown_format");
    if (known || !call.form->file_started())
        return std::nullopt;
    return Refusal{.status = 400,
                   .message = "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', 'mpeg', "
                              "'mpga', 'oga', 'ogg', 'wav', 'webm']",
                   .code = "invalid_file_format",
                   .param = "file"};
}

// Takes the upload whole when another attempt may need it and there is room; else its beginning.
Task<UploadFault> keep_upload(ClientCall& call)
{
    const ServerConfig& server = call.config().server;
    auto& budget = call.worker.shared.replay_bytes;
    const auto length = call.upload->length();
    const bool room = budget.load(std::memory_order_relaxed) + length.value_or(0) <= server.replay_budget;
    UploadFault fault = UploadFault::none;
    if (length && *length <= server.replay_limit && room)
        fault = co_await call.upload->keep_all(server.replay_limit, budget);
    else
        fault = co_await call.upload->keep_first();
    co_return fault;
}

Task<std::optional<Refusal>> read_form(ClientCall& call, std::string_view content_type)
{
    auto boundary = multipart_boundary(content_type);
    if (!boundary)
        co_return Refusal{.status = 415,
                          .message = "send the audio as multipart/form-data with a boundary",
                          .code = "unsupported_media_type"};
    call.request.stt.boundary = *boundary;
    call.form = std::make_unique<MultipartReader>(*boundary);
    if (call.upload->length().value_or(0) > call.config().server.max_body)
        co_return upload_refusal(UploadFault::too_large, call.config());
    std::size_t seen = 0;
    std::vector<std::string_view> audio, fresh;
    // Until something of the audio was seen: its format decides who can take it.
    do {
        const SteadyTime before = call.now();
        const UploadFault fault = co_await keep_upload(call);
        call.waited += call.now() - before;
        call.gone = fault == UploadFault::gone;
        if (fault != UploadFault::none)
            co_return upload_refusal(fault, call.config());
        const auto& kept = call.upload->kept();
        const auto all = join_views(kept, seen);
        audio.clear();
        if (const auto looked = look_at(call, all, audio, call.upload->complete()); !looked)
            co_return bad_request(looked.error());
        seen = call.upload->kept_bytes();
    } while (!call.upload->complete() && call.meter.info().format == AudioFormat::unknown &&
             seen < Buffer::k_size);
    if (auto refusal = take_parameters(call))
        co_return refusal;
    if (auto refusal = check_audio(call))
        co_return refusal;
    if (call.upload->complete())
        call.record.audio_seconds = call.meter.seconds().value_or(0);
    co_return std::nullopt;
}

} // namespace

std::vector<std::string_view> join_views(const std::vector<std::string_view>& pieces, std::size_t skip)
{
    std::vector<std::string_view> rest;
    for (std::string_view piece : pieces) {
        if (skip >= piece.size()) {
            skip -= piece.size();
            continue;
        }
        rest.push_back(piece.substr(skip));
        skip = 0;
    }
    return rest;
}

Task<std::optional<Refusal>> read_request(ClientCall& call, std::string_view content_type)
{
    if (call.request.operation == Operation::transcription ||
        call.request.operation == Operation::translation) {
        auto refusal = co_await read_form(call, content_type);
        co_return refusal;
    }
    if (!content_type.starts_with("application/json"))
        co_return Refusal{.status = 415,
                          .message = "send a JSON body with Content-Type application/json",
                          .code = "unsupported_media_type"};
    std::string body;
    auto refusal = co_await read_json(call, body);
    if (refusal)
        co_return refusal;
    call.record.bytes_in = body.size();
    co_return parse_json_request(call, std::move(body));
}

void encode_kept(const ClientCall& call, BodyEncoder& encoder, std::string& out)
{
    if (encoder.input() == BodyEncoder::Input::raw) {
        for (std::string_view piece : call.upload->kept())
            encoder.feed(piece, out);
        return;
    }
    // A reader of its own: the pieces of the first pass are gone, and this one happened to be well formed.
    MultipartReader reader(call.request.stt.boundary);
    std::vector<std::string_view> audio;
    for (std::string_view piece : call.upload->kept()) {
        audio.clear();
        if (!reader.feed(piece, audio))
            return;
        for (std::string_view part : audio)
            encoder.feed(part, out);
    }
}

Task<UploadFault> read_upload(ClientCall& call, std::vector<std::string_view>& raw,
                              std::vector<std::string_view>& audio)
{
    const SteadyTime before = call.now();
    const UploadFault fault = co_await call.upload->next(raw);
    call.waited += call.now() - before;
    call.gone = call.gone || fault == UploadFault::gone;
    if (fault != UploadFault::none)
        co_return fault;
    audio.clear();
    const bool ended = call.upload->complete();
    if (!look_at(call, raw, audio, ended))
        co_return UploadFault::malformed;
    if (ended) {
        if (take_parameters(call))
            co_return UploadFault::malformed;
        call.record.audio_seconds = call.meter.seconds().value_or(0);
    }
    co_return UploadFault::none;
}

} // namespace conduit::agent
