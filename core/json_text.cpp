// SPDX-License-Identifier: Apache-2.0
#include "core/json_text.hpp"

#include "core/json.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace conduit {

std::string quoted_json(std::string_view text)
{
    const auto plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
    if (!std::ranges::all_of(text, plain))
        return dump_json(Json(text));
    std::string out;
    out.reserve(text.size() + 2);
    out += '"';
    out += text;
    out += '"';
    return out;
}

} // namespace conduit
