// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/result.hpp"

#include <optional>

namespace conduit {

// A connection that is pumped in the background until one of its ends closes it. Destruction cuts it.
class PortStream {
  public:
    virtual ~PortStream() = default;
    virtual bool ended() const = 0;
    virtual void wait() = 0;                        // until it has
    virtual void cut() = 0;                         // from any thread: it ends soon
    virtual std::optional<Error> fault() const = 0; // why it ended, when neither end closed it
};

} // namespace conduit
