// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/series.hpp"

#include <algorithm>

namespace conduit::agent {
namespace {

std::string_view shortened(std::string_view label)
{
    return label.substr(0, k_max_label_bytes);
}

std::uint64_t hash_of(LabelViews labels)
{
    std::uint64_t hash = 0xcbf29ce484222325ULL;
    for (const auto label : labels) {
        for (const char c : shortened(label))
            hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
        hash = (hash ^ 0xffU) * 0x100000001b3ULL;
    }
    return hash;
}

bool equal(const LabelSet& known, LabelViews labels)
{
    return std::ranges::equal(known, labels,
                              [](const std::string& a, std::string_view b) { return a == shortened(b); });
}

void increase(std::atomic<double>& value, double amount) // one writer: no read-modify-write needed
{
    value.store(value.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
}

} // namespace

const LabelSet* LabelRegistry::intern(LabelViews labels)
{
    std::string joined;
    for (const auto label : labels)
        joined.append(shortened(label)).push_back('\xff');
    const std::scoped_lock lock(mutex_);
    if (const auto found = sets_.find(joined); found != sets_.end())
        return found->second.get();
    if (sets_.size() >= k_max_series) {
        if (!other_)
            other_ = std::make_unique<LabelSet>(labels.size(), "other");
        return other_.get();
    }
    auto set = std::make_unique<LabelSet>();
    for (const auto label : labels)
        set->emplace_back(shortened(label));
    return sets_.emplace(std::move(joined), std::move(set)).first->second.get();
}

ShardFamily::ShardFamily() = default;

Series* ShardFamily::lookup(std::uint64_t hash, LabelViews labels)
{
    for (auto at = hash % table_.size(); table_[at] != 0; at = (at + 1) % table_.size()) {
        auto& series = *slots_[table_[at] - 1U];
        if (series.hash == hash && equal(*series.labels, labels))
            return &series;
    }
    return nullptr;
}

Series& ShardFamily::insert(std::uint64_t hash, const LabelSet& labels, std::size_t buckets)
{
    const auto index = count_.load(std::memory_order_relaxed);
    auto series = std::make_unique<Series>();
    series->labels = &labels;
    series->hash = hash;
    if (buckets > 0)
        series->buckets = std::make_unique<std::atomic<std::uint64_t>[]>(buckets);
    slots_[index] = std::move(series);
    auto at = hash % table_.size();
    while (table_[at] != 0)
        at = (at + 1) % table_.size();
    table_[at] = static_cast<std::uint16_t>(index + 1);
    count_.store(index + 1, std::memory_order_release);
    return *slots_[index];
}

Series& ShardFamily::find(LabelRegistry& registry, LabelViews labels, std::size_t buckets)
{
    const auto hash = hash_of(labels);
    if (auto* known = lookup(hash, labels))
        return *known;
    const auto* set = registry.intern(labels);
    if (equal(*set, labels))
        return insert(hash, *set, buckets);
    const std::vector<std::string_view> other(labels.size(), "other");
    const auto other_hash = hash_of(other);
    if (auto* known = lookup(other_hash, other))
        return *known;
    return insert(other_hash, *set, buckets);
}

void ShardFamily::add(LabelRegistry& registry, LabelViews labels, double amount)
{
    increase(find(registry, labels, 0).value, amount);
}

void ShardFamily::observe(LabelRegistry& registry, LabelViews labels, std::span<const double> bounds,
                          double value)
{
    auto& series = find(registry, labels, bounds.size() + 1);
    const auto bucket = static_cast<std::size_t>(std::ranges::lower_bound(bounds, value) - bounds.begin());
    auto& count = series.buckets[bucket];
    count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    increase(series.value, value);
}

} // namespace conduit::agent
