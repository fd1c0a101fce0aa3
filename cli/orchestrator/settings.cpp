// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/settings.hpp"

#include <algorithm>

namespace conduit {

std::string_view read_as_name(ReadAs how)
{
    switch (how) {
    case ReadAs::variable:
        return "env";
    case ReadAs::all_variables:
        return "envFrom";
    case ReadAs::file:
        return "volume";
    case ReadAs::sub_path:
        return "subPath";
    case ReadAs::image_pull:
        break;
    }
    return "imagePull";
}

bool read_at_start(ReadAs how)
{
    return how == ReadAs::variable || how == ReadAs::all_variables || how == ReadAs::sub_path;
}

bool reads_key(const SettingUse& use, std::string_view key)
{
    return use.keys.empty() || std::ranges::find(use.keys, key) != use.keys.end();
}

bool can_roll(const SettingUse& use)
{
    return use.workload_kind == "Deployment" || use.workload_kind == "StatefulSet" ||
           use.workload_kind == "DaemonSet";
}

} // namespace conduit
