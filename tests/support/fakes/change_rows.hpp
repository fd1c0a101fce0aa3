// SPDX-License-Identifier: Apache-2.0
// One row for each changing verb: a command line that changes something, and what has to be there first.
#pragma once

#include <string>
#include <vector>

namespace conduit::test {

using Words = std::vector<std::string>;

struct ChangeRow {
    std::string verb; // "provider disable"
    Words words;      // ID stands for the operation of the last line of `before`
    std::vector<Words> before;
    int steps = 1;
    bool variant = false; // of a verb that has its row already
    bool reversible = true;
    // Never taken back by itself: no replica can fail to have it (an override is taken away), or it must
    // stand.
    bool cannot_fail = false;
    bool of_release = false; // of a cluster's workload: see FakeReleases
};

const std::vector<ChangeRow>& change_rows();

} // namespace conduit::test
