// SPDX-License-Identifier: Apache-2.0
// The whole conduitctl in-process: a registry, captured streams, a fixed clock, and XDG folders of its own.
//
//     TestApp t;
//     const auto r = t.run({"context", "ls"});
//     CHECK(r.code == 0);
//     CHECK(r.err.empty());
//
// Fakes go into the slots: t.setup = [&](App& app) { app.http_slot.set(...); };
#pragma once

#include "cli/app/app.hpp"
#include "cli/commands/all.hpp"
#include "tests/support/test_clock.hpp"
#include "tests/support/test_console.hpp"

#include <functional>
#include <string>
#include <vector>

namespace conduit::test {

struct RunResult {
    int code = -1;
    std::string out;
    std::string err;
};

class TestApp {
  public:
    explicit TestApp(Registry registry_ = commands::all()) : registry(std::move(registry_))
    {
        env["HOME"] = home().string();
        env["XDG_CONFIG_HOME"] = (home() / "config").string();
        env["XDG_STATE_HOME"] = (home() / "state").string();
        env["XDG_CACHE_HOME"] = (home() / "cache").string();
        env["XDG_DATA_HOME"] = (home() / "data").string();
        env["CONDUIT_OPERATOR"] = "maria";
    }

    const fs::path& home() const { return folder_.path(); }
    void write_config(std::string_view text)
    {
        const fs::path dir = home() / "config/conduitctl";
        const auto done = make_dirs(dir);
        const auto written = write_file(dir / "config.yaml", text);
        if (!done || !written)
            throw std::runtime_error("cannot write the test's configuration");
    }

    // Each run is a new process as far as state in memory goes.
    RunResult run(const std::vector<std::string>& words)
    {
        console.clear();
        cancel.clear();
        App app({console, clock, cancel, env, registry});
        if (setup)
            setup(app);
        RunResult result;
        result.code = run_cli(app, words);
        result.out = console.out_text;
        result.err = console.err_text;
        return result;
    }

    Registry registry;
    TestConsole console;
    TestClock clock;
    Cancel cancel;
    Environment env;
    std::function<void(App&)> setup;

  private:
    TempDir folder_ = TempDir::make("conduit-test").value();
};

} // namespace conduit::test
