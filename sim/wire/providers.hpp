// SPDX-License-Identifier: Apache-2.0
// The wire functions of each provider. message.cpp picks among them.
#pragma once

#include "sim/wire/message.hpp"

namespace conduit::sim {

WireResponse answer_openai(const Route& route, const WireRequest& request, const WireContext& context);
WireResponse answer_google(const Route& route, const WireRequest& request, const WireContext& context);
WireResponse answer_aws(const Route& route, const WireRequest& request, const WireContext& context);
std::unique_ptr<WireSocket> open_realtime(const WireRequest& request, const WireContext& context);
std::unique_ptr<WireSocket> open_transcribe(const WireRequest& request, const WireContext& context);

// OpenAI's parts, each in its own file.
struct OpenAiError {
    int status = 400;
    std::string_view type = "invalid_request_error";
    std::string message;
    std::string_view param; // "": null
    std::string_view code;  // "": null
};
WireResponse openai_error(const OpenAiError& error);
WireResponse openai_transcription(const WireRequest& request, bool translate);
WireResponse openai_speech(const WireRequest& request);
WireResponse openai_chat(const WireRequest& request, const WireContext& context);
bool openai_model_exists(std::string_view model);
WireResponse openai_no_model(std::string_view model);
std::string sse_event(const Json& event); // "data: {...}\n\n"

struct GoogleError {
    int status = 400;
    std::string_view name = "INVALID_ARGUMENT";
    std::string message;
    std::string_view reason; // of google.rpc.ErrorInfo; "": no details
    int retry_s = 0;         // of google.rpc.RetryInfo; 0: none
};
WireResponse google_error(const GoogleError& error);

// REST: the code goes into x-amzn-ErrorType. JSON 1.1 services name it in __type.
WireResponse aws_error(int status, std::string_view code, std::string_view message, bool json_protocol);
std::string transcribe_exception(std::string_view type, std::string_view message); // an event-stream frame
// Who signed the request, or the refusal with its code in details.
Result<std::string> check_aws_signature(const WireRequest& request, const WireContext& context,
                                        std::string_view service);

} // namespace conduit::sim
