// SPDX-License-Identifier: Apache-2.0
// Where the agents' base configuration lies: a file of this machine, or a key of a ConfigMap that their pods
// mount. Replaced as a whole, and only as it was read.
#pragma once

#include "cli/orchestrator/settings.hpp"
#include "core/clock.hpp"
#include "core/fs.hpp"
#include "core/result.hpp"

#include <functional>
#include <memory>
#include <string>

namespace conduit {

class BaseConfig {
  public:
    struct Text {
        std::string text;
        std::string version; // changes with each write
    };
    virtual ~BaseConfig() = default;
    virtual std::string name() const = 0; // for messages
    virtual Result<Text> read(Deadline deadline) = 0;
    // The write of a key that was seen before is not repeated. stale: it was changed since `before`.
    virtual Result<> replace(const std::string& key, const Text& before, const std::string& after,
                             Deadline deadline, const std::function<void()>& sent) = 0;
    // Was there a write with this key? What it wrote may have been changed since.
    virtual Result<bool> was_written(const std::string& key, Deadline deadline) = 0;
};

// keys: where it is kept which writes there were; beside the file's deployment, so that everybody looks
// there.
std::unique_ptr<BaseConfig> make_config_in_file(fs::path file, fs::path keys);

// The key of a ConfigMap. The settings must outlive it.
std::unique_ptr<BaseConfig> make_config_in_map(ServiceSettings& settings, std::string map, std::string key);

// Which key of a ConfigMap the workload's replicas see as this file. refused, with the reason: none, or one
// that a running replica never reads again.
struct MountedConfig {
    std::string map;
    std::string key;
};
Result<MountedConfig> find_mounted_config(ServiceSettings& settings, const std::string& workload,
                                          const fs::path& file, Deadline deadline);

} // namespace conduit
