// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/inside.hpp"
#include "cli/commands/instances.hpp"
#include "cli/commands/support.hpp"
#include "cli/orchestrator/copy.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct CpOptions {
    std::string from, to;
    std::string container;
    ops::ChangeOptions change;
};

void cp_flags(Flags& flags, CpOptions& o)
{
    flags.arg("SRC", o.from, "FILE here, or NAME:PATH in an instance");
    flags.arg("DST", o.to, "The other of the two; a folder takes the file under its own name");
    flags.opt("--container,-c", o.container, "Which container of the instance").value("NAME");
    change_flags(flags, o.change);
}

struct Remote {
    std::string name, path;
};
// NAME:PATH; a word with a slash or a dot before the colon is a file here.
std::optional<Remote> remote_of(const std::string& word)
{
    const auto colon = word.find(':');
    if (colon == std::string::npos || colon == 0 || word.substr(0, colon).contains('/') ||
        word.front() == '.')
        return std::nullopt;
    return Remote{word.substr(0, colon), word.substr(colon + 1)};
}

Result<ops::Applied> act(InstanceStreams& streams, const CopyEnds& ends, bool in, App& app, Deadline deadline)
{
    auto copied =
        in ? copy_in(streams, ends, app.cancel(), deadline) : copy_out(streams, ends, app.cancel(), deadline);
    if (!copied)
        return std::move(copied).error();
    return ops::Applied{
        .observed = fmt::format("{} ({}), sha256 {}", copied->to, human_bytes(copied->bytes), copied->sha256),
        .data = Json{{"to", copied->to}, {"bytes", copied->bytes}, {"sha256", copied->sha256}}};
}

Result<Report> cp_run(App& app, const CpOptions& o)
{
    const auto from = remote_of(o.from), to = remote_of(o.to);
    if (from.has_value() == to.has_value())
        return fail(ErrorKind::usage, from ? "both sides are in instances" : "neither side is in an instance",
                    "One side is NAME:PATH: conduitctl cp agent-1:/etc/agent.yaml agent.yaml");
    const bool in = to.has_value();
    const auto& remote = in ? *to : *from;
    if (remote.path.empty() || remote.name.empty())
        return fail(ErrorKind::usage, fmt::format("'{}' names no file", in ? o.to : o.from),
                    "Write NAME:PATH.");
    if (o.change.no_wait)
        return fail(ErrorKind::usage, "cp waits for its copy: --no-wait has no meaning", "Leave it out.");
    TRY_ASSIGN(InstanceStreams * streams, app.streams());
    TRY_ASSIGN(auto place, streams->place(remote.name, o.container, app.deadline(k_read_timeout)));
    const CopyEnds ends{std::move(place), remote.path, in ? o.from : o.to};
    const auto& instance = ends.place.instance;
    const auto shown = fmt::format("{} {}", in ? "write" : "read", printable(remote.path));
    const OnceChange change{
        .verb = "cp",
        .instance = instance,
        .summary = fmt::format("copy {} to {}", printable(o.from), printable(o.to)),
        .shown = shown,
        .arguments =
            Json{{"instance", instance}, {"container", ends.place.container}, {"from", o.from}, {"to", o.to}},
        .verifiable = true};
    JsonBox copied;
    auto report = change_once(
        app, change,
        [&](const ops::WriteContext& context) -> Result<ops::Applied> {
            auto applied = act(*streams, ends, in, app, context.deadline);
            if (applied)
                copied = applied->data;
            return applied;
        },
        o.change);
    if (!report || copied->is_null())
        return report;
    report->data->update(*copied);
    (*report->data)["instance"] = instance;
    report->text = fmt::format("{}  {}  sha256 {}\n", json_string_or(*copied, "to", ""),
                               human_bytes(static_cast<std::uint64_t>(json_number_or(*copied, "bytes", 0))),
                               json_string_or(*copied, "sha256", ""));
    return report;
}

} // namespace

Noun cp()
{
    return standalone<CpOptions>(
        Group::instances,
        {.name = "cp",
         .summary = "Copy a file into an instance or out of it",
         .effect = Effect::change,
         .tier = Tier::mild,
         .undo = Undo::none,
         .text = "Both sides compute the file's SHA-256, and only when they agree does it get its name, at "
                 "once: there is never half a file. It is started anew when it was cut off. The image needs "
                 "sh, head, cat and sha256sum, and no tar.",
         .examples = {"conduitctl cp rules.yaml agent:/tmp/rules.yaml",
                      "conduitctl cp agent-7c9d:/tmp/dump dump -c main"},
         .omitted = {{ErrorKind::stale, "writes no field that could have moved"},
                     {ErrorKind::locked, "keeps nobody out"},
                     {ErrorKind::unverified, "a copy that is not verified is not there"}},
         .backends = {"orchestrator"},
         .steps = false},
        cp_flags, cp_run);
}

} // namespace conduit::commands
