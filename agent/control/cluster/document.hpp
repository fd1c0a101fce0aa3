// SPDX-License-Identifier: Apache-2.0
// The control state as a ConfigMap: readable by people with kubectl, bounded, and complete in one object, so
// that one compare-and-set writes the state, its history and what makes a repeated operation known.
#pragma once

#include "agent/control/state.hpp"
#include "agent/control/state_change.hpp"

#include <map>
#include <string>
#include <vector>

namespace conduit::agent {

struct RecordedOperation {
    std::string operation, digest;
    std::uint64_t revision = 0;
    WallTime time{};
};

struct ControlDocument {
    ControlState state;
    std::map<std::string, std::uint64_t> fences; // by scope
    std::vector<RecordedOperation> operations;   // oldest first
    std::vector<HistoryEntry> history;           // oldest first
};

bool has_state(const Json& config_map); // somebody has written one, be it an empty one

// data."state.json", "operations.jsonl", "history.jsonl", "fences.json". Without data: the empty state.
// failed when the state cannot be read; of history and operations what is broken is left out.
Result<ControlDocument> read_document(const Json& config_map);
// Puts it into the object's data, whatever else is there stays. History and operations are cut from their old
// end to what an object of the API may hold; refused when the state alone is too large.
Result<> write_document(Json& config_map, const ControlDocument& document);

// What a patch makes of it; nullopt when this operation was carried out before.
Result<std::optional<StateChange>> change_document(ControlDocument& document, const StatePatch& patch,
                                                   WallTime now);
bool expire_document(ControlDocument& document, WallTime now); // false: nothing was due

// Lines appended to a ConfigMap, the oldest dropped beyond its size.
void append_line(Json& config_map, const std::string& line);
std::vector<std::string> last_lines(const Json& config_map, std::size_t limit);

} // namespace conduit::agent
