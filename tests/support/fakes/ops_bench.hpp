// SPDX-License-Identifier: Apache-2.0
// Everything one operator has: journal, locks, prompt, progress, and the fake target they work on.
#pragma once

#include "cli/ops/engine.hpp"
#include "cli/ops/reversal.hpp"
#include "tests/support/fakes/fake_target.hpp"
#include "tests/support/fakes/manual_clock.hpp"

#include <functional>
#include <string>

namespace conduit::test {

class FakePrompt final : public ops::Prompt {
  public:
    bool terminal = false;
    std::string answer = "y";
    std::function<void()> while_asking;
    int asked = 0;

    bool interactive() const override { return terminal; }
    Result<bool> yes_no(std::string_view /*question*/) override
    {
        ask();
        return answer == "y";
    }
    Result<std::string> line(std::string_view /*question*/) override
    {
        ask();
        return answer;
    }

  private:
    void ask()
    {
        ++asked;
        if (while_asking)
            while_asking();
    }
};

// State lives under a folder, so that a second bench on the same folder is a second operator, or the same one
// later.
struct OpsBench {
    explicit OpsBench(const fs::path& folder, const std::string& who = "maria")
        : target(folder / "target.json", clock), journal(folder / "journal", clock),
          locks(folder / "locks", clock), reversals(folder / "reversals", clock),
          progress([this](std::string_view line) { screen += line; }), finder(target),
          host{clock, cancel, journal, locks, prompt, progress}
    {
        host.reversals = &reversals;
        host.operator_name = who;
        host.host_name = "ops1";
        host.context = "prod";
        host.options.yes = true;
        host.command = {"provider", "disable", "openai"};
    }

    ops::Intent intent(const std::string& path, Json value, const std::string& resource = "provider/openai");
    static ops::Step step(const std::string& path, Json value,
                          const std::string& resource = "provider/openai");

    ManualClock clock;
    Cancel cancel;
    FakeTarget target;
    ops::Journal journal;
    ops::FlockStore locks;
    ops::ReversalFolder reversals;
    FakePrompt prompt;
    std::string screen;
    ops::LineProgress progress;
    OneTarget finder;
    ops::Host host;
};

} // namespace conduit::test
