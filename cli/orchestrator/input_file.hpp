// SPDX-License-Identifier: Apache-2.0
// Input whose length must be known before it is sent.
#pragma once

#include "core/cancel.hpp"
#include "core/clock.hpp"
#include "core/fs.hpp"

#include <cstdint>

namespace conduit {

struct WholeInput {
    UniqueFd fd; // where to read it, from the beginning; none: the one given is a file and can be read itself
    std::uint64_t bytes = 0;
};

// Reads a pipe to its end into a file without a name. interrupted; unknown after the deadline; refused when
// it is longer than 16 GiB.
Result<WholeInput> whole_input(int fd, const Cancel& cancel, Deadline deadline);

} // namespace conduit
