// SPDX-License-Identifier: Apache-2.0
// What the tests of Amazon's two services share.
#pragma once

#include "agent/providers/adapter.hpp"
#include "core/event_stream.hpp"
#include "core/json.hpp"
#include "core/sigv4.hpp"
#include "core/text.hpp"
#include "tests/support/catch.hpp"

namespace conduit::agent {

inline const WallTime k_then = *parse_time("2015-08-30T12:36:00.000Z");

inline const Adapter& aws()
{
    return adapter_for(ProviderKind::aws);
}

inline ProviderConfig provider(std::string endpoint = {})
{
    ProviderConfig out;
    out.name = "aws";
    out.kind = ProviderKind::aws;
    out.endpoint = std::move(endpoint);
    out.region = "us-east-1";
    out.access_key = "AKIDEXAMPLE";
    out.secret_key = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    return out;
}

inline ClientRequest upload(AudioFormat format = AudioFormat::wav)
{
    ClientRequest request;
    request.stt.model = "whisper-1";
    request.stt.audio.format = format;
    request.stt.audio.sample_rate = 16000;
    request.stt.audio.channels = 1;
    request.stt.audio.bits = 16;
    request.stt.audio.data_offset = 44;
    return request;
}

inline std::string hex_of(std::string_view bytes)
{
    return hex_encode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

inline std::string wav(std::string_view samples, std::uint32_t length)
{
    std::string out(40, 'h');
    for (unsigned i = 0; i < 4; ++i)
        out += static_cast<char>(length >> (8U * i) & 255U);
    return out + std::string(samples);
}

inline Classified classify(int status, std::string_view type, std::string_view body)
{
    HeaderList headers;
    if (!type.empty())
        headers.emplace_back("x-amzn-errortype", std::string(type));
    return aws().classify({status, std::move(headers)}, body);
}

} // namespace conduit::agent
