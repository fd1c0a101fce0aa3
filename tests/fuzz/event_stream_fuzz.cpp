// SPDX-License-Identifier: Apache-2.0
// Bytes of a hostile provider: event-stream frames, transcripts and speech of each adapter, error bodies.
#include "agent/providers/adapter.hpp"
#include "core/event_stream.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>

using namespace conduit;
using namespace conduit::agent;

namespace {

void frames(std::string_view bytes, std::size_t step)
{
    EventDecoder decoder;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        decoder.feed(bytes.substr(at, step));
        for (;;) {
            const auto message = decoder.next();
            if (!message || !*message)
                break;
            // What was understood must mean the same again.
            EventDecoder again;
            again.feed(encode_event((*message)->headers, (*message)->payload));
            const auto back = again.next();
            if (!back || !*back || (*back)->payload != (*message)->payload)
                std::abort();
        }
    }
}

void decode(const Adapter& adapter, Operation operation, std::string_view bytes, std::size_t step)
{
    constexpr std::array formats{"json", "text", "srt", "vtt", "verbose_json"};
    ClientRequest request;
    request.operation = operation;
    request.stt.response_format = formats[step % formats.size()];
    request.stt.stream = step % 2 == 0;
    const auto decoder = adapter.decoder({}, request, {200, {}});
    if (!decoder)
        return;
    std::string out;
    for (std::size_t at = 0; at < bytes.size(); at += step)
        if (!decoder->feed(bytes.substr(at, step), out))
            return;
    (void)decoder->finish(out);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    if (size < 1)
        return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t step = 1U + data[0] % 64U;
    frames(bytes, step);
    // Behind a right checksum: the documents inside of the frames.
    const auto framed = encode_event("TranscriptEvent", "application/json", bytes);
    for (const auto kind : {ProviderKind::openai, ProviderKind::google, ProviderKind::aws}) {
        const auto& adapter = adapter_for(kind);
        (void)adapter.classify({400 + data[0], {{"retry-after", std::string(bytes.substr(0, 40))}}}, bytes);
        for (const auto operation : {Operation::transcription, Operation::speech}) {
            decode(adapter, operation, bytes, step);
            decode(adapter, operation, framed, step);
        }
    }
    return 0;
}
