// SPDX-License-Identifier: Apache-2.0
#include "core/json_items.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {

Result<> check_json_size(std::string_view text, JsonLimits limits)
{
    if (text.size() > limits.max_bytes)
        return fail(ErrorKind::failed, fmt::format("JSON document of {} bytes is larger than the limit of {}",
                                                   text.size(), limits.max_bytes));
    std::size_t depth = 0;
    bool in_string = false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (in_string) {
            if (c == '\\')
                ++i;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > limits.max_depth)
                return fail(ErrorKind::failed,
                            fmt::format("JSON is nested deeper than {}", limits.max_depth));
        } else if ((c == '}' || c == ']') && depth > 0) {
            --depth;
        }
    }
    return {};
}

Result<Json> parse_json_items(std::string_view text, std::string_view list,
                              std::initializer_list<std::string_view> skip,
                              const std::function<void(const Json& item)>& item, JsonLimits limits)
{
    TRY(check_json_size(text, limits));
    constexpr int k_root = 1, k_item = 2; // depths as the parser counts them
    bool in_list = false;
    const auto keep = [&](int depth, Json::parse_event_t event, Json& parsed) {
        if (event == Json::parse_event_t::key) {
            if (depth == k_root)
                in_list = parsed == list;
            return std::ranges::find(skip, parsed.get_ref<const std::string&>()) == skip.end();
        }
        const bool whole = event == Json::parse_event_t::object_end ||
                           event == Json::parse_event_t::array_end || event == Json::parse_event_t::value;
        if (!whole || depth != k_item || !in_list)
            return true;
        item(parsed);
        return false;
    };
    try {
        return Json::parse(text, keep);
    } catch (const nlohmann::json::parse_error& e) {
        return fail(ErrorKind::failed, fmt::format("not valid JSON at byte {}", e.byte));
    } catch (const nlohmann::json::exception&) {
        return fail(ErrorKind::failed, "not valid JSON");
    }
}

} // namespace conduit
