// SPDX-License-Identifier: Apache-2.0
// Kept-alive connections to providers. One pool a thread, one board for all threads: it holds the shared
// limit and the numbers. A reset drains: idle connections close now, busy ones after their request.
#pragma once

#include "agent/config/config.hpp"
#include "agent/metrics/metrics.hpp"
#include "agent/net/http1.hpp"
#include "agent/net/stream.hpp"

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace conduit::agent {

class PoolBoard {
  public:
    struct Entry {
        std::string provider;
        std::atomic<std::uint32_t> limit{0}, open{0}, idle{0}, waiting{0}, draining{0}, draining_realtime{0};
        std::atomic<std::uint64_t> created{0}, reused{0}, failed{0}, closed{0};
    };
    Entry& of(const std::string& provider); // created on first use, never freed
    std::vector<PoolStats> stats() const;
    // wake(entry): a slot became free; called from any thread.
    void on_free(std::function<void(Entry&)> wake) { wake_ = std::move(wake); }
    void slot_freed(Entry& entry) const;

  private:
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<Entry>> entries_;
    std::function<void(Entry&)> wake_;
};

struct Endpoint; // provider, host, port, TLS

struct Upstream { // one connection, lent to one request at a time
    std::unique_ptr<Stream> stream;
    HttpParser parser{HttpParser::Kind::response, 65536};
    Endpoint* endpoint = nullptr;
    SteadyTime created{}, idle_since{};
    std::uint64_t epoch = 0;
    std::uint64_t requests = 0;
    bool reused = false;                              // had served a request before this one
    bool realtime = false;                            // lent for as long as two people talk
    std::atomic<std::uint32_t>* counted_in = nullptr; // draining since a reset: where that is counted
};

struct PoolTarget {
    const ProviderConfig& provider;
    const Url& url;
};

class Pool final : public Timed {
  public:
    Pool(Loop& loop, PoolBoard& board);
    ~Pool() override;
    // At every snapshot swap. An epoch higher than before drains all older connections.
    void configure(const PoolConfig& config, std::uint64_t epoch);

    struct Acquired {
        std::unique_ptr<Upstream> connection; // null: see error
        std::string error;
        bool exhausted = false; // the limit, not the provider, was the reason
    };
    // An idle connection at once, or null.
    std::unique_ptr<Upstream> take_idle(const PoolTarget& target);
    // Opens one, waiting for a free slot when the provider's limit is reached.
    // fresh: not one that was kept alive.
    Task<Acquired> open(PoolTarget target, SteadyTime deadline, bool fresh = false);
    void give_back(std::unique_ptr<Upstream> connection, bool reusable);
    void wake(PoolBoard::Entry& entry); // on this loop's thread
    void close_idle();

    struct Info {
        std::string provider, peer, state;
        std::uint64_t age_ms, requests, bytes_in, bytes_out;
    };
    void describe(std::vector<Info>& out, std::size_t limit) const;

  private:
    Endpoint& endpoint_of(const PoolTarget& target);
    void on_tick(SteadyTime now) override;
    void evict(Endpoint& endpoint, SteadyTime now);
    void close(std::unique_ptr<Upstream> connection);
    Task<Acquired> connect(Endpoint& endpoint, std::string host, std::string ca_file, SteadyTime deadline);
    Task<bool> wait_for_slot(Endpoint& endpoint, SteadyTime deadline);

    PoolBoard& board_;
    PoolConfig config_;
    std::uint64_t epoch_ = 0;
    std::vector<std::unique_ptr<Endpoint>> endpoints_;
    std::vector<Upstream*> lent_;
    SteadyTime next_eviction_{};
};

} // namespace conduit::agent
