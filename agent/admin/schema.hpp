// SPDX-License-Identifier: Apache-2.0
// JSON Schemas of the admin API, written short and held by what they describe. Internal to this folder and
// its tests.
//
//   "name:string, p95_ms:number?, items:Provider[], usage:integer{}, ~reason:string, state:(open|closed)"
//
// A leading ~ makes a field optional, ? allows null, [] is a list, {} a map; a capital letter names a
// component; `any` is any value and `...` at the end allows further fields.
#pragma once

#include "core/json.hpp"
#include "core/result.hpp"

#include <string>
#include <string_view>

namespace conduit::agent {

Json object_schema(std::string_view fields);
Json type_schema(std::string_view type); // one type of the short form
const Json& component_schemas();         // name -> schema

// Does the value fit? Knows what object_schema makes. usage error naming the place: "body.set: …".
Result<> check_schema(const Json& schema, const Json& value, const std::string& place);

} // namespace conduit::agent
