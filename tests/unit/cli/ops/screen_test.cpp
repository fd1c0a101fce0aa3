// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/history.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/ops_bench.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::ops;
using conduit::test::OpsBench;

TEST_CASE("a wait is redrawn on a terminal, and one line a change of state elsewhere", "[screen]")
{
    std::string plain;
    std::string drawn;
    {
        LineProgress off([&](std::string_view text) { plain += text; });
        LineProgress on([&](std::string_view text) { drawn += text; }, true);
        for (auto* progress : std::vector<Progress*>{&off, &on}) {
            progress->waiting("replicas", "3 of 5");
            progress->waiting("replicas", "3 of 5");
            progress->waiting("replicas", "4 of 5");
            progress->tick(Progress::Mark::done, "5 of 5 replicas", "at revision 42", Duration{410});
        }
    }
    CHECK(plain.starts_with(
        "… replicas         3 of 5\n… replicas         4 of 5\n✓ 5 of 5 replicas  at revision 42 "));
    CHECK(plain.ends_with(" 0.41 s\n"));
    CHECK(drawn.find("\x1b[K") != std::string::npos);
    CHECK(drawn.find("3 of 5\n") == std::string::npos);
}

TEST_CASE("what a server says cannot drive the terminal", "[screen]")
{
    std::string out;
    LineProgress progress([&](std::string_view text) { out += text; });
    progress.tick(Progress::Mark::failed, "no\x1b[2J", "bell\x07", Duration{0});
    CHECK(out.find('\x1b') == std::string::npos);
    CHECK(out.find('\x07') == std::string::npos);
}

TEST_CASE("a change for a while says until when, and what to type to undo it", "[screen]")
{
    const auto dir = TempDir::make();
    OpsBench bench(dir->path());
    bench.target.expiring = true;
    bench.host.context_line = "prod (kubernetes, eks-1, namespace production)";
    bench.host.options.revert_after = std::chrono::hours(2);
    auto intent = bench.intent("providers/openai/enabled", false);
    intent.steps[0].summary = "enabled → disabled";
    intent.lines = {{"traffic", "openai 70 → 0 %"}};
    intent.watch = "conduitctl provider ls --watch";
    const auto report = run_change(bench.host, intent);
    REQUIRE(report);
    CHECK(
        bench.screen.starts_with("Context  prod (kubernetes, eks-1, namespace production)   You are  maria\n"
                                 "Plan     1 change, moderate; undo: exact\n\n"
                                 "  provider openai     enabled → disabled, until 16:04:00 UTC (2 h)\n"
                                 "  traffic             openai 70 → 0 %\n\n"));
    const auto id = report->data->at("operation").get<std::string>();
    CHECK(report->text.find("Undo: conduitctl undo " + id) != std::string::npos);
    CHECK(report->text.find("Watch: conduitctl provider ls --watch") != std::string::npos);
    const auto item = operation_json(*bench.journal.operation(id));
    CHECK(item["summary"] == "set providers/openai/enabled");
    CHECK(item["command"] == "provider disable openai");
    CHECK(item["resumable"] == false);
}
