// SPDX-License-Identifier: Apache-2.0
// Series of one family in one shard: written by one thread without a lock, read by the scraper at any time.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace conduit::agent {

inline constexpr std::size_t k_max_series = 512; // a family; what comes later is counted as "other"
inline constexpr std::size_t k_max_labels = 6;
inline constexpr std::size_t k_max_label_bytes = 64;

using LabelSet = std::vector<std::string>;
using LabelViews = std::span<const std::string_view>;

// The label sets of one family, shared by the shards, so that the bound holds for the whole process.
class LabelRegistry {
  public:
    // Takes a lock; called only for a combination that a shard has not met. Never freed before the registry.
    const LabelSet* intern(LabelViews labels);

  private:
    std::mutex mutex_;
    std::unordered_map<std::string, std::unique_ptr<LabelSet>> sets_;
    std::unique_ptr<LabelSet> other_;
};

struct Series {
    const LabelSet* labels = nullptr;
    std::uint64_t hash = 0;
    std::atomic<double> value{0}; // a counter's value, a histogram's sum
    std::unique_ptr<std::atomic<std::uint64_t>[]> buckets;
};

class ShardFamily {
  public:
    ShardFamily();
    // One writer thread. `bounds` empty: a counter.
    void add(LabelRegistry& registry, LabelViews labels, double amount);
    void observe(LabelRegistry& registry, LabelViews labels, std::span<const double> bounds, double value);

    template <class F> void each(F&& visit) const // any thread
    {
        const auto count = count_.load(std::memory_order_acquire);
        for (std::size_t i = 0; i < count; ++i)
            visit(*slots_[i]);
    }

  private:
    Series& find(LabelRegistry& registry, LabelViews labels, std::size_t buckets);
    Series* lookup(std::uint64_t hash, LabelViews labels);
    Series& insert(std::uint64_t hash, const LabelSet& labels, std::size_t buckets);

    // One more than the bound, for "other". A slot is written once, before count_ tells of it.
    std::array<std::unique_ptr<Series>, k_max_series + 1> slots_;
    std::atomic<std::size_t> count_{0};
    std::array<std::uint16_t, 2048> table_{}; // open addressing: index + 1; the writer's alone
};

} // namespace conduit::agent
