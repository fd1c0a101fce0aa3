// SPDX-License-Identifier: Apache-2.0
// The cache's part in a request: a hit, a ride on an equal request in flight, or the duty to leave an answer.
#pragma once

#include "agent/server/call.hpp"

namespace conduit::agent {

class Flight {
  public:
    explicit Flight(ClientCall& call);
    ~Flight(); // a leader that failed lets the others go on alone
    Flight(const Flight&) = delete;
    Flight& operator=(const Flight&) = delete;
    // True: the answer was given.
    Task<bool> take_answer();
    // After the providers' answer.
    void keep_answer();

  private:
    Task<bool> give(CachedPtr answer, CacheUse use);
    Task<CachedPtr> wait_for_leader();
    Task<CachedPtr> look_in_fleet(); // what another agent left
    void keep_here(CachedPtr answer, Duration ttl);
    Duration ttl() const;
    ClientCall& call_;
    bool leads_ = false;
    std::uint64_t mark_ = 0; // the newest clear that this request knows of
    std::string flight_;     // requests from before a clear and after it do not share an answer
};

} // namespace conduit::agent
