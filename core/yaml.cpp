// SPDX-License-Identifier: Apache-2.0
#include "core/yaml.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>
#include <yaml-cpp/yaml.h>

namespace conduit {

struct YamlNode::Impl {
    std::shared_ptr<const std::string> file;
    YAML::Node node;
    bool defined = false;
};

namespace {

constexpr std::size_t k_max_bytes = 4U << 20U;
constexpr int k_max_depth = 32;
constexpr int k_max_nodes = 10'000;

// Anchors can make a small text describe an endless document: count what would be walked.
bool within_limits(const YAML::Node& node, int depth, int& budget)
{
    if (depth > k_max_depth || --budget < 0)
        return false;
    if (!node.IsMap() && !node.IsSequence())
        return true;
    return std::all_of(node.begin(), node.end(), [&](const auto& item) {
        return node.IsMap() ? within_limits(item.first, depth + 1, budget) &&
                                  within_limits(item.second, depth + 1, budget)
                            : within_limits(item, depth + 1, budget);
    });
}

Json scalar_to_json(const YAML::Node& node)
{
    const auto& text = node.Scalar();
    if (node.Tag() == "!") // it was quoted
        return text;
    if (text.empty() || text == "~" || text == "null")
        return nullptr;
    if (text == "true" || text == "false")
        return text == "true";
    std::int64_t integer = 0;
    const char* end = text.data() + text.size();
    if (const auto r = std::from_chars(text.data(), end, integer); r.ec == std::errc{} && r.ptr == end)
        return integer;
    double real = 0;
    if (const auto r = std::from_chars(text.data(), end, real); r.ec == std::errc{} && r.ptr == end)
        return real;
    return text;
}

Json node_to_json(const YAML::Node& node)
{
    if (node.IsScalar())
        return scalar_to_json(node);
    if (node.IsSequence()) {
        Json list = Json::array();
        for (const auto& item : node)
            list.push_back(node_to_json(item));
        return list;
    }
    if (node.IsMap()) {
        Json object = Json::object();
        for (const auto& item : node)
            object[item.first.Scalar()] = node_to_json(item.second);
        return object;
    }
    return nullptr;
}

void emit(YAML::Emitter& out, const Json& value)
{
    if (value.is_object()) {
        out << YAML::BeginMap;
        for (const auto& [key, item] : value.items()) {
            out << YAML::Key << key << YAML::Value;
            emit(out, item);
        }
        out << YAML::EndMap;
    } else if (value.is_array()) {
        out << YAML::BeginSeq;
        for (const auto& item : value)
            emit(out, item);
        out << YAML::EndSeq;
    } else if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        YAML::Node probe(text);
        if (!scalar_to_json(probe).is_string())
            out << YAML::DoubleQuoted;
        out << text;
    } else if (value.is_null()) {
        out << YAML::Null;
    } else {
        out << dump_json(value);
    }
}

} // namespace

YamlNode::YamlNode() : impl_(std::make_shared<Impl>()) {}
YamlNode::YamlNode(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
YamlNode::~YamlNode() = default;
YamlNode::YamlNode(const YamlNode&) = default;
YamlNode& YamlNode::operator=(const YamlNode&) = default;
YamlNode::YamlNode(YamlNode&&) noexcept = default;
YamlNode& YamlNode::operator=(YamlNode&&) noexcept = default;

bool YamlNode::exists() const
{
    return impl_->defined;
}
bool YamlNode::is_map() const
{
    return exists() && impl_->node.IsMap();
}
bool YamlNode::is_list() const
{
    return exists() && impl_->node.IsSequence();
}
bool YamlNode::is_scalar() const
{
    return exists() && impl_->node.IsScalar();
}
bool YamlNode::is_null() const
{
    return !exists() || impl_->node.IsNull();
}
int YamlNode::line() const
{
    return exists() && !impl_->node.Mark().is_null() ? impl_->node.Mark().line + 1 : 0;
}

std::string YamlNode::where() const
{
    const auto name = impl_->file ? *impl_->file : std::string("?");
    return line() > 0 ? fmt::format("{}:{}", name, line()) : name;
}

YamlNode YamlNode::get(std::string_view key) const
{
    if (!is_map())
        return {};
    for (const auto& item : impl_->node)
        if (item.first.IsScalar() && item.first.Scalar() == key)
            return YamlNode(std::make_shared<Impl>(Impl{impl_->file, item.second, true}));
    return {};
}

std::vector<std::string> YamlNode::keys() const
{
    std::vector<std::string> names;
    if (is_map())
        for (const auto& item : impl_->node)
            names.push_back(item.first.IsScalar() ? item.first.Scalar() : std::string());
    return names;
}

std::vector<YamlNode> YamlNode::items() const
{
    std::vector<YamlNode> list;
    if (is_list())
        for (const auto& item : impl_->node)
            list.push_back(YamlNode(std::make_shared<Impl>(Impl{impl_->file, item, true})));
    return list;
}

std::string YamlNode::scalar() const
{
    return is_scalar() ? impl_->node.Scalar() : std::string();
}

Error YamlNode::error(std::string_view message, std::string hint) const
{
    auto error = Error{ErrorKind::usage, fmt::format("{}: {}", where(), message), std::move(hint)};
    if (impl_->file)
        error.details["file"] = *impl_->file;
    error.details["line"] = std::to_string(line());
    return error;
}

Result<std::string> YamlNode::as_string() const
{
    if (!is_scalar())
        return error("a text is expected here");
    return impl_->node.Scalar();
}

Result<bool> YamlNode::as_bool() const
{
    const auto text = scalar();
    if (text != "true" && text != "false")
        return error(fmt::format("true or false is expected here, not '{}'", printable(text)));
    return text == "true";
}

Result<std::int64_t> YamlNode::as_int() const
{
    const auto text = scalar();
    std::int64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || ec != std::errc{} || end != text.data() + text.size())
        return error(fmt::format("a whole number is expected here, not '{}'", printable(text)));
    return value;
}

