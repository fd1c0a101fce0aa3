// SPDX-License-Identifier: Apache-2.0
// Reads one YAML map field by field. A key that was asked for is a known key, so the list of known keys
// cannot drift from what is read; every fault is collected, none stops the reading.
#pragma once

#include "core/fs.hpp"
#include "core/yaml.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::agent {

struct FieldContext {
    fs::path folder; // relative paths of the file are relative to the file
    std::vector<Error> errors;
    std::vector<fs::path> secret_files;
};

class Fields {
  public:
    Fields(YamlNode node, std::string_view name, FieldContext& context);
    ~Fields(); // reports the unknown keys
    Fields(const Fields&) = delete;
    Fields& operator=(const Fields&) = delete;

    YamlNode take(std::string_view key);
    bool has(std::string_view key) { return !take(key).is_null(); }
    void text(std::string_view key, std::string& out);
    void flag(std::string_view key, bool& out);
    void count(std::string_view key, std::uint32_t& out, std::uint32_t low, std::uint32_t high);
    void bytes(std::string_view key, std::uint64_t& out, std::uint64_t low, std::uint64_t high);
    void money(std::string_view key, double& out);
    void ratio(std::string_view key, double& out);
    void rate(std::string_view key, Rate& out);
    void duration(std::string_view key, Duration& out); // more than 0, at most 365 days
    void path(std::string_view key, fs::path& out);
    void choice(std::string_view key, std::string& out, std::span<const std::string_view> allowed);
    void secret(std::string_view key, std::string& out); // file:PATH or env:NAME

    FieldContext& context() { return context_; }
    const YamlNode& node() const { return node_; }
    void report(Error error) { context_.errors.push_back(std::move(error)); }

  private:
    template <class T, class Read> void read(std::string_view key, T& out, Read read);

    YamlNode node_;
    FieldContext& context_;
    std::vector<std::string_view> known_;
};

} // namespace conduit::agent
