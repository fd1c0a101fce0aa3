// SPDX-License-Identifier: Apache-2.0
// The last five minutes of one shard in one-second buckets. One writer; readers may see a second that is just
// being written, which is why summaries speak of complete seconds only.
#pragma once

#include "agent/metrics/metrics.hpp"

#include <memory>
#include <vector>

namespace conduit::agent {

inline constexpr std::size_t k_ring_seconds = 301;

struct SpeechCache { // of speech alone; the public bucket sums over the operations
    std::uint32_t hits = 0, lookups = 0;
};

class SummaryRing {
  public:
    SummaryRing();
    void record(const RequestRecord& record, std::size_t provider_index); // the one writer
    void limited(std::int64_t second);
    // Adds this shard's counts of the seconds from `first` on (out[0] is `first`).
    void merge_into(std::vector<SummaryBucket>& out, std::int64_t first) const;
    SpeechCache speech_cache(std::int64_t first, std::int64_t last) const;

  private:
    struct Slot {
        SummaryBucket bucket;
        SpeechCache speech;
    };
    struct Free {
        void operator()(Slot* slots) const;
    };
    Slot* slot_of(std::int64_t second); // null: older than what the slot holds by now
    std::unique_ptr<Slot[], Free> slots_;
};

bool failed(const RequestRecord& record); // through the service's fault, not the client's
double quantile_ms(std::span<const std::uint32_t, 24> counts, double q); // NaN when nothing was counted

} // namespace conduit::agent
