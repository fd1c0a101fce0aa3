// SPDX-License-Identifier: Apache-2.0
// Long lists without their whole document in memory: each item is there by itself, then gone.
#pragma once

#include "core/json.hpp"

#include <functional>
#include <initializer_list>
#include <string_view>

namespace conduit {

// Gives each element of the root's array `list` to `item` as it is read and returns the rest of the document,
// the array in it emptied. Members named in `skip`, at any depth, are not kept. Failures are those of
// parse_json; the items before the place of one were given.
Result<Json> parse_json_items(std::string_view text, std::string_view list,
                              std::initializer_list<std::string_view> skip,
                              const std::function<void(const Json& item)>& item, JsonLimits limits = {});

// Larger or deeper than the limits: failed. Looks at brackets alone, before a parser recurses.
Result<> check_json_size(std::string_view text, JsonLimits limits);

} // namespace conduit
