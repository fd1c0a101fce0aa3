#include "core/yaml.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <nlohmann/json.hpp>

using namespace conduit;

TEST_CASE("faults name file and line")
{
    const auto doc = parse_yaml("a: 1\nb:\n  ttl: soon\n", "agent.yaml").value();
    CHECK(doc.get("a").as_int() == 1);
    CHECK(doc.get("b").get("ttl").as_duration().error().message == "agent.yaml:3: 'soon' is not a duration");
    CHECK(parse_yaml("a: [1,\nb", "agent.yaml").error().message.starts_with("agent.yaml:"));
    CHECK_FALSE(doc.get("none").exists());
}

TEST_CASE("unknown and doubled keys are found, the nearest is suggested")
{
    const auto doc = parse_yaml("wieght: 1\nweight: 2\nweight: 3\n", "f").value();
    constexpr std::array<std::string_view, 2> known{"weight", "kind"};
    const auto errors = doc.unknown_keys(known);
    REQUIRE(errors.size() == 2);
    CHECK(errors[0].message == "f:1: unknown key 'wieght'; did you mean weight?");
    CHECK(errors[1].message == "f:3: key 'weight' is given twice");
}

TEST_CASE("hostile YAML is refused")
{
    CHECK_FALSE(parse_yaml(std::string(5000, '['), "f"));
    CHECK_FALSE(parse_yaml("a: \xFF", "f"));
    std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
    for (int i = 1; i < 9; ++i) {
        bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
        for (int k = 0; k < 10; ++k)
            bomb += "*a" + std::to_string(i - 1) + ",";
        bomb.back() = ']';
        bomb += "\n";
    }
    CHECK_FALSE(parse_yaml(bomb, "f"));
}

TEST_CASE("YAML and JSON mean the same")
{
    const auto doc = parse_yaml("s: \"1\"\nn: 1\nl: [true, ~, x]\n", "f").value().to_json();
    CHECK(dump_json(doc) == R"({"s":"1","n":1,"l":[true,null,"x"]})");
    CHECK(parse_yaml(dump_yaml(doc), "g").value().to_json() == doc);
}
