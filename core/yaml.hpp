// SPDX-License-Identifier: Apache-2.0
// YAML read with places: every fault says file:line, unknown keys suggest the nearest known one.
#pragma once

#include "core/duration.hpp"
#include "core/json.hpp"
#include "core/result.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace conduit {

// A node of a parsed document. Cheap to copy; the document lives as long as any of its nodes.
class YamlNode {
  public:
    YamlNode();
    ~YamlNode();
    YamlNode(const YamlNode&);
    YamlNode& operator=(const YamlNode&);
    YamlNode(YamlNode&&) noexcept;
    YamlNode& operator=(YamlNode&&) noexcept;

    bool exists() const;
    bool is_map() const;
    bool is_list() const;
    bool is_scalar() const;
    bool is_null() const;
    int line() const;          // from 1; 0 when unknown
    std::string where() const; // "agent.yaml:12"

    YamlNode get(std::string_view key) const; // an absent node when there is none
    std::vector<std::string> keys() const;    // in file order
    std::vector<YamlNode> items() const;
    std::string scalar() const; // "" unless scalar

    // Each returns an error with the place, naming what was expected.
    Result<std::string> as_string() const;
    Result<bool> as_bool() const;
    Result<std::int64_t> as_int() const;
    Result<double> as_double() const;
    Result<Duration> as_duration() const;
    Result<std::uint64_t> as_bytes() const;
    Result<Rate> as_rate() const;
    Result<double> as_ratio() const;
    // usage error at the node's place: "agent.yaml:12: <message>".
    Error error(std::string_view message, std::string hint = {}) const;
    // One error for each key that is not known, duplicates included.
    std::vector<Error> unknown_keys(std::span<const std::string_view> known) const;
    Json to_json() const; // plain scalars become null, bool, number or text as YAML 1.2's core schema says

    struct Impl;

  private:
    friend Result<YamlNode> parse_yaml(std::string_view, std::string_view);
    explicit YamlNode(std::shared_ptr<const Impl> impl);
    std::shared_ptr<const Impl> impl_;
};

// Limits: 4 MiB, depth 32, no aliases that expand to more than 10,000 nodes. name is used in messages.
Result<YamlNode> parse_yaml(std::string_view text, std::string_view name);
std::string dump_yaml(const Json& value); // block style, strings quoted where needed

} // namespace conduit
