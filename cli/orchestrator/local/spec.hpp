// SPDX-License-Identifier: Apache-2.0
// What is wanted of a local folder, kept over restarts: state/local.json.
#pragma once

#include "cli/orchestrator/local/layout.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace conduit::local {

inline constexpr int k_max_replicas = 64;

struct LocalSpec {
    int replicas = 2;
    bool sim = true;
    std::uint16_t data_port = 8080; // 0: any; written back once it is known
    std::uint16_t openai_port = 0, google_port = 0, aws_port = 0, control_port = 0;
    std::vector<std::string> sim_args;
    bool operator==(const LocalSpec&) const = default;
};

// not_found when the folder was never set up; failed, with the file's name, when it is damaged.
Result<LocalSpec> load_spec(const Layout& layout);
Result<> save_spec(const Layout& layout, const LocalSpec& spec);

} // namespace conduit::local
