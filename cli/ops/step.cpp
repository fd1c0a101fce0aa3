// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/step.hpp"

#include "core/hash.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

constexpr std::size_t k_longest = 120; // of a value on a screen

} // namespace

std::string StepKey::text() const
{
    return fmt::format("{}/{}{}", operation, n, compensation ? "/undo" : "");
}

bool same_json(const Json& a, const Json& b)
{
    if (a.is_number() && b.is_number())
        return a == b; // 1 and 1.0 are the same weight
    if (a.is_object() && b.is_object()) {
        if (a.size() != b.size())
            return false;
        for (const auto& [key, value] : a.items()) {
            const auto* other = json_find(b, key);
            if (other == nullptr || !same_json(value, *other))
                return false;
        }
        return true;
    }
    if (a.is_array() && b.is_array()) {
        if (a.size() != b.size())
            return false;
        for (std::size_t i = 0; i < a.size(); ++i)
            if (!same_json(a[i], b[i]))
                return false;
        return true;
    }
    return a == b;
}

std::string show_value(const Json& value)
{
    if (value.is_null())
        return "-";
    const auto text = value.is_string() ? value.get<std::string>() : dump_json(value);
    if (text.size() > k_longest || text.contains('\n')) // a whole document
        return fmt::format("({} bytes, {})", text.size(), fingerprint(text));
    return printable(text);
}

std::vector<std::string> paths_of(const Step& step)
{
    std::vector<std::string> paths;
    paths.reserve(step.fields.size());
    for (const auto& field : step.fields)
        paths.push_back(field.path);
    return paths;
}

} // namespace conduit::ops
