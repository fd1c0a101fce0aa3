// SPDX-License-Identifier: Apache-2.0
// Compares text with a committed file. CONDUIT_UPDATE_GOLDEN=1 writes the file instead; its diff is reviewed
// like code.
#pragma once

#include "core/fs.hpp"
#include "tests/support/catch.hpp"

#include <cstdlib>
#include <string>

namespace conduit::test {

inline void check_golden(const std::string& path_from_root, const std::string& actual)
{
    const fs::path path = fs::path(CONDUIT_SOURCE_DIR) / path_from_root;
    const char* update = std::getenv("CONDUIT_UPDATE_GOLDEN"); // NOLINT(concurrency-mt-unsafe)
    if (update != nullptr && std::string_view(update) == "1") {
        constexpr mode_t k_dir = 0755;
        constexpr mode_t k_file = 0644;
        REQUIRE(make_dirs(path.parent_path(), k_dir));
        REQUIRE(write_file(path, actual, k_file));
        return;
    }
    const auto expected = read_file(path);
    INFO("golden file " << path_from_root << "; CONDUIT_UPDATE_GOLDEN=1 writes it anew");
    REQUIRE(expected);
    CHECK(actual == *expected);
}

} // namespace conduit::test
