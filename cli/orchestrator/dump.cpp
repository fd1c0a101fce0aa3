// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/dump.hpp"

#include "cli/orchestrator/copy.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"

#include <charconv>
#include <fmt/format.h>
#include <map>
#include <sys/stat.h>

namespace conduit {
namespace {

constexpr std::size_t k_max_said = 64U << 10U;
constexpr Duration k_cleaning{15'000};

// $1 heap or threads, $2 the pid, $3 a folder or "". Says KEY=VALUE lines.
constexpr const char* k_look = R"sh(
pid=$2
[ -r "/proc/$pid/status" ] || { echo "there is no process $pid" >&2; exit 66; }
while read -r key value rest; do
    case $key in VmRSS:) echo "rss=$value" ;; Name:) echo "process=$value" ;; esac
done <"/proc/$pid/status"
case $1 in heap) tools="dotnet-dump jcmd gcore" ;; *) tools="dotnet-stack jcmd py-spy" ;; esac
for tool in $tools; do
    # Each is for its own runtime: jcmd's greeting is a signal that ends any other program.
    case $tool in dotnet-*) of=libcoreclr ;; jcmd) of=libjvm ;; py-spy) of=python ;; *) of= ;; esac
    [ -z "$of" ] || grep -q "$of" "/proc/$pid/maps" 2>/dev/null || continue
    for dir in "" /tools/ /root/.dotnet/tools/ /opt/tools/; do
        found=$(command -v "$dir$tool" 2>/dev/null) && { echo "tool=$tool"; echo "path=$found"; break 2; }
    done
done
for dir in "$3" /dumps /tmp /var/tmp; do
    [ -n "$dir" ] && [ -d "$dir" ] && [ -w "$dir" ] || continue
    echo "folder=$dir"
    df -Pk "$dir" 2>/dev/null | { read -r _; read -r _ _ _ free _ && echo "free=$free"; }
    break
done
exit 0
)sh";

// $1 the tool's path, $2 its name, $3 the pid, $4 the folder to make, $5 heap or threads.
constexpr const char* k_take = R"sh(
umask 077
mkdir "$4" || exit 67
(n=0; while [ -d "$4" ] && [ "$n" -lt 360 ]; do sleep 10; n=$((n + 1)); done; rm -rf -- "$4") </dev/null >/dev/null 2>&1 &
trap 'rm -rf -- "$4"; exit 70' HUP INT TERM
out=$4/dump
case $2-$5 in
dotnet-dump-*) "$1" collect -p "$3" --type Heap -o "$out" ;;
dotnet-stack-*) "$1" report -p "$3" >"$out" ;;
jcmd-heap) "$1" "$3" GC.heap_dump "$out" ;;
jcmd-*) "$1" "$3" Thread.print >"$out" ;;
gcore-*) "$1" -o "$out" "$3" && mv -f -- "$out.$3" "$out" ;;
py-spy-*) "$1" dump --pid "$3" >"$out" ;;
proc-*)
    for task in /proc/"$3"/task/*; do
        echo "thread ${task##*/} $(cat "$task/comm")"
        while read -r key value; do
            case $key in State: | voluntary_ctxt_switches: | nonvoluntary_ctxt_switches:)
                echo "  $key $value" ;;
            esac
        done <"$task/status"
        echo "  waits in: $(cat "$task/wchan" 2>/dev/null)"
    done >"$out" ;;
*) exit 65 ;;
esac >&2
code=$?
[ "$code" = 0 ] && [ -s "$out" ] || { rm -rf -- "$4"; echo "the tool ended with $code" >&2; exit 68; }
)sh";

struct Said {
    std::string out, err;
};

auto keep(std::string& text)
{
    return [&text](std::string_view bytes) {
        text += bytes.substr(0, k_max_said - std::min(k_max_said, text.size()));
        return true;
    };
}

