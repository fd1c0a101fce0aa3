// SPDX-License-Identifier: Apache-2.0
// What a server says of itself: INFO, and the rates between two samples of its counters.
#pragma once

#include "cli/backend/redis.hpp"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace conduit::redis {

class Info {
  public:
    // Lines without a colon and sections that are not known are no failure: versions differ.
    static Info parse(std::string_view text);

    // A field that is not there is unknown (exit 12), never zero.
    Result<std::string> text(std::string_view field) const;
    Result<double> number(std::string_view field) const;
    std::string text_or(std::string_view field, std::string_view otherwise) const;
    std::optional<double> maybe(std::string_view field) const; // nullopt: not there, or no number
    const std::vector<std::pair<std::string, std::vector<std::pair<std::string, std::string>>>>&
    sections() const
    {
        return sections_;
    }

  private:
    std::vector<std::pair<std::string, std::vector<std::pair<std::string, std::string>>>> sections_;
    std::map<std::string, std::string, std::less<>> fields_;
};

Result<Info> read_info(RedisSession& server, std::string_view section,
                       Deadline deadline); // "" for the default

// Counters are totals since the start: what matters is how fast they grow. nullopt: a counter is missing, it
// went back (a restart, CONFIG RESETSTAT), or nothing was looked up.
struct Rates {
    std::optional<double> hits, misses, evicted, expired, commands; // a second
    std::optional<double> hit_ratio;                                // of these moments
    std::optional<double> hit_ratio_total;                          // since the start
};
Rates rates_between(const Info& before, const Info& after, double seconds);

// "redis_mode:cluster"; asked of every server before it is written to.
bool is_cluster(const Info& info);
bool is_master(const Info& info);

} // namespace conduit::redis
