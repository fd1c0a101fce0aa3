// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/topics.hpp"

#include "core/error.hpp"

#include <array>
#include <fmt/format.h>

namespace conduit::commands {
namespace {

std::string exit_code_text()
{
    std::string text = "The exit code says what happened and what stands. An unknown code means failure.\n\n"
                       "CODE  NAME         MEANING\n";
    for (const ExitCode& code : exit_codes())
        text += fmt::format("{:>4}  {:<11}  {}\n", to_exit(code.kind), code.name, code.meaning);
    return text + "\nUnder -o json an error's \"retryable\" says whether the same command may be given again "
                  "as it is.\n";
}

std::string output_text()
{
    return R"(Data goes to stdout, everything else to stderr.

  -o table           columns for people (default)
  -o wide            more columns
  -o json            one object; a list is {"items": [...]}; a change is {"operation", "changed", "verdict", ...}
  -o yaml            the same as YAML
  -o name            names only, a line each
  -o jsonpath=EXPR   as kubectl's: .a.b  [0]  [-1]  [1:3]  [*]  [?(@.state=="open")]
                     {range .items[*]}{.name}{"\t"}{.weight}{"\n"}{end}

A command that streams (logs -f, --watch) prints a JSON object a line.
JSON is additive: fields are added, never renamed. Under -o json errors are JSON too, on stderr:
  {"error": {"code", "name", "message", "cause", "hint", "retryable", "operation"}}

Colour and progress appear on a terminal only. NO_COLOR, TERM=dumb and --no-color turn colour off, CLICOLOR_FORCE=1
turns it on. -q leaves nothing but data and errors.
)";
}

std::string configuration_text()
{
    return R"(~/.config/conduitctl/config.yaml holds the contexts. Without a file there is one context, local.

  current-context: local
  contexts:
    local: {system: audio, orchestrator: local, dir: ~/.local/share/conduit}
    prod:
      system: audio
      orchestrator: kubernetes
      kubernetes: {kubeconfig: ~/.kube/config, context: eks-1, namespace: production}
      agent: {workload: conduit-audio-service, port: admin, token: "kubernetes:production/conduit-agent-tokens/operator"}
      guards: {protected: true, min_replicas: 3, max_replicas: 10, min_healthy_providers: 2}

An unknown key is an error that names the file, the line and the nearest known key.
Precedence: flag, environment, context, user configuration, built-in.
All fields: conduitctl docs schema config. Faults: conduitctl doctor.
)";
}

std::string environment_text()
{
    return R"(CONDUIT_CONTEXT      context to act in, as -C
CONDUIT_CONFIG       configuration file, as --config
CONDUIT_OUTPUT       output format, as -o
CONDUIT_OPERATOR     the name the journal records; the login's name otherwise
CONDUIT_BACKENDS     the module with the backends, when it is not beside the program
XDG_CONFIG_HOME      configuration: $XDG_CONFIG_HOME/conduitctl/config.yaml
XDG_STATE_HOME       journal and locks: $XDG_STATE_HOME/conduitctl/
XDG_CACHE_HOME       completion's live values: $XDG_CACHE_HOME/conduitctl/
XDG_DATA_HOME        what the built-in local context runs: $XDG_DATA_HOME/conduit/
NO_COLOR, CLICOLOR_FORCE, TERM=dumb    colour off, on, off
)";
}

std::string contexts_text()
{
    return R"(A context names a system (audio, mlops, teddy, voiceai, llm), what runs its instances (local, kubernetes, compose), how
its parts are reached, and the guards that hold there.

  conduitctl context ls                     which there are, and which is current
  conduitctl context use prod               choose the current one
  conduitctl provider ls -C staging         act in another, this once
  conduitctl context check prod             does it answer, do its secrets resolve

In a protected context mild changes are asked about like moderate ones; off a terminal an explicit -C is demanded.
)";
}

std::string confirmation_text()
{
    return R"(Every change declares a tier.

  mild       undone by itself or easily: no question
  moderate   the plan is shown, then y/N; off a terminal: -y
  severe     loses data or takes all traffic: the target's name is typed, or --confirm NAME; -y does not silence it, and
             --reason is required

--dry-run shows the plan and changes nothing. --check asks the guards alone: exit 0 or 3. --plan-out FILE saves the plan,
--plan FILE runs exactly that or stops with 7 (stale). --force goes past a guard, and only with --reason.
Without a terminal nothing is asked: exit 3 names the missing flag. --no-input does the same on a terminal.
)";
}

std::string secrets_text()
{
    return R"(Secrets never come from a flag, are never in an argument of a child process, and never in logs, errors or the journal.
The configuration says where each one lives:

  file:PATH                          a file that others cannot read (chmod 600)
  env:NAME                           a variable of the environment
  command:PROGRAM ARGUMENTS          what a program prints; no shell is involved
  kubernetes:NAMESPACE/SECRET/KEY    a key of a Secret in the context's cluster

A command that needs a new one takes --from-file, --from-stdin or --from-command, or asks without echo.
)";
}

constexpr std::array k_topics = std::to_array<Topic>({
    {"exit-codes", "what each exit code means", exit_code_text},
    {"output", "formats, streams, colour", output_text},
    {"configuration", "the file with the contexts", configuration_text},
    {"environment", "variables that are read", environment_text},
    {"contexts", "what a context is", contexts_text},
    {"confirmation", "tiers, plans, guards", confirmation_text},
    {"secrets", "where secrets live", secrets_text},
});

} // namespace

std::span<const Topic> topics()
{
    return k_topics;
}

} // namespace conduit::commands
