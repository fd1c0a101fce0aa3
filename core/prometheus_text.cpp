// SPDX-License-Identifier: Apache-2.0
#include "core/prometheus_text.hpp"

#include "core/text.hpp"

#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <limits>
#include <map>

namespace conduit {
namespace {

constexpr std::size_t k_max_bytes = 16U << 20U;
constexpr std::size_t k_max_samples = 200'000;
constexpr std::size_t k_max_labels = 64;

bool name_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' ||
           (!first && c >= '0' && c <= '9');
}

std::string_view take_name(std::string_view& line)
{
    std::size_t n = 0;
    while (n < line.size() && name_char(line[n], n == 0))
        ++n;
    const auto name = line.substr(0, n);
    line.remove_prefix(n);
    return name;
}

void skip_blanks(std::string_view& line)
{
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t'))
        line.remove_prefix(1);
}

// After the opening quote; false when the closing one is missing or an escape is broken.
bool take_quoted(std::string_view& line, std::string& value)
{
    while (!line.empty()) {
        const char c = line.front();
        line.remove_prefix(1);
        if (c == '"')
            return true;
        if (c != '\\') {
            value += c;
            continue;
        }
        if (line.empty())
            return false;
        const char escaped = line.front();
        line.remove_prefix(1);
        if (escaped != 'n' && escaped != '"' && escaped != '\\')
            return false;
        value += escaped == 'n' ? '\n' : escaped;
    }
    return false;
}

bool take_labels(std::string_view& line, MetricSample& sample)
{
    for (;;) {
        skip_blanks(line);
        if (!line.empty() && line.front() == '}') {
            line.remove_prefix(1);
            return true;
        }
        const auto name = take_name(line);
        skip_blanks(line);
        if (name.empty() || !line.starts_with('=') || sample.labels.size() >= k_max_labels)
            return false;
        line.remove_prefix(1);
        skip_blanks(line);
        if (!line.starts_with('"'))
            return false;
        line.remove_prefix(1);
        std::string value;
        if (!take_quoted(line, value))
            return false;
        sample.labels.emplace_back(name, std::move(value));
        skip_blanks(line);
        if (line.starts_with(','))
            line.remove_prefix(1);
        else if (!line.starts_with('}'))
            return false;
    }
}

bool take_value(std::string_view& line, double& value)
{
    const auto word = line.substr(0, line.find_first_of(" \t"));
    line.remove_prefix(word.size());
    if (word == "NaN" || word == "Nan" || word == "nan") {
        value = std::numeric_limits<double>::quiet_NaN();
        return true;
    }
    auto digits = word;
    const double sign = digits.starts_with('-') ? -1 : 1;
    if (digits.starts_with('+') || digits.starts_with('-'))
        digits.remove_prefix(1);
    if (digits == "Inf" || digits == "inf") {
        value = sign * std::numeric_limits<double>::infinity();
        return true;
    }
    const auto [end, ec] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    value *= sign;
    return !digits.empty() && ec == std::errc{} && end == digits.data() + digits.size();
}

using Types = std::map<std::string, std::string, std::less<>>;

bool is_counter(const Types& types, std::string_view name)
{
    if (const auto own = types.find(name); own != types.end())
        return own->second == "counter";
    for (const std::string_view suffix : {"_bucket", "_sum", "_count"}) {
        if (!name.ends_with(suffix))
            continue;
        const auto family = types.find(name.substr(0, name.size() - suffix.size()));
        if (family != types.end() && (family->second == "histogram" || family->second == "summary"))
            return true;
    }
    return false;
}

bool take_sample(std::string_view line, const Types& types, MetricSample& sample)
{
    sample.name = take_name(line);
    if (sample.name.empty())
        return false;
    skip_blanks(line);
    if (line.starts_with('{')) {
        line.remove_prefix(1);
        if (!take_labels(line, sample))
            return false;
    }
    skip_blanks(line);
    if (!take_value(line, sample.value))
        return false;
    skip_blanks(line);
    std::int64_t timestamp = 0;
    const auto [end, ec] = std::from_chars(line.data(), line.data() + line.size(), timestamp);
    if (!line.empty() && (ec != std::errc{} || end != line.data() + line.size()))
        return false;
    sample.counter = is_counter(types, sample.name);
    return true;
}

} // namespace

std::string MetricSample::series() const
{
    if (labels.empty())
        return name;
    std::string out = name + "{";
    for (const auto& [key, text] : labels) {
        auto escaped = replace_all(replace_all(replace_all(text, "\\", "\\\\"), "\"", "\\\""), "\n", "\\n");
        out += fmt::format("{}{}=\"{}\"", out.back() == '{' ? "" : ",", key, escaped);
    }
    return out + "}";
}

Result<std::vector<MetricSample>> parse_prometheus_text(std::string_view text)
{
    if (text.size() > k_max_bytes)
        return fail(ErrorKind::failed, fmt::format("the metrics are larger than {} bytes", k_max_bytes));
    std::vector<MetricSample> samples;
    Types types;
    std::size_t number = 0;
    while (!text.empty()) {
        ++number;
        const auto end = text.find('\n');
        auto line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        skip_blanks(line);
        if (line.starts_with("# TYPE ")) {
            const auto words = split(trim(line), ' ');
            if (words.size() == 4)
                types[words[2]] = words[3];
            continue;
        }
        if (line.empty() || line.starts_with('#'))
            continue;
        MetricSample sample;
        if (!take_sample(line, types, sample))
            return fail(ErrorKind::failed,
                        fmt::format("line {} of the metrics is not in Prometheus' text format", number));
        if (samples.size() >= k_max_samples)
            return fail(ErrorKind::failed, fmt::format("more than {} metrics", k_max_samples));
        samples.push_back(std::move(sample));
    }
    return samples;
}

} // namespace conduit
