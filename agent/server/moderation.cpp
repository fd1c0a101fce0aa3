// SPDX-License-Identifier: Apache-2.0
// The optional moderation provider (OpenAI's /v1/moderations form), asked after the rules.
#include "agent/server/moderation.hpp"
#include "agent/server/exchange.hpp"
#include "core/json.hpp"

#include <nlohmann/json.hpp>

namespace conduit::agent {

namespace {

constexpr std::size_t k_answer_limit = 65536;

ProviderConfig moderation_provider(const SafetyConfig& config)
{
    ProviderConfig provider;
    provider.name = "moderation";
    provider.endpoint = config.moderation_url;
    provider.timeout = provider.first_byte_timeout = config.moderation_timeout;
    return provider;
}

Result<UpstreamRequest> moderation_request(const SafetyConfig& config, std::string_view text)
{
    UpstreamRequest request;
    TRY_ASSIGN(request.url, parse_url(config.moderation_url));
    request.headers.emplace_back("Content-Type", "application/json");
    if (!config.moderation_key.empty())
        request.headers.emplace_back("Authorization", "Bearer " + config.moderation_key);
    request.body = dump_json(Json{{"input", text}});
    return request;
}

// Whether it was flagged; nothing when the answer does not say.
std::optional<bool> flagged(const MemorySink& sink)
{
    const auto answer = parse_json(sink.body());
    const Json* results = answer ? json_find(*answer, "results") : nullptr;
    if (results == nullptr || !results->is_array() || results->empty())
        return std::nullopt;
    const Json* flag = json_find(results->front(), "flagged");
    return flag != nullptr && flag->is_boolean() ? std::optional(flag->get<bool>()) : std::nullopt;
}

} // namespace

bool is_moderated(const ClientCall& call)
{
    const SafetyConfig& config = call.config().safety;
    return config.enabled && !config.moderation_url.empty();
}

Task<std::optional<Refusal>> moderate(ClientCall& call, std::string_view text)
{
    const SafetyConfig& config = call.config().safety;
    const ProviderConfig provider = moderation_provider(config);
    auto request = moderation_request(config, text);
    std::optional<bool> verdict;
    if (request) {
        MemorySink sink(k_answer_limit);
        ClientCall asking(call.worker, sink);
        asking.record.request_id = call.record.request_id;
        asking.undecoded = true;
        asking.deadline = std::min(call.deadline, asking.started + config.moderation_timeout);
        const Attempt attempt =
            co_await http_exchange(asking, provider, adapter_for(ProviderKind::openai), *request);
        call.waited += call.now() - asking.started;
        if (attempt.outcome == Outcome::ok && sink.complete())
            verdict = flagged(sink);
        if (!verdict)
            call.worker.shared.log.warn(
                "moderation could not be asked",
                {{"request_id", call.record.request_id}, {"reason", attempt.message}});
    }
    SafetySample sample;
    sample.age_group = call.key != nullptr ? call.key->age_group : "";
    sample.check_type = "moderation";
    sample.result = "allowed";
    std::optional<Refusal> refusal;
    if (!verdict && config.moderation_required) {
        refusal = Refusal{.status = 503,
                          .message = "the content could not be checked now",
                          .type = "safety",
                          .code = "moderation_unavailable",
                          .outcome = Outcome::transient};
        refusal->headers.emplace_back("Retry-After", "1");
    } else if (verdict.value_or(false)) {
        sample.violation_type = "moderation";
        sample.severity = "high";
        refusal = Refusal{.message = "the content is not allowed by the moderation",
                          .code = "content_policy_violation",
                          .param = "input"};
    }
    if (refusal)
        sample.result = sample.action = "blocked";
    call.worker.shared.metrics.safety(call.worker.index(), sample);
    co_return refusal;
}

} // namespace conduit::agent
