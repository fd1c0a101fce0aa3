// SPDX-License-Identifier: Apache-2.0
// One request on its way through the agent.
#pragma once

#include "agent/providers/multipart.hpp"
#include "agent/providers/request.hpp"
#include "agent/server/answer.hpp"
#include "agent/server/upload.hpp"
#include "agent/server/worker.hpp"
#include "core/hash.hpp"

#include <memory>
#include <optional>
#include <string>

namespace conduit::agent {

struct Refusal { // an answer of our own instead of a provider's
    int status = 400;
    std::string message;
    std::string type = "invalid_request_error";
    std::string code;
    std::string param;
    HeaderList headers;
    Outcome outcome = Outcome::client_error;
    std::string body; // ready made, instead of the fields above
};

struct ClientCall {
    ClientCall(Worker& w, AnswerSink& s);
    const Config& config() const { return snapshot->config; }
    SteadyTime now() const { return std::chrono::steady_clock::now(); }

    Worker& worker;
    AnswerSink& sink;
    std::shared_ptr<const Snapshot> snapshot;
    std::shared_ptr<const SafetyRules> rules;
    Stream* client = nullptr;              // null: in-process
    Upload* upload = nullptr;              // null: the request is in `request` as a whole
    std::optional<Sha256Digest> presented; // of the key that the client sent; not set: none
    const ApiKey* key = nullptr;
    ClientRequest request;
    std::unique_ptr<MultipartReader> form;
    DurationMeter meter;
    std::string cache_key; // "": not cached
    std::string captured;  // the answer, when somebody needs it afterwards
    bool capture = false;
    std::string answer_type;                     // Content-Type of the answer
    bool gone = false;                           // the client went away
    bool in_process = false, was_cached = false; // ours: no key, no limits
    bool undecoded = false;                      // a probe: its answer is no speech and no transcription
    std::string traceparent, tracestate;
    HeaderList extra_headers; // of the answer
    RequestRecord record;
    std::size_t provider_index = k_max_providers;
    ProviderHealth* health = nullptr; // of the provider that is being asked
    SteadyTime started, deadline;
    std::chrono::steady_clock::duration waited{0}; // for the provider and for the client's bytes: not ours
};

// The order of the request path. Each step is one unit with one entry point.
Task<std::optional<Refusal>> admit(ClientCall& call); // key, blocklist, limits
Task<std::optional<Refusal>> read_request(ClientCall& call, std::string_view content_type);
std::optional<Refusal> check_safety(ClientCall& call, std::string_view text);
Task<void> serve(ClientCall& call, std::string_view content_type);
Task<std::optional<Refusal>> send_to_providers(ClientCall& call);

Task<void> refuse(ClientCall& call, Refusal refusal);
Refusal upload_refusal(UploadFault fault, const Config& config);
void account(ClientCall& call); // metrics and records; once
void add_conduit_headers(ClientCall& call, HeaderList& headers);

} // namespace conduit::agent
