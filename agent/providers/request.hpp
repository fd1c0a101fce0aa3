// SPDX-License-Identifier: Apache-2.0
// The client's request, checked: every fault is a usage error that names its parameter.
#pragma once

#include "agent/providers/adapter.hpp"
#include "agent/providers/multipart.hpp"

#include <string>
#include <string_view>

namespace conduit::agent {

inline constexpr std::size_t k_max_input_characters = 4096;

// The body of POST /v1/audio/speech. The result's raw_json is the body itself.
Result<SpeechParams> parse_speech(std::string_view json);

// The body of POST /v1/chat/completions, which becomes the result's raw_json.
Result<ChatParams> parse_chat(std::string json);

// The fields of a transcription or translation form. As long as the reader is not complete, a field that may
// still come (model) is not missed.
Result<TranscriptionParams> read_transcription(const MultipartReader& reader, std::string_view boundary,
                                               Operation operation);

std::unexpected<Error> missing_parameter(std::string_view param);

// A fault as OpenAI words it: details["param"] and details["code"] of the error are used.
std::string bad_request_body(const Error& error);

std::size_t utf8_characters(std::string_view text); // code points

} // namespace conduit::agent
