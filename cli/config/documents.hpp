// SPDX-License-Identifier: Apache-2.0
// Texts of settings: what their names say they are, whether they are that, and single values within them.
#pragma once

#include "core/json.hpp"
#include "core/result.hpp"

#include <string>
#include <string_view>

namespace conduit {

enum class DocumentKind : std::uint8_t { plain, yaml, json, env, properties };
DocumentKind document_kind(std::string_view name); // by its ending
std::string_view document_name(DocumentKind kind); // "YAML"

// usage, with name:line: the text is not what its name says.
Result<> check_document(std::string_view name, std::string_view text);

// "Providers.OpenAI.Enabled"; a dot of a key is written "\.". Of .env and .properties all of it is the key.
std::vector<std::string> document_path(std::string_view name, std::string_view path);
// The value at the path; null: it is not there. usage: this kind of text has no values within.
Result<Json> document_value(std::string_view name, std::string_view text, std::string_view path);
// The text with that value; null takes it out. Comments, order and layout stay where the kind has them.
Result<std::string> edit_document(std::string_view name, std::string_view text, std::string_view path,
                                  const Json& value);

} // namespace conduit
