// SPDX-License-Identifier: Apache-2.0
// JSON documents (nlohmann, insertion ordered). Headers see this file only; a .cpp that builds or walks a
// document includes <nlohmann/json.hpp> itself, because that header costs seconds.
#pragma once

#include "core/result.hpp"

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

namespace conduit {

using Json = nlohmann::ordered_json;

// Value semantics for a document inside a struct whose header must not know the whole type. Default: null.
class JsonBox {
  public:
    JsonBox();
    JsonBox(Json value); // NOLINT(google-explicit-constructor): a box is a document
    JsonBox(const JsonBox& other);
    JsonBox(JsonBox&& other) noexcept;
    JsonBox& operator=(const JsonBox& other);
    JsonBox& operator=(JsonBox&& other) noexcept;
    ~JsonBox();
    Json& operator*() { return *value_; }
    const Json& operator*() const { return *value_; }
    Json* operator->() { return value_.get(); }
    const Json* operator->() const { return value_.get(); }
    bool operator==(const JsonBox& other) const;

  private:
    std::unique_ptr<Json> value_;
};

struct JsonLimits {
    std::size_t max_bytes = 16U << 20U;
    std::size_t max_depth = 64;
};
// Never throws; broken UTF-8, too deep and too large are failures that say where ("at byte 17").
Result<Json> parse_json(std::string_view text, JsonLimits limits = {});
std::string dump_json(const Json& value, int indent = -1); // invalid UTF-8 is replaced, never thrown
std::string canonical_json(const Json& value); // keys sorted, no blanks: for comparing and hashing

// Typed reads that name the missing or mistyped field in the error (kind: unknown).
Result<std::string> json_string(const Json& object, std::string_view key);
Result<double> json_number(const Json& object, std::string_view key);
std::string json_string_or(const Json& object, std::string_view key, std::string_view otherwise);
double json_number_or(const Json& object, std::string_view key, double otherwise);
bool json_bool_or(const Json& object, std::string_view key, bool otherwise);
const Json* json_find(const Json& object, std::string_view key); // null when absent or not an object

} // namespace conduit
