// SPDX-License-Identifier: Apache-2.0
// Keeps back the beginning of an answer that would better be whole: until the first byte has gone to the
// client, a broken answer can be asked for elsewhere.
#pragma once

#include "agent/server/call.hpp"

namespace conduit::agent {

class HoldBack {
  public:
    // pass_through: the adapter's decoder changes nothing.
    HoldBack(const ClientCall& call, const AnswerHead& head, bool pass_through);
    // True: kept, nothing goes out yet. False: `pieces` is everything so far, and goes out.
    bool keep(std::vector<std::string_view>& pieces, bool last);

  private:
    std::size_t limit_ = 0; // 0: nothing is held
    std::string held_;
};

// What the provider's headers say about our quota with it; nothing changes where they are silent.
void note_quota(ProviderHealth* health, const HttpHead& answer);

// Finds what a chat completion was billed for in the bytes of its answer, streamed or not.
class ChatUsage {
  public:
    void add(std::string_view piece);
    std::uint32_t tokens() const; // 0: the provider did not say

  private:
    std::string tail_; // the usage comes last
};

} // namespace conduit::agent
