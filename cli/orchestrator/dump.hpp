// SPDX-License-Identifier: Apache-2.0
// The memory, or the threads, of a process in an instance as a file here. The tool has to be in its image.
#pragma once

#include "cli/orchestrator/streams.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace conduit {

enum class DumpKind : std::uint8_t { heap, threads };

struct DumpPlan { // what was found there
    StreamPlace place;
    DumpKind kind = DumpKind::heap;
    int pid = 1;
    std::string process;               // "dotnet"
    std::string tool;                  // "dotnet-dump"; "" when the image has none
    std::string folder;                // where it is written there
    std::uint64_t memory = 0;          // that the process holds
    std::optional<std::uint64_t> free; // of that folder's disk; nullopt: not known
};

struct DumpQuestion {
    StreamPlace place;
    DumpKind kind = DumpKind::heap;
    int pid = 1;
    std::string folder; // "" for a usual one
};

struct Dumped {
    std::string to;
    std::uint64_t bytes = 0;
    std::string sha256;
};

// Looks, and changes nothing. failed: there is no such process, or the image has no sh.
Result<DumpPlan> plan_dump(InstanceStreams& streams, const DumpQuestion& question, const Cancel& cancel,
                           Deadline deadline);
// How long the process stands still at about 200 MiB a second.
Duration dump_pause(const DumpPlan& plan);
// Writes it there, brings it here (mode 0600, its hash compared), and removes it there whatever happens:
// what nobody removes goes by itself after an hour.
Result<Dumped> take_dump(InstanceStreams& streams, const DumpPlan& plan, const fs::path& to,
                         const Cancel& cancel, Deadline deadline);

} // namespace conduit
