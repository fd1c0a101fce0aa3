// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/unit/agent/metrics/fixture.hpp"

#include <thread>

using namespace conduit;
using namespace conduit::agent;
using namespace conduit::agent::test;

namespace {

WallTime recently()
{
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()) - 2s;
}

std::string scraped(const Metrics& metrics)
{
    HealthBoard health;
    return metrics.scrape(two_providers(), health, FakeGauges{});
}

bool has_line(const std::string& text, const std::string& line)
{
    return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

} // namespace

TEST_CASE("a speech request shows in the operators' metrics")
{
    Metrics metrics(2);
    metrics.record(0, speech_record(recently()), 0);
    metrics.record(1, speech_record(recently()), 0);
    const auto text = scraped(metrics);
    INFO(text);
    CHECK(has_line(text, R"(audio_operations_total{operation="speech",provider="openai",status="200"} 2)"));
    CHECK(has_line(
        text,
        R"(tts_requests_total{provider="openai",voice_id="alloy",language="en",status="success",cached="false"} 2)"));
    CHECK(has_line(text, R"(tts_cost_total_usd{provider="openai",model="tts-1"} 0.0036)"));
    CHECK(has_line(
        text, R"(tts_characters_processed_total{provider="openai",language="en",content_type="text"} 240)"));
    CHECK(has_line(
        text,
        R"(audio_request_duration_seconds_bucket{operation_type="speech",provider="openai",le="0.1"} 0)"));
    CHECK(has_line(
        text,
        R"(audio_request_duration_seconds_bucket{operation_type="speech",provider="openai",le="0.2"} 2)"));
    CHECK(has_line(
        text,
        R"(audio_request_duration_seconds_bucket{operation_type="speech",provider="openai",le="+Inf"} 2)"));
    CHECK(has_line(text,
                   R"(audio_request_duration_seconds_sum{operation_type="speech",provider="openai"} 0.36)"));
    CHECK(has_line(text, R"(audio_provider_latency_seconds_bucket{provider="openai",le="0.1"} 2)"));
    CHECK(has_line(text, R"(conduit_llm_requests_total{status="success"} 2)"));
    CHECK(has_line(text, "audio_cache_requests_total 2"));
    CHECK(has_line(text, "audio_cache_hits_total 0"));
    CHECK(has_line(text, "audio_cache_hit_rate 0"));
    CHECK(text.find("audio_operations_failed_total{") == std::string::npos);
    CHECK(text.find(R"(audio_provider_latency{provider="openai",quantile="0.95"} 0.)") != std::string::npos);
}

TEST_CASE("cache hits are counted and cost no provider time")
{
    Metrics metrics(1);
    auto record = speech_record(recently());
    record.cache = CacheUse::hit;
    record.cost_usd = 0;
    metrics.record(0, record, 0);
    record.cache = CacheUse::joined;
    metrics.record(0, record, 0);
    record.cache = CacheUse::miss;
    metrics.record(0, record, 0);
    record.cache = CacheUse::off;
    metrics.record(0, record, 0);
    const auto text = scraped(metrics);
    CHECK(has_line(text, "audio_cache_requests_total 3"));
    CHECK(has_line(text, "audio_cache_hits_total 2"));
    CHECK(has_line(text, R"(conduit_cache_hits_total{operation="speech"} 2)"));
    CHECK(text.find("audio_cache_hit_rate 0.666") != std::string::npos);
    CHECK(text.find("tts_cache_hit_ratio 0.666") != std::string::npos);
    CHECK(has_line(text, R"(conduit_provider_response_time_seconds_count{provider="openai"} 2)"));
}

TEST_CASE("the service's failures are told from the client's faults")
{
    Metrics metrics(1);
    auto record = speech_record(recently());
    record.status = 503;
    record.error = "provider_unavailable";
    metrics.record(0, record, 0);
    record.status = 400;
    record.error = "invalid_request";
    metrics.record(0, record, 0);
    record.status = 499;
    record.error = "";
    metrics.record(0, record, 0);
    record.status = 200;
    record.outcome = Outcome::broken;
    metrics.record(0, record, 0);
    metrics.attempt_failed(0, "openai", Outcome::transient);
    const auto text = scraped(metrics);
    CHECK(has_line(text, R"(audio_operations_failed_total{operation="speech",provider="openai"} 2)"));
    CHECK(has_line(
        text,
        R"(audio_errors_total{error_type="provider_unavailable",component="speech",severity="error"} 1)"));
    CHECK(has_line(
        text, R"(audio_errors_total{error_type="invalid_request",component="speech",severity="warning"} 1)"));
    CHECK(has_line(text, R"(conduit_llm_requests_total{status="cancelled"} 1)"));
    CHECK(has_line(text, R"(conduit_llm_requests_total{status="error"} 3)"));
    CHECK(
        has_line(text, R"(conduit_provider_attempts_failed_total{provider="openai",outcome="transient"} 1)"));
}

