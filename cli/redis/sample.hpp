// SPDX-License-Identifier: Apache-2.0
// What keys there are, by a sample with a limit: never KEYS, never a whole scan by surprise.
#pragma once

#include "cli/redis/reach.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

namespace conduit::redis {

struct ScanPage {
    std::string cursor = "0"; // "0" again: that was all
    std::vector<std::string> keys;
};
std::string scan_command(const std::string& cursor, const std::string& pattern, std::size_t count);
Result<ScanPage> read_page(const Reply& reply, const std::string& server);

struct KeySample {
    std::uint64_t total = 0;   // DBSIZE of all masters
    std::uint64_t looked = 0;  // keys that were looked at
    std::uint64_t matched = 0; // of those
    bool whole = false;        // every key was looked at, so matched is exact
    std::vector<std::string> some;
    std::map<std::string, std::uint64_t> prefixes; // "audio:" -> matched; "(none)"
    std::uint64_t estimate() const;                // of all keys that match
};
struct SampleOptions {
    std::string prefix;        // literal; "" for all
    std::string pattern;       // instead, as MATCH takes it
    std::size_t most = 20'000; // keys to look at, over all masters
    std::size_t some = 3;      // keys to keep
};
Result<KeySample> sample_keys(const Masters& masters, const SampleOptions& options, Deadline deadline);

// Of a key: up to its first ':', that included; "(none)" for one without.
std::string prefix_of(std::string_view key);
std::string pattern_of(const SampleOptions& options);

struct BigKey {
    std::string key;
    std::string type;
    std::uint64_t bytes = 0;
    std::string node;
};
struct TypeSample {
    std::uint64_t looked = 0;
    std::map<std::string, std::uint64_t> types;
    std::vector<BigKey> biggest;     // first
    std::vector<std::string> queues; // lists, streams and sorted sets: what an eviction would lose
};
// MEMORY USAGE of at most `most` keys a server.
Result<TypeSample> sample_memory(RedisSession& server, std::size_t most, std::size_t keep, Deadline deadline);

} // namespace conduit::redis
