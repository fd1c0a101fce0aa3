// SPDX-License-Identifier: Apache-2.0
#include "cli/app/app.hpp"
#include "cli/command/shells.hpp"
#include "cli/commands/all.hpp"
#include "cli/commands/shared.hpp"

#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct CompletionOptions {
    std::string shell;
};

void completion_flags(Flags& flags, CompletionOptions& o)
{
    flags.arg_choice("SHELL", o.shell, {"bash", "zsh", "fish"}, "Shell to write the script for");
}

Result<Report> completion_run(App&, const CompletionOptions& o)
{
    Report report;
    report.text = o.shell == "bash"  ? bash_completion()
                  : o.shell == "zsh" ? zsh_completion()
                                     : fish_completion();
    report.data = Json{{"shell", o.shell}, {"script", report.text}};
    return report;
}

} // namespace

Noun completion()
{
    VerbDoc doc{.name = "completion",
                .summary = "Print the completion script of a shell",
                .text =
                    "Load it now:  source <(conduitctl completion bash)\n"
                    "For good:     conduitctl completion bash > "
                    "~/.local/share/bash-completion/completions/conduitctl\n"
                    "              conduitctl completion zsh > \"${fpath[1]}/_conduitctl\"\n"
                    "              conduitctl completion fish > ~/.config/fish/completions/conduitctl.fish",
                .examples = {"conduitctl completion bash"},
                .omitted = prints_what_it_holds()};
    doc.omitted.push_back({ErrorKind::not_found, "another shell is a usage error"});
    return standalone<CompletionOptions>(Group::tool, std::move(doc), completion_flags, completion_run);
}

} // namespace conduit::commands