TEST_CASE("limits, safety and validation are counted by their kinds")
{
    Metrics metrics(1);
    metrics.limited(0, LimitReason::key);
    metrics.safety(0, {"content", "blocked", "child", "violence", "high", "blocked"});
    metrics.safety(0, {"content", "allowed", "", "", "", ""});
    metrics.validation(0, "wav", "accepted", "");
    const auto text = scraped(metrics);
    CHECK(has_line(text, R"(audio_rate_limit_exceeded_total{reason="key"} 1)"));
    CHECK(has_line(text, R"(audio_rate_limit_exceeded_total{reason="emergency"} 0)"));
    CHECK(has_line(
        text,
        R"(audio_safety_violations_total{violation_type="violence",severity="high",action_taken="blocked"} 1)"));
    CHECK(has_line(
        text,
        R"(audio_safety_checks_total{check_type="content",result="allowed",child_age_group="none"} 1)"));
    CHECK(has_line(text,
                   R"(audio_validation_checks_total{format="wav",result="accepted",error_type="none"} 1)"));
}

TEST_CASE("what clients send does not widen the label sets")
{
    Metrics metrics(1);
    auto record = speech_record(recently());
    record.status = 400;
    for (int i = 0; i < 500; ++i) { // refused ones leave no trace
        record.voice = "refused-" + std::to_string(i);
        metrics.record(0, record, 0);
    }
    record.status = 200;
    for (int i = 0; i < 500; ++i) {
        record.voice = "accepted-" + std::to_string(i);
        metrics.record(0, record, 0);
    }
    const auto text = scraped(metrics);
    CHECK(text.find("refused-") == std::string::npos);
    CHECK(text.find("accepted-0") != std::string::npos);
    CHECK(text.find("accepted-499") == std::string::npos);
    CHECK(text.find(R"(voice_id="other")") != std::string::npos);
}

TEST_CASE("health, quota, pools and the process are read at scrape time")
{
    Metrics metrics(1);
    HealthBoard board;
    auto& openai = board.of("openai");
    openai.quota_limit = 1000;
    openai.quota_remaining = 250;
    openai.in_flight = 4;
    openai.score_milli = 600;
    auto& google = board.of("google");
    for (int i = 0; i < 5; ++i)
        google.breaker.on_failure(std::chrono::steady_clock::now(), {});
    const auto text = metrics.scrape(two_providers(), board, FakeGauges{});
    CHECK(has_line(text, R"(provider_quota{provider="openai",kind="used_ratio"} 0.75)"));
    CHECK(has_line(text, R"(tts_provider_health_score{provider="openai",region="default"} 0.6)"));
    CHECK(has_line(text, R"(tts_provider_health_score{provider="google",region="default"} 0)"));
    CHECK(has_line(text, R"(conduit_provider_health{provider="openai"} 1)"));
    CHECK(has_line(text, R"(conduit_provider_health{provider="google"} 0)"));
    CHECK(has_line(text, R"(audio_provider_health_status{provider="openai",status="degraded"} 1)"));
    CHECK(has_line(text, R"(conduit_provider_circuit_state{provider="google",state="open"} 1)"));
    CHECK(has_line(text, R"(audio_connection_pool_active_connections{provider="openai"} 3)"));
    CHECK(has_line(text, R"(audio_connection_pool_total_connections{provider="openai"} 100)"));
    CHECK(has_line(text, R"(audio_connection_pool_exhausted_total{provider="openai"} 2)"));
    CHECK(has_line(text, "audio_realtime_active_sessions 1"));
    CHECK(has_line(text, "conduit_control_revision 42"));
    CHECK(has_line(text, "conduit_llm_active_requests 4"));
    CHECK(has_line(text, "conduit_records_dropped_total 1"));
    CHECK(has_line(text, "audio_cache_hit_rate NaN"));
    CHECK(text.find("process_resident_memory_bytes 0\n") == std::string::npos);
    CHECK(text.find("audio_memory_limit_bytes 0\n") == std::string::npos);
}

TEST_CASE("workers count while the scraper reads, and nothing is lost")
{
    Metrics metrics(3);
    std::vector<std::thread> threads;
    for (unsigned w = 0; w < 3; ++w)
        threads.emplace_back([&metrics, w] {
            auto record = speech_record(recently());
            for (int i = 0; i < 2000; ++i) {
                record.voice = "v" + std::to_string(i % 60);
                metrics.record(w, record, 0);
            }
        });
    for (int i = 0; i < 3; ++i)
        CHECK_FALSE(scraped(metrics).empty());
    for (auto& thread : threads)
        thread.join();
    CHECK(has_line(scraped(metrics),
                   R"(audio_operations_total{operation="speech",provider="openai",status="200"} 6000)"));
}
