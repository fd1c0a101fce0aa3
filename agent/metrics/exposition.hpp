// SPDX-License-Identifier: Apache-2.0
// Writes the Prometheus text format 0.0.4.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace conduit::agent {

class Exposition {
  public:
    using Label = std::pair<std::string_view, std::string_view>;
    void family(std::string_view name, std::string_view help, std::string_view type);
    // suffix: "", "_bucket", "_sum", "_count" after the family's name.
    void sample(std::string_view suffix, std::span<const Label> labels, double value);
    void sample(std::initializer_list<Label> labels, double value)
    {
        sample("", std::span(labels.begin(), labels.size()), value);
    }
    void gauge(std::string_view name, std::string_view help, double value); // a family of one sample
    void counter(std::string_view name, std::string_view help, double value);
    std::string take() { return std::move(text_); }

  private:
    std::string text_;
    std::string name_;
};

std::string format_number(double value); // "1", "0.25", "NaN", "+Inf"

} // namespace conduit::agent
