// SPDX-License-Identifier: Apache-2.0
// The volumes that keep the instances' data, and the one change that they allow: to grow.
#pragma once

#include "cli/orchestrator/orchestrator.hpp"

namespace conduit {

struct VolumeCondition {
    std::string type;    // "Resizing", "FileSystemResizePending"
    std::string message; // in the server's words
};

struct Volume { // a PersistentVolumeClaim
    std::string name;
    std::string phase;           // "Bound"
    std::string requested;       // "10Gi"
    std::string capacity;        // what it has; "" while nothing is bound
    std::string storage_class;   // "" for none
    std::optional<bool> expands; // may its class grow it? nullopt: not known
    std::string volume;          // what it is bound to
    std::vector<std::string> used_by;
    std::vector<VolumeCondition> conditions;
    std::optional<WallTime> created;
};

struct ResizeRequest {
    std::string name;
    std::string before; // stale unless this is what is requested now
    std::string after;
    std::string key; // a repeated key writes nothing
    bool dry_run = false;
    std::function<void()> on_sent;
};

class Volumes { // one namespace
  public:
    virtual ~Volumes() = default;
    virtual std::string identity() const = 0; // the orchestrator's

    virtual Result<std::vector<Volume>> list(Deadline deadline) = 0;
    virtual Result<Volume> get(const std::string& name, Deadline deadline) = 0; // not_found: the nearest
    // refused: the server forbids it; stale: another size is requested by now.
    virtual Result<> resize(const ResizeRequest& request, Deadline deadline) = 0;
    virtual Result<bool> was_resized(const std::string& name, std::string_view key, Deadline deadline) = 0;
    // Until it has so much, the file system included; failed, at once, when it never will.
    virtual Result<> wait_resized(const std::string& name, const std::string& size,
                                  const ChangeProgress& progress, Deadline deadline) = 0;
};

} // namespace conduit
