// SPDX-License-Identifier: Apache-2.0
// What guards decide on. A target fills in what it knows; a guard without facts does not speak.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace conduit::ops {

struct ProviderFact {
    std::string name;
    bool enabled = true;
    bool healthy = true;
    double weight = 0;
    std::string because; // why it is off: "disabled until 16:04 UTC (maria, 01JD…)"
};

struct WorkloadFact {
    std::string name;
    int replicas = 0;
    int healthy = 0;
    bool highly_available = true; // min_replicas is for these
};

struct SystemState {
    std::vector<ProviderFact> providers;
    std::vector<WorkloadFact> workloads;
};

struct DeleteFact {   // for verbs that remove data-like things; caches declare none
    std::string what; // "keys"
    std::int64_t count = 0;
    std::int64_t total = 0;
};

struct Facts {
    SystemState now;
    SystemState then; // with the plan's changes made
    std::optional<DeleteFact> deletes;
    int running = 0; // other operations that hold a lock of this target; the engine fills it in
};

} // namespace conduit::ops
