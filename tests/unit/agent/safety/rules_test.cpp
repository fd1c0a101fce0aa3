// SPDX-License-Identifier: Apache-2.0
#include "agent/safety/safety.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::agent;

namespace {

constexpr std::string_view k_rules = R"(rules:
  - name: weapons
    type: violence
    severity: high
    pattern: '(?i)\bguns?\b'
    age_groups: [child, teen]
  - name: shouting
    type: tone
    severity: low
    pattern: '!{3,}'
    action: flag
  - {name: poison, type: danger, severity: critical, pattern: poison}
)";

std::vector<std::string> faults_of(std::string_view yaml)
{
    const auto parsed = SafetyRules::parse(yaml, "safety.yaml");
    std::vector<std::string> messages;
    if (!parsed)
        for (const auto& fault : parsed.error())
            messages.push_back(fault.message + " | " + fault.hint);
    return messages;
}

bool mentions(const std::vector<std::string>& faults, const std::string& place, const std::string& text)
{
    for (const auto& fault : faults)
        if (fault.find(place) != std::string::npos && fault.find(text) != std::string::npos)
            return true;
    return false;
}

} // namespace

TEST_CASE("a rule blocks the age groups it names")
{
    const auto rules = SafetyRules::parse(k_rules, "safety.yaml");
    REQUIRE(rules.has_value());
    CHECK(rules->size() == 3);
    const auto blocked = rules->check("Two GUNS!", "child");
    CHECK_FALSE(blocked.allowed);
    CHECK(blocked.rule == "weapons");
    CHECK(blocked.violation_type == "violence");
    CHECK(blocked.severity == "high");
    CHECK(blocked.action == "blocked");
    CHECK(rules->check("Two guns", "adult").allowed);
    CHECK(rules->check("Two guns", "").allowed);
    CHECK(rules->check("begun", "child").allowed);
    CHECK_FALSE(rules->check("poison", "").allowed);
    CHECK(rules->rules()[0].age_groups == std::vector<std::string>{"child", "teen"});
    CHECK(rules->rules()[2].action == "block");
}

TEST_CASE("a flag lets the text pass, a block of a later rule does not")
{
    const auto rules = SafetyRules::parse(k_rules, "safety.yaml");
    REQUIRE(rules.has_value());
    const auto flagged = rules->check("Hello!!!", "child");
    CHECK(flagged.allowed);
    CHECK(flagged.action == "flagged");
    CHECK(flagged.rule == "shouting");
    CHECK(rules->check("poison!!!", "adult").rule == "poison");
    const auto fine = rules->check("Hello", "child");
    CHECK(fine.allowed);
    CHECK(fine.action == "allowed");
    CHECK(fine.rule.empty());
}

TEST_CASE("no rules allow everything")
{
    CHECK(SafetyRules().check("anything", "child").allowed);
    CHECK(SafetyRules::parse("rules: []\n", "safety.yaml").value().size() == 0);
}

TEST_CASE("every fault of the rules is told with its place")
{
    const auto faults = faults_of(R"(rules:
  - name: a
    type: t
    severity: hihg
    pattern: '(unclosed'
  - name: a
    typ: t
    severity: low
    pattern: x
    age_groups: child
    action: delete
  - just text
)");
    CHECK(mentions(faults, "safety.yaml:4", "did you mean high"));
    CHECK(mentions(faults, "safety.yaml:5", "missing )"));
    CHECK(mentions(faults, "safety.yaml:5", "RE2"));
    CHECK(mentions(faults, "safety.yaml:7", "typ"));
    CHECK(mentions(faults, "safety.yaml:6", "no type"));
    CHECK(mentions(faults, "safety.yaml:6", "two rules named 'a'"));
    CHECK(mentions(faults, "safety.yaml:10", "list"));
    CHECK(mentions(faults, "safety.yaml:11", "delete"));
    CHECK(mentions(faults, "safety.yaml:12", "a rule must be a map"));
}

TEST_CASE("a file that holds something else is refused")
{
    CHECK(faults_of("").size() == 1);
    CHECK(faults_of("rules: 7\n").size() == 1);
    CHECK(faults_of("- a\n- b\n").size() == 1);
    CHECK(faults_of("rules: [\n").size() == 1);
    CHECK(mentions(faults_of("ruls: []\n"), "safety.yaml:1", "rules"));
}

TEST_CASE("patterns that would hang a backtracking engine are harmless")
{
    const auto rules =
        SafetyRules::parse("rules: [{name: a, type: t, severity: low, pattern: '(a*)*(a*)*b$'}]\n", "s");
    REQUIRE(rules.has_value());
    CHECK(rules->check(std::string(100'000, 'a'), "").allowed);
    CHECK(rules->check("\xff\xfe\x00", "").allowed);
}
