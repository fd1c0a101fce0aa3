// SPDX-License-Identifier: Apache-2.0
// Removes the keys that a clear has ended: SCAN and UNLINK by a literal prefix, page by page, by the one
// replica that comes first. Nobody waits for it, and nothing depends on it but the memory of Redis.
#pragma once

#include "agent/cache/shared_cache.hpp"

namespace conduit::agent {

bool is_cache_key(std::string_view key); // ours: audio:tts: or audio:stt:
// The keys of a SCAN's page; the cursor goes on. failed: not the answer of a SCAN.
Result<std::vector<std::string>> scanned(const redis::Reply& page, std::string& cursor);

class Sweeper : public std::enable_shared_from_this<Sweeper> {
  public:
    explicit Sweeper(RedisPort& port) : port_(port) {}
    void start(std::uint64_t epoch, std::uint64_t revision, const std::string& prefix);
    Sweep last() const;

  private:
    void next_page(std::uint64_t epoch, const std::string& pattern, const std::string& cursor);
    void take_page(std::uint64_t epoch, const std::string& pattern, Result<redis::Reply> page);
    void end(std::uint64_t epoch, Sweep::State state, const std::string& error = {});
    RedisPort& port_;
    mutable std::mutex mutex_;
    Sweep last_;
};

} // namespace conduit::agent
