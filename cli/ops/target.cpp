// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/target.hpp"

namespace conduit::ops {

Result<std::optional<std::string>> Target::dry_run(const Step& /*step*/, Deadline /*deadline*/)
{
    return std::optional<std::string>{};
}

Result<Facts> Target::facts(const Plan& /*plan*/, Deadline /*deadline*/)
{
    return Facts{};
}

bool Target::keyed(const Step& /*step*/) const
{
    return true;
}

bool Target::carries_expiry(const Step& /*step*/) const
{
    return false;
}

} // namespace conduit::ops
