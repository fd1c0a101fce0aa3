// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "agent/admin/call.hpp"

namespace conduit::agent {

// Shared by the v1 routes and those of the operators' documents.
Result<AdminResponse> check_all_providers(AdminServices& services, const Call& call);
Result<AdminResponse> pool_stats(AdminServices& services, const Call& call);
Result<AdminResponse> connection_list(AdminServices& services, const Call& call);
Result<AdminResponse> blocklist(AdminServices& services, const Call& call);
Result<AdminResponse> usage(AdminServices& services, const Call& call);
Result<AdminResponse> safety_test(AdminServices& services, const Call& call);
Json warm(AdminServices& services, const Json& items);

} // namespace conduit::agent
