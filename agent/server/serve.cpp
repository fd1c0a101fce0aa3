// SPDX-License-Identifier: Apache-2.0
// The request path: authenticate, blocklist, limits, safety, cache, choose, send, cache, account.
#include "agent/server/exchange.hpp"
#include "agent/server/flight.hpp"
#include "agent/server/moderation.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit::agent {

namespace {

std::optional<std::string_view> text_to_check(const ClientCall& call)
{
    if (call.request.operation == Operation::speech)
        return call.request.speech.input;
    if (call.request.operation == Operation::chat)
        return call.request.chat.raw_json;
    if (call.config().safety.emergency)
        return "";
    return std::nullopt;
}

struct Failure { // of all attempts so far
    std::optional<Attempt> last;
    Duration retry_after{0};
    bool throttled = false, timeout = false, any_other = false;
    std::string unsupported;

    void note(const Attempt& attempt)
    {
        const bool wait = attempt.outcome == Outcome::throttled;
        throttled = throttled || wait;
        any_other = any_other || !wait;
        timeout = attempt.code == "timeout";
        if (wait && (retry_after == Duration{0} || attempt.retry_after < retry_after))
            retry_after = attempt.retry_after;
        last = attempt;
    }
};

Refusal failure_refusal(const ClientCall& call, const Failure& failure)
{
    if (!failure.last && !failure.unsupported.empty())
        return {.status = 400, .message = failure.unsupported, .code = "unsupported"};
    Refusal refusal{
        .status = 503, .type = "server_error", .code = "provider_unavailable", .outcome = Outcome::transient};
    if (!failure.last) {
        refusal.message =
            fmt::format("no provider is available for {} now", operation_name(call.request.operation));
        refusal.headers.emplace_back("Retry-After", "1");
        return refusal;
    }
    const Attempt& last = *failure.last;
    refusal.outcome = last.outcome;
    if (failure.throttled && !failure.any_other) {
        const auto seconds = std::max<std::int64_t>((failure.retry_after.count() + 999) / 1000, 1);
        refusal.status = 429;
        refusal.type = "requests";
        refusal.code = "rate_limit_exceeded";
        refusal.message = "all providers are throttling";
        refusal.headers.emplace_back("Retry-After", std::to_string(seconds));
        return refusal;
    }
    if (failure.timeout || call.now() >= call.deadline) {
        refusal.status = 504;
        refusal.code = "provider_timeout";
        refusal.message = "no provider answered in time";
    } else if (last.outcome == Outcome::transient && !last.exhausted) {
        refusal.status = 502;
        refusal.code = "provider_failed";
        refusal.message = fmt::format("{} failed: {}", call.record.provider, last.message);
    } else {
        refusal.message = "no provider could take the request";
    }
    return refusal;
}

void report(ClientCall& call, std::size_t index, const Attempt& attempt)
{
    Shared& shared = call.worker.shared;
    ProviderHealth& health = *call.worker.health[index];
    const ProviderConfig& provider = call.config().providers[index];
    if (attempt.exhausted) {
        health.breaker.on_neutral();
        return;
    }
    shared.health.report(health, attempt.outcome, call.now(), call.config().health, attempt.retry_after);
    if (attempt.outcome == Outcome::ok || attempt.outcome == Outcome::cancelled ||
        attempt.outcome == Outcome::client_error)
        return;
    shared.metrics.attempt_failed(call.worker.index(), provider.name, attempt.outcome);
    std::string text =
        attempt.status > 0 ? fmt::format("HTTP {}: {}", attempt.status, attempt.message) : attempt.message;
    shared.log.warn("attempt failed", {{"request_id", call.record.request_id},
                                       {"provider", provider.name},
                                       {"outcome", outcome_name(attempt.outcome)},
                                       {"status", attempt.status},
                                       {"reason", text}});
    shared.health.note_error(provider.name, std::move(text));
}

// May the request go to yet another provider?
bool may_repeat(ClientCall& call)
{
    const LimitsConfig& limits = call.config().limits;
    return !call.sink.begun() && !call.gone && (call.upload == nullptr || call.upload->replayable()) &&
           call.now() < call.deadline &&
           call.worker.shared.retries.try_retry(call.now(), limits.retry_budget, limits.retry_floor);
}

} // namespace

Task<std::optional<Refusal>> send_to_providers(ClientCall& call)
{
    Worker& worker = call.worker;
    worker.shared.retries.on_request(call.started);
    const auto& providers = call.config().providers;
    ProviderSet excluded;
    Failure failure;
    for (;;) {
        const auto index = worker.chooser.choose(*call.snapshot, worker.health, call.request.operation,
                                                 excluded, call.now());
        if (!index)
            co_return failure_refusal(call, failure);
        excluded.set(*index);
        const ProviderConfig& provider = providers[*index];
        std::string why = adapter_for(provider.kind).unsupported(provider, call.request);
        if (!why.empty()) {
            failure.unsupported = std::move(why);
            continue;
        }
        if (failure.last && !may_repeat(call))
            co_return failure_refusal(call, failure);
        if (!worker.health[*index]->breaker.allow(call.now()))
            continue;
        ++call.record.attempts;
        call.record.provider = provider.name;
        call.provider_index = *index;
        Attempt attempt = co_await exchange(call, *index);
        report(call, *index, attempt);
        call.record.outcome = attempt.outcome;
        if (attempt.outcome == Outcome::ok)
            co_return std::nullopt;
        if (attempt.refusal && attempt.outcome == Outcome::client_error)
            co_return std::move(attempt.refusal);
        if (call.sink.begun() || call.gone) {
            call.record.error = call.gone ? "client_closed" : "provider_broken";
            co_return std::nullopt;
        }
        failure.note(attempt);
    }
}

Task<void> serve(ClientCall& call, std::string_view content_type)
{
    std::optional<Refusal> refusal = co_await admit(call);
    if (!refusal && call.upload != nullptr)
        refusal = co_await read_request(call, content_type);
    if (!refusal)
        if (const auto text = text_to_check(call)) {
            refusal = check_safety(call, *text);
            if (!refusal && is_moderated(call))
                refusal = co_await moderate(call, *text);
        }
    if (!refusal) {
        Flight flight(call); // cache and single-flight
        const bool answered = co_await flight.take_answer();
        if (!answered) {
            refusal = co_await send_to_providers(call);
            flight.keep_answer();
        }
    }
    if (refusal)
        co_await refuse(call, std::move(*refusal));
    account(call);
}

} // namespace conduit::agent
