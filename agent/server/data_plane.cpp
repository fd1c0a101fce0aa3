// SPDX-License-Identifier: Apache-2.0
#include "agent/server/in_process.hpp"

#include "agent/server/exchange.hpp"
#include "core/ulid.hpp"

namespace conduit::agent {

Task<DataPlane::TestResult> probe_provider(Worker& worker, std::size_t index, Duration timeout)
{
    MemorySink sink(1U << 20U);
    ClientCall call(worker, sink);
    call.record.request_id = make_ulid(call.record.time);
    const ProviderConfig& provider = call.config().providers[index];
    const Adapter& adapter = adapter_for(provider.kind);
    call.deadline = call.started + timeout;
    call.undecoded = true;
    call.health = worker.health[index];
    ProbeSpec spec = adapter.probe(provider, worker.shared.clock.now());
    if (!spec.request.body)
        spec.request.body = "";
    const Attempt attempt = co_await http_exchange(call, provider, adapter, spec.request);
    DataPlane::TestResult result;
    result.ok = attempt.outcome == Outcome::ok;
    result.status = attempt.status;
    result.took = std::chrono::duration_cast<Duration>(call.now() - call.started);
    result.outcome = attempt.outcome;
    if (!result.ok)
        result.error = attempt.message.empty() ? std::string(outcome_name(attempt.outcome)) : attempt.message;
    co_return result;
}

Task<DataPlane::TestResult> speak_once(Worker& worker, std::size_t index, Duration timeout)
{
    MemorySink sink(8U << 20U);
    ClientCall call(worker, sink);
    call.record.request_id = make_ulid(call.record.time);
    call.deadline = call.started + timeout;
    const ProviderConfig& provider = call.config().providers[index];
    call.request.operation = call.record.operation = Operation::speech;
    call.request.speech.model = provider.models.contains(Operation::speech)
                                    ? provider.models.at(Operation::speech)
                                    : std::string("tts-1");
    call.request.speech.input = "Test.";
    call.request.speech.voice = "alloy";
    call.request.speech.raw_json = R"({"model":")" + call.request.speech.model +
                                   R"(","input":"Test.","voice":"alloy","response_format":"mp3"})";
    call.record.attempts = 1;
    call.record.provider = provider.name;
    call.record.model = call.request.speech.model;
    call.record.voice = "alloy";
    call.record.characters = 5;
    call.provider_index = index;
    const Attempt attempt = co_await exchange(call, index);
    DataPlane::TestResult result;
    result.ok = attempt.outcome == Outcome::ok && sink.complete() && !sink.body().empty();
    result.status = attempt.status;
    result.took = std::chrono::duration_cast<Duration>(call.now() - call.started);
    result.outcome = attempt.outcome;
    if (!result.ok)
        result.error = attempt.message.empty() ? std::string("no audio came back") : attempt.message;
    call.record.outcome = attempt.outcome;
    call.record.status = result.ok ? 200 : 502;
    account(call); // it was billed: it belongs to the usage
    co_return result;
}

Task<Result<DataPlane::TestResult>> test_on(Worker& worker, std::string provider, bool billed,
                                            Duration timeout)
{
    const auto snapshot = worker.snapshot;
    const auto& providers = snapshot->config.providers;
    for (std::size_t i = 0; i < providers.size(); ++i) {
        if (providers[i].name != provider)
            continue;
        if (billed && supports(providers[i], Operation::speech)) {
            DataPlane::TestResult spoken = co_await speak_once(worker, i, timeout);
            co_return spoken;
        }
        DataPlane::TestResult probed = co_await probe_provider(worker, i, timeout);
        co_return probed;
    }
    co_return Error{ErrorKind::not_found, "there is no provider named " + provider};
}

Task<Result<bool>> warm_one(Worker& worker, std::string body, Duration timeout)
{
    auto speech = parse_speech(body);
    if (!speech)
        co_return std::move(speech).error();
    MemorySink sink(worker.snapshot->config.cache.max_entry_bytes);
    ClientCall call(worker, sink);
    call.in_process = true;
    call.record.request_id = make_ulid(call.record.time);
    call.deadline = call.started + timeout;
    call.request.operation = call.record.operation = Operation::speech;
    call.request.speech = std::move(*speech);
    call.record.model = call.request.speech.model;
    call.record.voice = call.request.speech.voice;
    call.record.characters = static_cast<std::uint32_t>(utf8_characters(call.request.speech.input));
    co_await serve(call, {});
    if (sink.status() != 200 || !sink.complete())
        co_return Error{ErrorKind::failed, "the speech could not be made: " + sink.body().substr(0, 300),
                        "Look at 'conduitctl provider ls'."};
    co_return call.was_cached;
}

} // namespace conduit::agent
