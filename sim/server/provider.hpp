// SPDX-License-Identifier: Apache-2.0
// What the sessions of one provider share: counters, the fault that is set, the open sockets.
#pragma once

#include "sim/faults/fault.hpp"
#include "sim/server/server.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>

namespace conduit::sim {

struct Counters {
    std::atomic<std::uint64_t> requests{0};
    std::atomic<std::uint64_t> probe_requests{0};
    std::atomic<std::uint64_t> client_requests{0};
    std::atomic<std::uint64_t> connections_opened{0};
    std::atomic<std::uint64_t> bytes_in{0};
    std::atomic<std::uint64_t> bytes_out{0};
    std::atomic<std::uint64_t> aborted{0};
    std::atomic<std::int64_t> in_flight{0}; // levels: a reset leaves them
    std::atomic<std::int64_t> connections_open{0};
};

class Provider {
  public:
    Provider(ProviderSpec spec, const SimCredentials& credentials)
        : spec_(std::move(spec)), credentials_(credentials)
    {
    }
    const ProviderSpec& spec() const { return spec_; }
    Counters& counters() { return counters_; }
    WireContext context(WallTime now);

    void count_route(const Route& route);
    void count_caller(const std::string& caller);
    void reset_counters();
    Json to_json() const;

    std::shared_ptr<const Fault> fault() const { return fault_.load(); }
    Fault fault_shown() const; // with what is left of fail_next
    void set_fault(const Fault& fault);
    bool take_failure(); // one of fail_next
    double dice();       // uniform in [0,1), a fixed sequence
    std::uint64_t add_socket(int fd);
    void remove_socket(std::uint64_t id);
    void cut_sockets(); // ends every open connection

  private:
    ProviderSpec spec_;
    const SimCredentials& credentials_;
    Counters counters_;
    std::atomic<std::uint64_t> serial_{0};
    std::atomic<std::uint64_t> rolls_{0};
    std::atomic<std::uint64_t> failures_left_{0};
    std::atomic<std::shared_ptr<const Fault>> fault_{std::make_shared<const Fault>()};
    mutable std::mutex mutex_; // guards what follows
    std::map<std::string, std::uint64_t, std::less<>> by_route_;
    std::map<std::string, std::uint64_t, std::less<>> by_key_;
    std::map<std::uint64_t, int> sockets_;
    std::uint64_t next_socket_ = 0;
};

} // namespace conduit::sim
