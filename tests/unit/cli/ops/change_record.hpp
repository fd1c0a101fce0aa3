// SPDX-License-Identifier: Apache-2.0
// What the tests of a change ask its report and its record.
#pragma once

#include "tests/support/catch.hpp"
#include "tests/support/fakes/ops_bench.hpp"

namespace conduit::ops {

inline std::vector<Phase> phases(const conduit::test::OpsBench& bench, const std::string& id)
{
    std::vector<Phase> out;
    const auto record = bench.journal.operation(id);
    REQUIRE(record);
    for (const auto& entry : record->entries)
        out.push_back(entry.phase);
    return out;
}

inline std::string operation(const Report& report)
{
    return json_string_or(*report.data, "operation", "");
}

} // namespace conduit::ops
