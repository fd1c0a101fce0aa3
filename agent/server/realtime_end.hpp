// SPDX-License-Identifier: Apache-2.0
// When a realtime session has to go although neither side ended it.
#pragma once

#include "agent/server/worker.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace conduit::agent {

class RealtimeEnd final : public Timed {
  public:
    // wake is set once, when the session is due. epoch: of the connection to the provider.
    RealtimeEnd(Worker& worker, std::string provider, std::uint64_t epoch, const Stream& client,
                const Stream& upstream, Signal& wake);
    bool due() const { return !reason_.empty(); }
    std::string_view reason() const { return reason_; } // for the close frame
    // How long the client may take to answer the close.
    std::chrono::milliseconds close_wait() const;

  private:
    void on_tick(SteadyTime now) override;
    bool drained(SteadyTime now) const;
    std::optional<Duration> allowed() const; // since it was taken out; nullopt: it may go on

    Worker& worker_;
    std::string provider_;
    std::uint64_t epoch_;
    const Stream& client_;
    const Stream& upstream_;
    Signal& wake_;
    std::string_view reason_;
    std::optional<SteadyTime> taken_out_at_;
    SteadyTime quiet_since_ = std::chrono::steady_clock::now();
    std::uint64_t seen_bytes_ = 0;
};

} // namespace conduit::agent
