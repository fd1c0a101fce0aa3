// SPDX-License-Identifier: Apache-2.0
// The built program itself: start, module, and the completion scripts in real shells.
#include "core/fs.hpp"
#include "core/process.hpp"
#include "tests/support/catch.hpp"

#include <cstdlib>
#include <fmt/format.h>

using namespace conduit;

namespace {

struct Shell {
    TempDir home = TempDir::make("conduit-shell").value();

    ProcessResult run(const std::vector<std::string>& argv) const
    {
        const std::string path = fmt::format("{}:/usr/bin:/bin", CONDUIT_BIN_DIR);
        const auto result = run_process({.argv = argv,
                                         .env = {{"HOME", home.path().string()},
                                                 {"PATH", path},
                                                 {"TERM", "dumb"},
                                                 {"XDG_CONFIG_HOME", (home.path() / "config").string()},
                                                 {"XDG_DATA_HOME", (home.path() / "data").string()},
                                                 {"XDG_CACHE_HOME", (home.path() / "cache").string()}}},
                                        Deadline(60s));
        REQUIRE(result);
        INFO(result->err);
        return *result;
    }
};

bool missing(const char* shell)
{
    if (fs::exists(fs::path("/usr/bin") / shell))
        return false;
    const char* required = std::getenv("CONDUIT_REQUIRE"); // NOLINT(concurrency-mt-unsafe)
    if (required != nullptr && std::string_view(required).find(shell) != std::string_view::npos)
        FAIL(shell << " is required and not installed");
    WARN(shell << " is not installed: skipped");
    return true;
}

const std::string k_program = std::string(CONDUIT_BIN_DIR) + "/conduitctl";

} // namespace

TEST_CASE("the program starts, loads its module of backends, and keeps its streams apart")
{
    const Shell shell;
    const auto version = shell.run({k_program, "version"});
    CHECK(version.exit_code == 0);
    CHECK(version.out == "conduitctl " CONDUIT_VERSION "\n");
    CHECK(version.err.empty());
    const auto doctor = shell.run({k_program, "doctor"});
    CHECK(doctor.exit_code == 0);
    CHECK(doctor.out.find("the module loads") != std::string::npos);
    CHECK(shell.run({k_program, "verison"}).exit_code == 2);
}

TEST_CASE("a reader that goes away early is no error")
{
    const Shell shell;
    const auto result =
        shell.run({"bash", "-c", "conduitctl commands -o json | head -n 1; echo ${PIPESTATUS[0]}"});
    CHECK(result.out == "{\n0\n");
    CHECK(result.err.empty());
}

TEST_CASE("bash loads the script and completes")
{
    if (missing("bash"))
        return;
    const Shell shell;
    const auto result =
        shell.run({"bash", "--norc", "-c",
                   "source <(conduitctl completion bash); "
                   "try() { COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); "
                   "__conduitctl_complete 2>/dev/null; echo \"${COMPREPLY[*]}\"; }; "
                   "try conduitctl contex; try conduitctl context use ''; "
                   "try conduitctl context add x --orchestrator = k; try conduitctl version -o js"});
    CHECK(result.out == "context\nlocal\nkubernetes\njson jsonpath=\n");
}

TEST_CASE("zsh loads the script and completes")
{
    if (missing("zsh"))
        return;
    const Shell shell;
    const auto result =
        shell.run({"zsh", "-f", "-c",
                   "autoload -Uz compinit; compinit -u -D; source <(conduitctl completion zsh); "
                   "print ${_comps[conduitctl]}; "
                   "compadd() { print -- ${(j:,:)${(P)${@[-1]}}}; }; "
                   "words=(conduitctl context s); CURRENT=3; _conduitctl; "
                   "words=(conduitctl context use ''); CURRENT=4; _conduitctl"});
    INFO(result.err);
    CHECK(result.out == "_conduitctl\nshow,set\nlocal\n");
}

TEST_CASE("fish loads the script and completes")
{
    if (missing("fish"))
        return;
    const Shell shell;
    const auto result = shell.run({"fish", "--no-config", "-c",
                                   "conduitctl completion fish | source; complete -C 'conduitctl context s'; "
                                   "complete -C 'conduitctl context use '"});
    INFO(result.err);
    CHECK(result.out == "set\tChange a field of the chosen context (-C)\n"
                        "show\tShow one context; secrets as references\n"
                        "local\taudio, local\n");
}
