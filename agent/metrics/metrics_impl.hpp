// SPDX-License-Identifier: Apache-2.0
// Internal to this folder: what a shard holds.
#pragma once

#include "agent/metrics/families.hpp"
#include "agent/metrics/metrics.hpp"
#include "agent/metrics/series.hpp"
#include "agent/metrics/summary_ring.hpp"

#include <initializer_list>
#include <set>

namespace conduit::agent {

// Label values that clients choose freely. A value is taken once a provider accepted it; until then, and when
// there are too many, it is "other", so that nobody can blow up or poison the label sets.
class KnownValues {
  public:
    explicit KnownValues(std::initializer_list<std::string_view> known);
    std::string_view admit(std::string_view value, bool accepted);

  private:
    static constexpr std::size_t k_max_values = 48;
    std::set<std::string, std::less<>> values_;
};

struct MetricsShard {
    std::array<ShardFamily, k_families> families;
    SummaryRing ring;
    KnownValues voices;
    KnownValues languages;
    KnownValues models;
    MetricsShard();
};

struct Metrics::Impl {
    mutable std::array<LabelRegistry, k_families> registries;
    std::vector<std::unique_ptr<MetricsShard>> shards;

    void count(MetricsShard& shard, Family family, std::initializer_list<std::string_view> labels,
               double amount = 1);
    void time(MetricsShard& shard, Family family, std::initializer_list<std::string_view> labels,
              double seconds);
    void record_speech(MetricsShard& shard, const RequestRecord& record);
};

} // namespace conduit::agent
