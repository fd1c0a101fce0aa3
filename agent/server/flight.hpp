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
    ClientCall& call_;
    bool leads_ = false;
};

} // namespace conduit::agent
