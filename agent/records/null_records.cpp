// SPDX-License-Identifier: Apache-2.0
#include "agent/records/record.hpp"

namespace conduit::agent {
namespace {

class NullRecords final : public Records {
  public:
    void push(unsigned /*worker*/, RequestRecord /*record*/) override {}
    Result<std::vector<UsageRow>> usage(const UsageQuery& /*query*/) override
    {
        return fail(ErrorKind::not_found, "no request records are kept (records.store is none)",
                    "Set records.store to sqlite in the agent's configuration to have usage and cost.");
    }
    Stats stats() const override { return {}; }
    Result<> flush(Deadline /*deadline*/) override { return {}; }
};

} // namespace

std::unique_ptr<Records> make_null_records()
{
    return std::make_unique<NullRecords>();
}

} // namespace conduit::agent
