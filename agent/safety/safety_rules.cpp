// SPDX-License-Identifier: Apache-2.0
#include "agent/safety/safety.hpp"

#include "core/text.hpp"
#include "core/yaml.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <re2/re2.h>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_rules = 1000;
constexpr std::array<std::string_view, 6> k_rule_keys{"name",    "type",       "severity",
                                                      "pattern", "age_groups", "action"};

struct Rule {
    SafetyRules::RuleInfo info;
    std::unique_ptr<RE2> pattern;
    bool blocks = true;

    bool applies_to(std::string_view age_group) const
    {
        return info.age_groups.empty() ||
               std::ranges::find(info.age_groups, age_group) != info.age_groups.end();
    }
};

// Reads one rule and collects its faults.
class RuleReader {
  public:
    RuleReader(const YamlNode& node, std::vector<Error>& faults) : node_(node), faults_(faults) {}

    Rule read()
    {
        Rule rule;
        if (!node_.is_map()) {
            faults_.push_back(node_.error("a rule must be a map with name, type, severity and pattern"));
            return rule;
        }
        for (auto& fault : node_.unknown_keys(k_rule_keys))
            faults_.push_back(std::move(fault));
        rule.info.name = text("name", "");
        rule.info.type = text("type", "");
        rule.info.severity = choice("severity", "", {"low", "medium", "high", "critical"});
        rule.info.action = choice("action", "block", {"block", "flag"});
        rule.info.pattern = text("pattern", "");
        rule.blocks = rule.info.action == "block";
        for (const auto& item : node_.get("age_groups").items())
            if (auto group = item.as_string())
                rule.info.age_groups.push_back(std::move(*group));
            else
                faults_.push_back(std::move(group).error());
        if (const auto groups = node_.get("age_groups"); groups.exists() && !groups.is_list())
            faults_.push_back(groups.error("age_groups must be a list"));
        compile(rule);
        return rule;
    }

  private:
    std::string text(std::string_view key, std::string_view otherwise)
    {
        const auto field = node_.get(key);
        if (!field.exists()) {
            if (otherwise.empty())
                faults_.push_back(node_.error(fmt::format("the rule has no {}", key)));
            return std::string(otherwise);
        }
        auto value = field.as_string();
        if (!value) {
            faults_.push_back(std::move(value).error());
            return std::string(otherwise);
        }
        if (value->empty())
            faults_.push_back(field.error(fmt::format("{} is empty", key)));
        return *value;
    }

    std::string choice(std::string_view key, std::string_view otherwise,
                       const std::vector<std::string>& allowed)
    {
        auto value = text(key, otherwise);
        if (!value.empty() && std::ranges::find(allowed, value) == allowed.end())
            faults_.push_back(node_.get(key).error(unknown_name(key, value, allowed),
                                                   fmt::format("Write one of {}.", join(allowed, ", "))));
        return value;
    }

    void compile(Rule& rule)
    {
        if (rule.info.pattern.empty())
            return;
        RE2::Options options;
        options.set_log_errors(false);
        options.set_max_mem(2 << 20);
        rule.pattern = std::make_unique<RE2>(rule.info.pattern, options);
        if (!rule.pattern->ok())
            faults_.push_back(node_.get("pattern").error(
                fmt::format("the pattern is refused: {}", rule.pattern->error()),
                "Patterns are RE2: no look-around and no back-references; (?i) ignores case."));
    }

    const YamlNode& node_;
    std::vector<Error>& faults_;
};

} // namespace

struct SafetyRules::Impl {
    std::vector<Rule> rules;
};

SafetyRules::SafetyRules() : impl_(std::make_unique<Impl>()) {}
SafetyRules::~SafetyRules() = default;
SafetyRules::SafetyRules(SafetyRules&&) noexcept = default;
SafetyRules& SafetyRules::operator=(SafetyRules&&) noexcept = default;

std::expected<SafetyRules, std::vector<Error>> SafetyRules::parse(std::string_view yaml,
                                                                  const std::string& file)
{
    auto document = parse_yaml(yaml, file);
    if (!document)
        return std::unexpected(std::vector<Error>{std::move(document).error()});
    std::vector<Error> faults;
    SafetyRules parsed;
    static constexpr std::array<std::string_view, 1> top_keys{"rules"};
    const auto list = document->get("rules");
    if (document->is_map())
        faults = document->unknown_keys(top_keys);
    if (!list.exists() || (!list.is_list() && !list.is_null())) {
        faults.push_back((list.exists() ? list : *document).error("'rules' must be a list of rules"));
        return std::unexpected(std::move(faults));
    }
    const auto items = list.items();
    if (items.size() > k_max_rules) {
        faults.push_back(
            list.error(fmt::format("{} rules are too many; at most {}", items.size(), k_max_rules)));
        return std::unexpected(std::move(faults));
    }
    for (const auto& item : items) {
        auto rule = RuleReader(item, faults).read();
        const auto same = [&](const Rule& other) { return other.info.name == rule.info.name; };
        if (!rule.info.name.empty() && std::ranges::any_of(parsed.impl_->rules, same))
            faults.push_back(item.error(fmt::format("there are two rules named '{}'", rule.info.name)));
        parsed.impl_->rules.push_back(std::move(rule));
    }
    if (!faults.empty())
        return std::unexpected(std::move(faults));
    return parsed;
}

SafetyVerdict SafetyRules::check(std::string_view text, std::string_view age_group) const
{
    const Rule* flagged = nullptr;
    const re2::StringPiece input(text.data(), text.size());
    for (const auto& rule : impl_->rules) {
        if ((flagged != nullptr && !rule.blocks) || !rule.applies_to(age_group) ||
            !RE2::PartialMatch(input, *rule.pattern))
            continue;
        if (rule.blocks)
            return {false, rule.info.name, rule.info.type, rule.info.severity, "blocked"};
        flagged = &rule;
    }
    if (flagged == nullptr)
        return {};
    return {true, flagged->info.name, flagged->info.type, flagged->info.severity, "flagged"};
}

std::size_t SafetyRules::size() const
{
    return impl_->rules.size();
}

std::vector<SafetyRules::RuleInfo> SafetyRules::rules() const
{
    std::vector<RuleInfo> infos;
    for (const auto& rule : impl_->rules)
        infos.push_back(rule.info);
    return infos;
}

} // namespace conduit::agent
