// SPDX-License-Identifier: Apache-2.0
#include "cli/app/app.hpp"
#include "cli/commands/all.hpp"
#include "cli/commands/shared.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

Result<Report> version_run(App&)
{
    Report report;
    report.data = Json{{"name", "conduitctl"}, {"version", CONDUIT_VERSION}, {"compiler", __VERSION__}};
    report.text = fmt::format("conduitctl {}", CONDUIT_VERSION);
    return report;
}

} // namespace

Noun version()
{
    VerbDoc doc{.name = "version",
                .summary = "Print the version of this program",
                .examples = {"conduitctl version", "conduitctl version -o json"},
                .omitted = prints_what_it_holds()};
    doc.omitted.push_back({ErrorKind::not_found, "names nothing that could be missing"});
    return standalone(Group::where, std::move(doc), version_run);
}

} // namespace conduit::commands
