// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/metrics.hpp"

#include "agent/metrics/metrics_impl.hpp"

#include <algorithm>
#include <charconv>

namespace conduit::agent {
namespace {

constexpr std::string_view k_none = "none";

std::string_view or_none(std::string_view value)
{
    return value.empty() ? k_none : value;
}

std::string_view result_of(const RequestRecord& record)
{
    if (record.status == 499)
        return "cancelled";
    return record.status >= 400 || record.outcome == Outcome::broken ? "error" : "success";
}

bool was_hit(CacheUse use)
{
    return use == CacheUse::hit || use == CacheUse::joined;
}

struct StatusText {
    std::array<char, 12> text{};
    std::size_t size = 0;
    explicit StatusText(int status)
        : size(static_cast<std::size_t>(std::to_chars(text.data(), text.data() + text.size(), status).ptr -
                                        text.data()))
    {
    }
    operator std::string_view() const { return {text.data(), size}; }
};

} // namespace

KnownValues::KnownValues(std::initializer_list<std::string_view> known)
{
    for (const auto value : known)
        values_.emplace(value);
}

std::string_view KnownValues::admit(std::string_view value, bool accepted)
{
    if (value.empty() || values_.contains(value))
        return or_none(value);
    if (!accepted || values_.size() >= k_max_values || value.size() > k_max_label_bytes)
        return "other";
    return *values_.emplace(value).first;
}

MetricsShard::MetricsShard()
    : voices{"alloy", "ash",  "ballad",  "coral", "echo",  "fable", "nova",
             "onyx",  "sage", "shimmer", "verse", "marin", "cedar"},
      languages{"en", "de", "fr", "es", "it", "pt", "nl", "ja", "zh", "en-US", "en-GB"},
      models{"tts-1",       "tts-1-hd",          "gpt-4o-mini-tts",
             "whisper-1",   "gpt-4o-transcribe", "gpt-4o-mini-transcribe",
             "gpt-realtime"}
{
}

Metrics::Metrics(unsigned workers) : impl_(std::make_unique<Impl>())
{
    for (unsigned i = 0; i < std::max(workers, 1U); ++i)
        impl_->shards.push_back(std::make_unique<MetricsShard>());
}

Metrics::~Metrics() = default;

void Metrics::Impl::count(MetricsShard& shard, Family family, std::initializer_list<std::string_view> labels,
                          double amount)
{
    const auto index = static_cast<std::size_t>(family);
    shard.families[index].add(registries[index], {labels.begin(), labels.size()}, amount);
}

void Metrics::Impl::time(MetricsShard& shard, Family family, std::initializer_list<std::string_view> labels,
                         double seconds)
{
    const auto index = static_cast<std::size_t>(family);
    shard.families[index].observe(registries[index], {labels.begin(), labels.size()}, seconds_bounds(),
                                  seconds);
}

void Metrics::Impl::record_speech(MetricsShard& shard, const RequestRecord& record)
{
    const bool accepted = record.status >= 200 && record.status < 300;
    const auto provider = or_none(record.provider);
    const auto voice = shard.voices.admit(record.voice, accepted);
    const auto language = shard.languages.admit(record.language, accepted);
    const auto model = shard.models.admit(record.model, accepted);
    const bool cached = was_hit(record.cache);
    count(shard, Family::tts_requests,
          {provider, voice, language, result_of(record), cached ? "true" : "false"});
    time(shard, Family::tts_duration, {provider, voice, model}, record.total_us * 1e-6);
    if (record.cost_usd > 0)
        count(shard, Family::tts_cost, {provider, model}, record.cost_usd);
    if (record.characters > 0 && accepted)
        count(shard, Family::tts_characters, {provider, language, "text"}, record.characters);
}

void Metrics::record(unsigned worker, const RequestRecord& record, std::size_t provider_index)
{
    auto& shard = *impl_->shards.at(worker);
    const auto operation = operation_name(record.operation);
    const auto provider = or_none(record.provider);
    const bool cached = was_hit(record.cache);
    impl_->count(shard, Family::operations, {operation, provider, StatusText(record.status)});
    impl_->count(shard, Family::llm_requests, {result_of(record)});
    impl_->time(shard, Family::request_duration, {operation, provider}, record.total_us * 1e-6);
    if (failed(record))
        impl_->count(shard, Family::operations_failed, {operation, provider});
    if (!record.error.empty())
        impl_->count(shard, Family::errors,
                     {record.error, operation, record.status >= 500 ? "error" : "warning"});
    if (record.cache != CacheUse::off)
        impl_->count(shard, Family::cache_requests, {});
    if (cached) {
        impl_->count(shard, Family::cache_hits, {});
        impl_->count(shard, Family::conduit_cache_hits, {operation});
    } else if (!record.provider.empty()) {
        if (record.first_byte_us > 0)
            impl_->time(shard, Family::provider_latency, {provider}, record.first_byte_us * 1e-6);
        const auto waited = record.total_us - std::min(record.total_us, record.overhead_us);
        impl_->time(shard, Family::provider_response_time, {provider}, waited * 1e-6);
    }
    if (record.audio_seconds > 0)
        impl_->count(shard, Family::audio_seconds, {operation, provider}, record.audio_seconds);
    if (record.cost_usd > 0)
        impl_->count(shard, Family::cost, {operation, provider}, record.cost_usd);
    if (record.operation == Operation::speech)
        impl_->record_speech(shard, record);
    shard.ring.record(record, provider_index);
}

void Metrics::attempt_failed(unsigned worker, const std::string& provider, Outcome outcome)
{
    impl_->count(*impl_->shards.at(worker), Family::attempts_failed, {provider, outcome_name(outcome)});
}

void Metrics::limited(unsigned worker, LimitReason reason)
{
    auto& shard = *impl_->shards.at(worker);
    impl_->count(shard, Family::rate_limited, {limit_reason_name(reason)});
    const auto now = std::chrono::system_clock::now();
    shard.ring.limited(std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count());
}

void Metrics::safety(unsigned worker, const SafetySample& sample)
{
    auto& shard = *impl_->shards.at(worker);
    impl_->count(shard, Family::safety_checks, {sample.check_type, sample.result, or_none(sample.age_group)});
    if (!sample.violation_type.empty())
        impl_->count(shard, Family::safety_violations,
                     {sample.violation_type, sample.severity, sample.action});
}

void Metrics::validation(unsigned worker, std::string_view format, std::string_view result,
                         std::string_view error)
{
    impl_->count(*impl_->shards.at(worker), Family::validation_checks, {format, result, or_none(error)});
}

std::vector<SummaryBucket> Metrics::summary(unsigned seconds, WallTime now) const
{
    seconds = std::clamp(seconds, 1U, static_cast<unsigned>(k_ring_seconds - 1));
    const auto current = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
    const auto first = current - static_cast<std::int64_t>(seconds);
    std::vector<SummaryBucket> merged(seconds);
    for (std::size_t i = 0; i < merged.size(); ++i)
        merged[i].second = first + static_cast<std::int64_t>(i);
    for (const auto& shard : impl_->shards)
        shard->ring.merge_into(merged, first);
    return merged;
}

} // namespace conduit::agent
