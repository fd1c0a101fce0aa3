// SPDX-License-Identifier: Apache-2.0
// A file into an instance and out of it, with what its image has: sh, head, cat, sha256sum, mv. It appears
// under its name whole or not at all; both sides' hashes are compared.
#pragma once

#include "cli/orchestrator/streams.hpp"

#include <string>

namespace conduit {

struct CopyEnds {
    StreamPlace place;
    std::string remote; // a path there; a folder takes the file under its own name
    fs::path local;
};

struct Copied {
    std::string to; // where it is now
    std::uint64_t bytes = 0;
    std::string sha256;
};

// not_found: a file or folder that is not there. failed: it could not be written, or what arrived is not what
// was sent; the name is as it was. unknown: the connection ended meanwhile; the name has the old file or the
// new one.
Result<Copied> copy_in(InstanceStreams& streams, const CopyEnds& ends, const Cancel& cancel,
                       Deadline deadline);
Result<Copied> copy_out(InstanceStreams& streams, const CopyEnds& ends, const Cancel& cancel,
                        Deadline deadline);

} // namespace conduit