Result<int> run(InstanceStreams& streams, const StreamPlace& place, std::vector<std::string> words,
                Said& said, const Cancel& cancel, Deadline deadline)
{
    std::vector<std::string> command{"sh", "-c"};
    command.insert(command.end(), words.begin(), words.end());
    command.insert(command.begin() + 3, "conduitctl");
    const RemoteIo io{.out = keep(said.out), .err = keep(said.err), .in = -1, .end_in = true, .size = {}};
    TRY_ASSIGN(const auto end,
               streams.exec(
                   {.instance = place.instance, .container = place.container, .command = std::move(command)},
                   io, cancel, deadline));
    return end.code;
}

std::optional<std::uint64_t> kibibytes(const std::string& text)
{
    std::uint64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc{} || value > (std::uint64_t{1} << 50U))
        return std::nullopt;
    return value * 1024;
}

std::string kind_name(DumpKind kind)
{
    return kind == DumpKind::heap ? "heap" : "threads";
}

// With a connection and a time of its own: also after a stop.
void remove_there(InstanceStreams& streams, const StreamPlace& place, const std::string& folder)
{
    const Cancel never;
    Said said;
    (void)run(streams, place, {R"(rm -rf -- "$1")", folder}, said, never, Deadline(k_cleaning)).has_value();
}

} // namespace

Result<DumpPlan> plan_dump(InstanceStreams& streams, const DumpQuestion& question, const Cancel& cancel,
                           Deadline deadline)
{
    Said said;
    TRY_ASSIGN(const int code,
               run(streams, question.place,
                   {k_look, kind_name(question.kind), std::to_string(question.pid), question.folder}, said,
                   cancel, deadline));
    if (code != 0)
        return Error{ErrorKind::failed, fmt::format("{} cannot be looked into", question.place.instance),
                     "It takes sh in the image, and a process with the number that --pid names."}
            .with_cause(printable(trim(said.err)));
    std::map<std::string, std::string> found;
    for (const auto& line : split(said.out, '\n'))
        if (const auto at = line.find('='); at != std::string::npos)
            found[line.substr(0, at)] = printable(line.substr(at + 1));
    DumpPlan plan{.place = question.place, .kind = question.kind, .pid = question.pid};
    plan.process = found["process"];
    plan.tool = found["path"];
    plan.folder = found["folder"];
    plan.memory = kibibytes(found["rss"]).value_or(0);
    plan.free = kibibytes(found["free"]);
    if (plan.tool.empty() && plan.kind == DumpKind::threads)
        plan.tool = "proc"; // what the kernel itself tells of them
    return plan;
}

Duration dump_pause(const DumpPlan& plan)
{
    constexpr std::uint64_t k_a_second = 200U << 20U;
    return plan.kind == DumpKind::threads
               ? Duration{1000}
               : Duration{1000 + static_cast<std::int64_t>(plan.memory * 1000 / k_a_second)};
}

Result<Dumped> take_dump(InstanceStreams& streams, const DumpPlan& plan, const fs::path& to,
                         const Cancel& cancel, Deadline deadline)
{
    const auto folder = fmt::format("{}/.conduit-dump-{}", plan.folder, random_token(6));
    Said said;
    const auto code = run(streams, plan.place,
                          {k_take, plan.tool, fs::path(plan.tool).filename().string(),
                           std::to_string(plan.pid), folder, kind_name(plan.kind)},
                          said, cancel, deadline);
    if (!code) {
        remove_there(streams, plan.place, folder);
        return code.error();
    }
    if (*code != 0)
        return Error{ErrorKind::failed, fmt::format("{} made no dump of process {} in {}; nothing is left of "
                                                    "it there",
                                                    plan.tool, plan.pid, plan.place.instance)}
            .with_cause(printable(trim(said.err)));
    auto copied = copy_out(streams, {plan.place, folder + "/dump", to}, cancel, deadline);
    remove_there(streams, plan.place, folder);
    if (!copied)
        return std::move(copied).error();
    if (::chmod(copied->to.c_str(), S_IRUSR | S_IWUSR) != 0)
        return file_error("protect", copied->to, errno);
    return Dumped{copied->to, copied->bytes, copied->sha256};
}

} // namespace conduit
