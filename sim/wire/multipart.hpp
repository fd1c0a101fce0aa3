// SPDX-License-Identifier: Apache-2.0
// multipart/form-data (RFC 7578), for whole bodies in memory.
#pragma once

#include "core/result.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::sim {

struct FormPart {
    std::string name;
    std::optional<std::string> filename;
    std::string_view data; // into the body
};

class Form {
  public:
    static Result<Form> parse(std::string_view content_type, std::string_view body);
    const FormPart* find(std::string_view name) const;
    std::string_view value(std::string_view name) const;               // "" when absent
    std::vector<std::string_view> values(std::string_view name) const; // "name" and "name[]"

  private:
    std::vector<FormPart> parts_;
};

} // namespace conduit::sim
