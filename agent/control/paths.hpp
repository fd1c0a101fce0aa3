// SPDX-License-Identifier: Apache-2.0
// The one table of what may be overridden at run time: pattern, value, how it is checked, laid over the
// configuration and read back. A new path is one row here.
#pragma once

#include "agent/control/snapshot.hpp"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::agent {

using PathParts = std::span<const std::string>;

struct PathRule {
    std::string_view pattern; // "providers/<provider>/weight"
    std::string_view value;   // for people: "a whole number from 0 to 1000"
    Result<> (*check)(const Config&, PathParts, const Json&);
    void (*apply)(Snapshot&, PathParts, const Json&); // the value has been checked
    Json (*read)(const Snapshot&, PathParts);
};

// Rows whose check needs another path's effect come after it.
std::span<const PathRule> path_rules();

struct PathMatch {
    const PathRule* rule = nullptr;
    std::vector<std::string> parts;
};
// not_found for an unknown path, with the nearest known ones.
Result<PathMatch> match_path(const Config& config, std::string_view path);

// Reads of one value; each says in the error what was expected.
Result<std::int64_t> int_value(const Json& value, std::int64_t low, std::int64_t high);
Result<bool> bool_value(const Json& value);
Result<std::string> text_value(const Json& value, std::size_t longest);
Result<Duration> duration_value(const Json& value);
Result<Rate> rate_value(const Json& value);

} // namespace conduit::agent