Result<double> YamlNode::as_double() const
{
    const auto text = scalar();
    double value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || ec != std::errc{} || end != text.data() + text.size())
        return error(fmt::format("a number is expected here, not '{}'", printable(text)));
    return value;
}

Result<Duration> YamlNode::as_duration() const
{
    auto value = parse_duration(scalar());
    if (!value)
        return error(value.error().message, value.error().hint);
    return *value;
}

Result<std::uint64_t> YamlNode::as_bytes() const
{
    auto value = parse_bytes(scalar());
    if (!value)
        return error(value.error().message, value.error().hint);
    return *value;
}

Result<Rate> YamlNode::as_rate() const
{
    auto value = parse_rate(scalar());
    if (!value)
        return error(value.error().message, value.error().hint);
    return *value;
}

Result<double> YamlNode::as_ratio() const
{
    auto value = parse_ratio(scalar());
    if (!value)
        return error(value.error().message, value.error().hint);
    return *value;
}

std::vector<Error> YamlNode::unknown_keys(std::span<const std::string_view> known) const
{
    std::vector<Error> errors;
    std::set<std::string> seen;
    const std::vector<std::string> names(known.begin(), known.end());
    if (!is_map())
        return errors;
    for (const auto& item : impl_->node) {
        const auto name = item.first.IsScalar() ? item.first.Scalar() : std::string("(not a text)");
        const YamlNode place(std::make_shared<Impl>(Impl{impl_->file, item.first, true}));
        if (std::ranges::find(known, name) == known.end())
            errors.push_back(place.error(unknown_name("key", name, names)));
        else if (!seen.insert(name).second)
            errors.push_back(place.error(fmt::format("key '{}' is given twice", name)));
    }
    return errors;
}

Json YamlNode::to_json() const
{
    return exists() ? node_to_json(impl_->node) : Json();
}

Result<YamlNode> parse_yaml(std::string_view text, std::string_view name)
{
    if (text.size() > k_max_bytes)
        return fail(ErrorKind::usage, fmt::format("{}: larger than {}", name, human_bytes(k_max_bytes)));
    if (!is_valid_utf8(text))
        return fail(ErrorKind::usage, fmt::format("{}: not valid UTF-8", name));
    // yaml-cpp recurses for each nested bracket: refuse absurd nesting before it sees it.
    std::array<int, 2> depth{};
    for (const char c : text) {
        depth[0] += c == '[' || c == '{' ? 1 : 0;
        depth[0] -= (c == ']' || c == '}') && depth[0] > 0 ? 1 : 0;
        depth[1] = std::max(depth[0], depth[1]);
    }
    if (depth[1] > 200)
        return fail(ErrorKind::usage, fmt::format("{}: nested too deeply", name));
    auto file = std::make_shared<const std::string>(name);
    try {
        auto node = YAML::Load(std::string(text));
        int budget = k_max_nodes;
        if (!within_limits(node, 0, budget))
            return fail(ErrorKind::usage, fmt::format("{}: nested deeper than {} or more than {} values",
                                                      name, k_max_depth, k_max_nodes));
        const bool defined = node.IsDefined();
        return YamlNode(std::make_shared<YamlNode::Impl>(YamlNode::Impl{file, std::move(node), defined}));
    } catch (const YAML::Exception& e) {
        auto error =
            Error{ErrorKind::usage, fmt::format("{}:{}: not valid YAML: {}", name, e.mark.line + 1, e.msg)};
        error.details["file"] = *file;
        error.details["line"] = std::to_string(e.mark.line + 1);
        return error;
    }
}

std::string dump_yaml(const Json& value)
{
    YAML::Emitter out;
    emit(out, value);
    return std::string(out.c_str()) + "\n";
}

} // namespace conduit
