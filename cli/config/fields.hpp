// SPDX-License-Identifier: Apache-2.0
// Reads a YAML map's fields into a struct. One function a struct names its keys; run with a schema instead of
// a node it describes them, so that the reader and the JSON Schema cannot disagree. Internal to this folder.
#pragma once

#include "cli/config/secret.hpp"
#include "core/clock.hpp"
#include "core/fs.hpp"
#include "core/yaml.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit {

class Fields {
  public:
    // Every fault is collected instead of stopping at the first.
    Fields(YamlNode node, std::vector<Error>& errors, std::string_view home, Json* schema = nullptr);
    Fields(Fields& parent, std::string_view key); // the map under key
    Fields(const Fields&) = delete;
    Fields& operator=(const Fields&) = delete;
    ~Fields(); // reports unknown keys

    void text(std::string_view key, std::string& target);
    void flag(std::string_view key, bool& target);
    void ratio(std::string_view key, std::optional<double>& target);
    void path(std::string_view key, fs::path& target);
    void integer(std::string_view key, int& target);
    void integer(std::string_view key, std::optional<int>& target);
    void texts(std::string_view key, std::vector<std::string>& target);
    void secret(std::string_view key, SecretRef& target);
    // 1000, 10%, or both in a list.
    void amount(std::string_view key, std::optional<std::int64_t>& count, std::optional<double>& share);
    // A list of maps, each read by `read`.
    void items(std::string_view key, const std::function<void(Fields&)>& read);
    // Must be given; false, and a fault, when it is not or cannot be read.
    bool time(std::string_view key, WallTime& target);
    // The index of the word in names.
    void choice(std::string_view key, const std::vector<std::string>& names, std::size_t& target);
    void report(std::string_view message); // a fault of this map as a whole

  private:
    YamlNode child(std::string_view key, std::string_view schema_type);
    template <class T> bool take(const YamlNode& node, T& target, Result<T> (YamlNode::*as)() const);

    YamlNode node_;
    std::vector<Error>& errors_;
    std::string_view home_;
    Json* schema_;
    std::vector<std::string_view> known_;
    bool usable_ = true;
};

} // namespace conduit
