// SPDX-License-Identifier: Apache-2.0
#include "core/json.hpp"

#include "core/json_items.hpp"

#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

nlohmann::json sorted(const Json& value)
{
    return nlohmann::json::parse(dump_json(value), nullptr, false);
}

} // namespace

JsonBox::JsonBox() : value_(std::make_unique<Json>()) {}
JsonBox::JsonBox(Json value) : value_(std::make_unique<Json>(std::move(value))) {}
JsonBox::JsonBox(const JsonBox& other) : value_(std::make_unique<Json>(*other.value_)) {}
JsonBox::JsonBox(JsonBox&& other) noexcept : value_(std::move(other.value_))
{
    other.value_ = std::make_unique<Json>();
}
JsonBox& JsonBox::operator=(const JsonBox& other)
{
    if (this != &other)
        *value_ = *other.value_;
    return *this;
}
JsonBox& JsonBox::operator=(JsonBox&& other) noexcept
{
    std::swap(value_, other.value_);
    return *this;
}
JsonBox::~JsonBox() = default;
bool JsonBox::operator==(const JsonBox& other) const
{
    return *value_ == *other.value_;
}

Result<Json> parse_json(std::string_view text, JsonLimits limits)
{
    TRY(check_json_size(text, limits));
    try {
        return Json::parse(text);
    } catch (const nlohmann::json::parse_error& e) {
        return fail(ErrorKind::failed, fmt::format("not valid JSON at byte {}", e.byte));
    } catch (const nlohmann::json::exception&) {
        return fail(ErrorKind::failed, "not valid JSON");
    }
}

std::string dump_json(const Json& value, int indent)
{
    return value.dump(indent, ' ', false, Json::error_handler_t::replace);
}

std::string canonical_json(const Json& value)
{
    return sorted(value).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

const Json* json_find(const Json& object, std::string_view key)
{
    if (!object.is_object())
        return nullptr;
    const auto it = object.find(std::string(key));
    return it == object.end() ? nullptr : &*it;
}

Result<std::string> json_string(const Json& object, std::string_view key)
{
    const auto* value = json_find(object, key);
    if (value == nullptr || !value->is_string())
        return fail(ErrorKind::unknown, fmt::format("the answer has no text field '{}'", key));
    return value->get<std::string>();
}

Result<double> json_number(const Json& object, std::string_view key)
{
    const auto* value = json_find(object, key);
    if (value == nullptr || !value->is_number() || !std::isfinite(value->get<double>()))
        return fail(ErrorKind::unknown, fmt::format("the answer has no number field '{}'", key));
    return value->get<double>();
}

std::string json_string_or(const Json& object, std::string_view key, std::string_view otherwise)
{
    const auto* value = json_find(object, key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : std::string(otherwise);
}

double json_number_or(const Json& object, std::string_view key, double otherwise)
{
    const auto* value = json_find(object, key);
    return value != nullptr && value->is_number() ? value->get<double>() : otherwise;
}

bool json_bool_or(const Json& object, std::string_view key, bool otherwise)
{
    const auto* value = json_find(object, key);
    return value != nullptr && value->is_boolean() ? value->get<bool>() : otherwise;
}

} // namespace conduit
