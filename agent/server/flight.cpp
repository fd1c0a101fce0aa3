// SPDX-License-Identifier: Apache-2.0
#include "agent/server/flight.hpp"

#include "agent/server/exchange.hpp"
#include "agent/server/fleet.hpp"
#include "agent/server/wait_for.hpp"
#include "core/text.hpp"

namespace conduit::agent {

namespace {

std::string speech_key(const ClientCall& call)
{
    const SpeechParams& speech = call.request.speech;
    if (speech.stream_format != "audio")
        return {};
    const std::string speed = std::to_string(speech.speed);
    // Shared by all keys: the whole text is in the hash, so nobody learns what he did not send himself.
    return speech_cache_key({.tenant = "",
                             .model = speech.model,
                             .voice = speech.voice,
                             .input = speech.input,
                             .format = speech.format,
                             .speed = speed,
                             .instructions = speech.instructions});
}

Sha256Digest audio_digest(const ClientCall& call)
{
    struct Hasher final : BodyEncoder {
        Input input() const override { return Input::audio; }
        void feed(std::string_view piece, std::string& /*out*/) override { hash.update(piece); }
        void finish(const TranscriptionParams& /*params*/, std::string& /*out*/) override {}
        Sha256Stream hash;
    } hasher;
    std::string unused;
    encode_kept(call, hasher, unused);
    return hasher.hash.finish();
}

std::string transcription_key(const ClientCall& call)
{
    const TranscriptionParams& stt = call.request.stt;
    const bool repeatable = stt.temperature.empty() || stt.temperature == "0" || stt.temperature == "0.0";
    if (stt.stream || !repeatable || !call.upload->complete() || !call.upload->replayable())
        return {};
    const Sha256Digest digest = audio_digest(call);
    const std::string granularities = join(stt.granularities, ",");
    return transcription_cache_key({.tenant = call.record.key_id,
                                    .operation = operation_name(call.request.operation),
                                    .model = stt.model,
                                    .language = stt.language,
                                    .prompt = stt.prompt,
                                    .response_format = stt.response_format,
                                    .temperature = stt.temperature,
                                    .granularities = granularities,
                                    .audio_sha256 = as_view(digest)});
}

bool worth_keeping(const ClientCall& call)
{
    if (call.captured.empty() || call.captured.size() > call.config().cache.max_entry_bytes)
        return false;
    if (call.request.operation == Operation::speech)
        return true;
    // An empty transcript may be a provider's bad moment.
    const std::string_view body = trim(call.captured);
    return !body.empty() && !body.contains(R"("text":"")") && !body.contains(R"("text": "")");
}

} // namespace

Flight::Flight(ClientCall& call) : call_(call)
{
    if (!call.config().cache.enabled)
        return;
    if (call.request.operation == Operation::speech)
        call.cache_key = speech_key(call);
    else if (call.request.operation != Operation::chat && call.upload != nullptr)
        call.cache_key = transcription_key(call);
    if (call.cache_key.empty())
        return;
    mark_ = clear_mark(*call.snapshot).revision;
    flight_ = call.cache_key + "#" + std::to_string(mark_);
}

Flight::~Flight()
{
    if (leads_)
        call_.worker.shared.flights.finish(flight_, nullptr);
}

Duration Flight::ttl() const
{
    const CacheConfig& cache = call_.config().cache;
    return call_.request.operation == Operation::speech ? cache.ttl_speech : cache.ttl_transcription;
}

// Not what a clear has ended since this request began.
void Flight::keep_here(CachedPtr answer, Duration ttl)
{
    if (clear_mark(*call_.worker.snapshot).revision == mark_)
        call_.worker.shared.cache.put(call_.cache_key, std::move(answer), ttl, call_.now());
}

Task<CachedPtr> Flight::look_in_fleet()
{
    FleetParts* fleet = call_.worker.shared.fleet;
    if (fleet == nullptr || call_.config().cache.store != "redis" || !fleet->cache.up())
        co_return nullptr;
    const auto start = [&](std::function<void(SharedHit)> found) {
        fleet->cache.get(call_.cache_key, mark_, ttl(), call_.config().redis.deadline, std::move(found));
    };
    Task<SharedHit> waiting = wait_for<SharedHit>(call_.worker.loop, start);
    SharedHit hit = co_await waiting;
    if (hit.answer)
        keep_here(hit.answer, hit.ttl);
    co_return std::move(hit.answer);
}

Task<bool> Flight::give(CachedPtr answer, CacheUse use)
{
    call_.record.cache = use;
    call_.was_cached = use == CacheUse::hit;
    call_.record.provider = answer->provider;
    call_.record.audio_seconds = answer->audio_seconds;
    AnswerHead head;
    head.content_type = answer->content_type;
    head.length = answer->body.size();
    add_conduit_headers(call_, head.headers);
    const std::string_view body = answer->body;
    const bool sent = co_await call_.sink.begin(head, std::span(&body, 1), true);
    call_.gone = !sent;
    co_return true;
}

Task<CachedPtr> Flight::wait_for_leader()
{
    struct Ride { // touched on this loop's thread only, apart from its count of owners
        CachedPtr answer;
        Signal* signal;
    };
    Signal signal(call_.worker.loop);
    auto ride = std::make_shared<Ride>(Ride{nullptr, &signal});
    Loop* loop = &call_.worker.loop;
    leads_ = call_.worker.shared.flights.join(flight_, [ride, loop](CachedPtr answer) {
        loop->post([ride, answer = std::move(answer)] {
            ride->answer = answer;
            if (ride->signal != nullptr)
                ride->signal->set();
        });
    });
    if (leads_) {
        ride->signal = nullptr;
        co_return nullptr;
    }
    const SteadyTime before = call_.now();
    co_await signal.wait(call_.deadline);
    call_.waited += call_.now() - before;
    ride->signal = nullptr;
    co_return std::move(ride->answer);
}

Task<bool> Flight::take_answer()
{
    if (call_.cache_key.empty())
        co_return false;
    CachedPtr found = call_.worker.shared.cache.get(call_.cache_key, call_.now());
    if (found) {
        const bool given = co_await give(std::move(found), CacheUse::hit);
        co_return given;
    }
    call_.record.cache = CacheUse::miss;
    CachedPtr joined = co_await wait_for_leader();
    if (joined) {
        const bool given = co_await give(std::move(joined), CacheUse::joined);
        co_return given;
    }
    CachedPtr shared;
    if (leads_)
        shared = co_await look_in_fleet();
    if (shared) {
        leads_ = false;
        call_.worker.shared.flights.finish(flight_, shared);
        const bool given = co_await give(std::move(shared), CacheUse::hit);
        co_return given;
    }
    call_.capture = leads_;
    co_return false;
}

void Flight::keep_answer()
{
    if (!leads_)
        return;
    CachedPtr answer;
    if (call_.record.outcome == Outcome::ok && call_.capture && worth_keeping(call_)) {
        auto made = std::make_shared<CachedAnswer>();
        made->content_type = call_.answer_type;
        made->body = std::move(call_.captured);
        made->provider = call_.record.provider;
        made->audio_seconds = call_.record.audio_seconds;
        answer = std::move(made);
        keep_here(answer, ttl());
        if (FleetParts* fleet = call_.worker.shared.fleet;
            fleet != nullptr && call_.config().cache.store == "redis")
            fleet->cache.put(call_.cache_key, answer, ttl(), mark_);
    }
    leads_ = false;
    call_.worker.shared.flights.finish(flight_, answer);
}

} // namespace conduit::agent
