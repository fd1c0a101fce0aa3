// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/fakes/ops_bench.hpp"

using namespace conduit;
using namespace conduit::ops;

namespace {

struct Case {
    Tier tier;
    bool terminal;
    bool is_protected;
    bool explicit_context;
    bool yes;
    std::string confirm;
    std::string reason;
    std::string want; // "nothing", "yes_no", "name", or the flag that is missing
};

std::string decide(const Case& c)
{
    ChangeOptions options;
    options.yes = c.yes;
    options.confirm = c.confirm;
    options.reason = c.reason;
    const auto ask = decide_confirmation(
        {c.tier, "openai", c.is_protected, c.terminal, c.explicit_context, "prod"}, options);
    if (!ask) {
        CHECK(ask.error().kind == ErrorKind::refused);
        const auto it = ask.error().details.find("flag");
        return it == ask.error().details.end() ? "refused" : it->second;
    }
    return *ask == Ask::nothing ? "nothing" : *ask == Ask::yes_no ? "yes_no" : "name";
}

} // namespace

TEST_CASE("who has to say yes to what", "[confirm]")
{
    const auto mild = Tier::mild;
    const auto moderate = Tier::moderate;
    const auto severe = Tier::severe;
    const std::vector<Case> cases{
        {mild, true, false, false, false, "", "", "nothing"},
        {mild, false, false, false, false, "", "", "nothing"},
        {mild, true, true, false, false, "", "", "yes_no"},
        {mild, false, true, true, false, "", "", "--yes"},
        {mild, false, true, false, true, "", "", "--context"},
        {mild, false, true, true, true, "", "", "nothing"},
        {moderate, true, false, false, false, "", "", "yes_no"},
        {moderate, true, false, false, true, "", "", "nothing"},
        {moderate, false, false, false, false, "", "", "--yes"},
        {moderate, false, false, false, true, "", "", "nothing"},
        {moderate, false, true, false, true, "", "", "--context"},
        {severe, true, false, false, true, "", "r", "name"}, // -y does not silence it
        {severe, true, false, false, true, "", "", "--reason"},
        {severe, false, false, false, true, "", "r", "--confirm"},
        {severe, false, false, false, false, "openai", "r", "nothing"},
        {severe, false, false, false, false, "openai", "", "--reason"},
        {severe, false, false, false, false, "google", "r", "refused"},
        {severe, false, true, false, false, "openai", "r", "--context"},
    };
    for (std::size_t i = 0; i < cases.size(); ++i) {
        INFO("case " << i);
        CHECK(decide(cases[i]) == cases[i].want);
    }
}

TEST_CASE("an answer that is not the name is a no", "[confirm]")
{
    conduit::test::FakePrompt prompt;
    prompt.terminal = true;
    ChangeOptions options;
    options.reason = "r";
    const ConfirmInput input{Tier::severe, "openai", false, true, false, "prod"};
    prompt.answer = "y";
    CHECK(confirm(input, options, prompt).error().kind == ErrorKind::refused);
    prompt.answer = "openai\n";
    CHECK(confirm(input, options, prompt));
}

TEST_CASE("force without a reason is a mistake of usage", "[confirm]")
{
    ChangeOptions options;
    options.force = true;
    CHECK(decide_confirmation({}, options).error().kind == ErrorKind::usage);
}
