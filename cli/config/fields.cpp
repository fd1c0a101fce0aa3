// SPDX-License-Identifier: Apache-2.0
#include "cli/config/fields.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

Json* schema_child(Json* schema, std::string_view key)
{
    return schema == nullptr ? nullptr : &(*schema)["properties"][std::string(key)];
}

} // namespace

Fields::Fields(YamlNode node, std::vector<Error>& errors, std::string_view home, Json* schema)
    : node_(std::move(node)), errors_(errors), home_(home), schema_(schema)
{
    if (schema_ != nullptr) {
        (*schema_)["type"] = "object";
        (*schema_)["additionalProperties"] = false;
    }
    if (node_.exists() && !node_.is_map() && !node_.is_null()) {
        errors_.push_back(node_.error("a map is expected"));
        usable_ = false;
    }
}

Fields::Fields(Fields& parent, std::string_view key)
    : Fields(parent.child(key, "object"), parent.errors_, parent.home_, schema_child(parent.schema_, key))
{
}

Fields::~Fields()
{
    if (usable_ && node_.is_map())
        for (Error& error : node_.unknown_keys(known_))
            errors_.push_back(std::move(error));
}

YamlNode Fields::child(std::string_view key, std::string_view schema_type)
{
    known_.push_back(key);
    if (schema_ != nullptr)
        (*schema_child(schema_, key))["type"] = schema_type;
    return usable_ && node_.is_map() ? node_.get(key) : YamlNode{};
}

template <class T> bool Fields::take(const YamlNode& node, T& target, Result<T> (YamlNode::*as)() const)
{
    if (!node.exists() || node.is_null())
        return false;
    auto value = (node.*as)();
    if (!value) {
        errors_.push_back(std::move(value).error());
        return false;
    }
    target = *std::move(value);
    return true;
}

void Fields::text(std::string_view key, std::string& target)
{
    take(child(key, "string"), target, &YamlNode::as_string);
}

void Fields::flag(std::string_view key, bool& target)
{
    take(child(key, "boolean"), target, &YamlNode::as_bool);
}

void Fields::ratio(std::string_view key, std::optional<double>& target)
{
    double value = 0;
    if (take(child(key, "string"), value, &YamlNode::as_ratio))
        target = value;
    if (Json* schema = schema_child(schema_, key)) {
        (*schema)["type"] = {"string", "number"};
        (*schema)["description"] = "a share: 20% or 0.2";
    }
}

void Fields::path(std::string_view key, fs::path& target)
{
    std::string value;
    text(key, value);
    if (!value.empty())
        target = expand_home(value, home_);
}

void Fields::integer(std::string_view key, std::optional<int>& target)
{
    constexpr std::int64_t k_most = 1'000'000'000;
    const YamlNode node = child(key, "integer");
    std::int64_t value = 0;
    if (!take(node, value, &YamlNode::as_int))
        return;
    if (value < 0 || value > k_most)
        errors_.push_back(node.error(fmt::format("{} is a number from 0 to {}", key, k_most)));
    else
        target = static_cast<int>(value);
}

void Fields::integer(std::string_view key, int& target)
{
    std::optional<int> value;
    integer(key, value);
    target = value.value_or(target);
}

void Fields::texts(std::string_view key, std::vector<std::string>& target)
{
    const YamlNode node = child(key, "array");
    if (Json* schema = schema_child(schema_, key))
        (*schema)["items"] = {{"type", "string"}};
    if (!node.exists() || node.is_null())
        return;
    if (!node.is_list()) {
        errors_.push_back(node.error(fmt::format("{} is a list", key)));
        return;
    }
    for (const YamlNode& item : node.items()) {
        std::string value;
        if (take(item, value, &YamlNode::as_string))
            target.push_back(std::move(value));
    }
}

void Fields::secret(std::string_view key, SecretRef& target)
{
    const YamlNode node = child(key, "string");
    if (Json* schema = schema_child(schema_, key)) {
        (*schema)["pattern"] = "^(file|env|command|kubernetes):.+";
        (*schema)["description"] = "where the secret lives, never the secret itself";
    }
    std::string value;
    if (!take(node, value, &YamlNode::as_string))
        return;
    auto reference = parse_secret_ref(value);
    if (reference)
        target = *std::move(reference);
    else
        errors_.push_back(
            node.error(fmt::format("{}: {}", key, reference.error().message), reference.error().hint));
}

void Fields::amount(std::string_view key, std::optional<std::int64_t>& count, std::optional<double>& share)
{
    const YamlNode node = child(key, "string");
    if (Json* schema = schema_child(schema_, key)) {
        (*schema)["type"] = {"integer", "string", "number", "array"};
        (*schema)["items"] = {{"type", {"integer", "string", "number"}}};
        (*schema)["description"] = "a number, a share such as 10%, or both in a list";
    }
    for (const YamlNode& part : node.is_list() ? node.items() : std::vector{node}) {
        const auto text = part.scalar();
        std::int64_t whole = 0;
        double ratio = 0;
        if (text.ends_with('%') || text.contains('.')) {
            if (take(part, ratio, &YamlNode::as_ratio))
                share = ratio;
        } else if (take(part, whole, &YamlNode::as_int)) {
            if (whole < 0)
                errors_.push_back(part.error(fmt::format("{} cannot be negative", key)));
            else
                count = whole;
        }
    }
}

void Fields::items(std::string_view key, const std::function<void(Fields&)>& read)
{
    const YamlNode node = child(key, "array");
    if (Json* schema = schema_child(schema_, key)) {
        Fields described({}, errors_, home_, &(*schema)["items"]);
        read(described);
    }
    if (!node.exists() || node.is_null())
        return;
    if (!node.is_list()) {
        errors_.push_back(node.error(fmt::format("{} is a list", key)));
        return;
    }
    for (const YamlNode& item : node.items()) {
        Fields fields(item, errors_, home_);
        read(fields);
    }
}

bool Fields::time(std::string_view key, WallTime& target)
{
    const YamlNode node = child(key, "string");
    if (Json* schema = schema_child(schema_, key))
        (*schema)["format"] = "date-time";
    if (!usable_ || !node_.is_map())
        return false;
    if (!node.exists()) {
        report(fmt::format("{} is missing", key));
        return false;
    }
    auto time = parse_time(node.scalar());
    if (!time) {
        errors_.push_back(node.error(time.error().message, time.error().hint));
        return false;
    }
    target = *time;
    return true;
}

void Fields::report(std::string_view message)
{
    errors_.push_back(node_.error(message));
}

void Fields::choice(std::string_view key, const std::vector<std::string>& names, std::size_t& target)
{
    const YamlNode node = child(key, "string");
    if (Json* schema = schema_child(schema_, key))
        (*schema)["enum"] = names;
    std::string value;
    if (!take(node, value, &YamlNode::as_string))
        return;
    if (const auto found = std::ranges::find(names, value); found != names.end())
        target = static_cast<std::size_t>(found - names.begin());
    else
        errors_.push_back(
            node.error(unknown_name(key, value, names), fmt::format("One of: {}.", join(names, ", "))));
}

} // namespace conduit
