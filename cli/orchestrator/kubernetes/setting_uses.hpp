// SPDX-License-Identifier: Apache-2.0
// Who reads which ConfigMap and Secret, and how, as pod templates say it. Pure: documents in, values out.
#pragma once

#include "cli/orchestrator/settings.hpp"

#include <span>

namespace conduit::kubernetes {

// Of workloads by their templates, and of living pods that none of these owns.
std::vector<SettingUse> uses_in(std::span<const JsonBox> workloads, std::span<const JsonBox> pods);
std::vector<EnvironmentValue> environment_in(std::span<const JsonBox> workloads);

} // namespace conduit::kubernetes
