// SPDX-License-Identifier: Apache-2.0
#include "agent/server/call.hpp"

#include "agent/server/fleet.hpp"
#include "agent/server/wait_for.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

namespace conduit::agent {

ClientCall::ClientCall(Worker& w, AnswerSink& s)
    : worker(w), sink(s), snapshot(w.snapshot), rules(w.rules), started(std::chrono::steady_clock::now()),
      deadline(started + snapshot->config.server.request_timeout)
{
    record.time = w.shared.clock.now();
}

void add_conduit_headers(ClientCall& call, HeaderList& headers)
{
    const auto total = call.now() - call.started;
    const auto ours = std::chrono::duration_cast<std::chrono::microseconds>(total - call.waited).count();
    call.record.overhead_us = static_cast<std::uint32_t>(std::max<std::int64_t>(ours, 0));
    if (!call.record.provider.empty())
        headers.emplace_back("x-conduit-provider", call.record.provider);
    headers.emplace_back("x-conduit-attempts", std::to_string(call.record.attempts));
    headers.emplace_back("x-conduit-cache", cache_use_name(call.record.cache));
    headers.emplace_back("x-conduit-overhead-us", std::to_string(call.record.overhead_us));
    headers.emplace_back("x-request-id", call.record.request_id);
    headers.insert(headers.end(), call.extra_headers.begin(), call.extra_headers.end());
}

Refusal upload_refusal(UploadFault fault, const Config& config)
{
    switch (fault) {
    case UploadFault::too_large:
        return {.status = 413,
                .message = fmt::format("the body is larger than {}", format_bytes(config.server.max_body)),
                .code = "body_too_large"};
    case UploadFault::timeout:
        return {.status = 408, .message = "the body did not arrive in time", .code = "body_timeout"};
    case UploadFault::gone:
        return {.status = 499,
                .message = "the client closed the connection",
                .code = "client_closed",
                .outcome = Outcome::cancelled};
    default:
        return {.status = 400, .message = "the body's chunks are malformed", .code = "malformed_body"};
    }
}

Task<void> refuse(ClientCall& call, Refusal refusal)
{
    call.record.status = refusal.status;
    call.record.error = refusal.code;
    call.record.outcome = refusal.outcome;
    if (call.gone || call.sink.begun())
        co_return;
    AnswerHead head;
    head.status = refusal.status;
    head.headers = std::move(refusal.headers);
    if (refusal.status >= 429)
        head.headers.emplace_back("x-should-retry", refusal.status == 501 ? "false" : "true");
    add_conduit_headers(call, head.headers);
    const std::string body = refusal.body.empty()
                                 ? openai_error(refusal.message, refusal.type, refusal.code, refusal.param)
                                 : std::move(refusal.body);
    head.length = body.size();
    const std::string_view piece = body;
    const bool sent = co_await call.sink.begin(head, std::span(&piece, 1), true);
    if (!sent)
        call.gone = true;
}

void account(ClientCall& call)
{
    RequestRecord& record = call.record;
    const auto micros = [](auto duration) {
        const auto count = std::chrono::duration_cast<std::chrono::microseconds>(duration).count();
        return static_cast<std::uint32_t>(std::clamp<std::int64_t>(count, 0, UINT32_MAX));
    };
    record.total_us = micros(call.now() - call.started);
    if (call.sink.begun()) {
        record.first_byte_us = micros(call.sink.first_byte_at() - call.started);
        if (record.status == 0)
            record.status = call.sink.status();
    }
    record.bytes_out = call.sink.bytes();
    if (call.upload != nullptr)
        record.bytes_in = call.upload->received();
    if (call.gone) {
        record.status = 499;
        record.error = "client_closed";
        record.outcome = Outcome::cancelled;
    }
    if (call.provider_index < call.config().providers.size() && record.cache != CacheUse::hit &&
        record.cache != CacheUse::joined && record.outcome != Outcome::client_error)
        record.cost_usd = cost_of(call.config().providers[call.provider_index].price, record.operation,
                                  record.audio_seconds, record.characters, record.tokens);
    Shared& shared = call.worker.shared;
    if (record.outcome != Outcome::ok)
        shared.log.warn("request failed", {{"request_id", record.request_id},
                                           {"operation", operation_name(record.operation)},
                                           {"status", record.status},
                                           {"error", record.error},
                                           {"outcome", outcome_name(record.outcome)},
                                           {"provider", record.provider},
                                           {"attempts", record.attempts},
                                           {"key", record.key_id},
                                           {"total_us", record.total_us}});
    shared.metrics.record(call.worker.index(), record, call.provider_index);
    shared.records.push(call.worker.index(), std::move(record));
}

namespace {

std::optional<Refusal> check_key(ClientCall& call)
{
    const Snapshot& snapshot = *call.snapshot;
    if (call.presented)
        call.key = snapshot.keys.find(*call.presented);
    if (call.key != nullptr)
        call.record.key_id = call.key->id;
    if (call.key == nullptr && snapshot.keys_required) {
        Refusal refusal{.status = 401,
                        .message = !call.presented
                                       ? "no API key was given; send it as 'Authorization: Bearer KEY'"
                                       : "the API key is not known here",
                        .code = "invalid_api_key"};
        refusal.headers.emplace_back("WWW-Authenticate", "Bearer");
        return refusal;
    }
    if (call.presented && is_blocked(snapshot, *call.presented))
        return Refusal{.status = 403, .message = "the API key is blocked", .code = "key_blocked"};
    return std::nullopt;
}

Refusal limit_refusal(ClientCall& call, const LimitVerdict& verdict)
{
    call.worker.shared.metrics.limited(call.worker.index(), verdict.refused_by);
    const auto seconds = (verdict.retry_after.count() + 999) / 1000;
    Refusal refusal{.status = 429,
                    .message = fmt::format("rate limit reached ({}); try again in {} s",
                                           limit_reason_name(verdict.refused_by), seconds),
                    .type = "requests",
                    .code = "rate_limit_exceeded"};
    refusal.headers.emplace_back("Retry-After", std::to_string(std::max<std::int64_t>(seconds, 1)));
    refusal.headers.emplace_back("Retry-After-Ms", std::to_string(verdict.retry_after.count()));
    return refusal;
}

Task<LimitVerdict> take_limits(ClientCall& call)
{
    Shared& shared = call.worker.shared;
    if (shared.fleet == nullptr || call.config().limits.store != "redis")
        co_return shared.limiter.take(*call.snapshot, call.key, call.started);
    SharedLimits& limits = shared.fleet->limits;
    auto verdict = limits.take(*call.snapshot, call.key, call.now());
    if (verdict)
        co_return *verdict;
    const auto start = [&](std::function<void(LimitVerdict)> done) {
        limits.ask(call.snapshot, call.key, call.config().redis.deadline, std::move(done));
    };
    Task<LimitVerdict> waiting = wait_for<LimitVerdict>(call.worker.loop, start);
    const LimitVerdict asked = co_await waiting;
    co_return asked;
}

} // namespace

Task<std::optional<Refusal>> admit(ClientCall& call)
{
    if (call.in_process)
        co_return std::nullopt;
    std::optional<Refusal> refusal = check_key(call);
    if (refusal)
        co_return refusal;
    const LimitVerdict verdict = co_await take_limits(call);
    if (!verdict.allowed())
        refusal = limit_refusal(call, verdict);
    co_return refusal;
}

std::optional<Refusal> check_safety(ClientCall& call, std::string_view text)
{
    const SafetyConfig& config = call.config().safety;
    if (!config.enabled && !config.emergency)
        return std::nullopt;
    SafetySample sample;
    sample.age_group = call.key != nullptr ? call.key->age_group : "";
    sample.check_type = config.emergency ? "emergency" : "rules";
    sample.result = "allowed";
    std::optional<Refusal> refusal;
    if (config.emergency) {
        sample.violation_type = "emergency";
        sample.severity = "critical";
        refusal = Refusal{.status = 403,
                          .message = "all content is blocked: the safety emergency mode is on",
                          .type = "safety",
                          .code = "safety_emergency"};
    } else if (call.rules) {
        const SafetyVerdict verdict = call.rules->check(text, sample.age_group);
        sample.violation_type = verdict.violation_type;
        sample.severity = verdict.severity;
        sample.action = verdict.action;
        if (!verdict.allowed)
            refusal = Refusal{.status = 400,
                              .message = "the content is not allowed by the safety rules",
                              .type = "invalid_request_error",
                              .code = "content_policy_violation",
                              .param = "input"};
    }
    if (refusal) {
        sample.result = "blocked";
        sample.action = "blocked";
    }
    call.worker.shared.metrics.safety(call.worker.index(), sample);
    return refusal;
}

} // namespace conduit::agent
