// SPDX-License-Identifier: Apache-2.0
// `net ping`: can an instance reach another service? Asked inside of it, with what its image has.
#include "cli/commands/net_ping.hpp"

#include "cli/commands/instances.hpp"
#include "cli/commands/support.hpp"
#include "cli/orchestrator/streams.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct PingOptions {
    std::string from;
    std::string to;
    bool redis = false;
    std::string container;
};

// $1 host, $2 port, $3 "redis" or "". Says "TOOL ANSWER". 0: reached; 1: not; 64: no tool.
constexpr const char* k_ping = R"sh(
host=$1 port=$2
ask() {
    if [ -n "$3" ]; then printf 'PING\r\n'; sleep 1; fi
}
judge() { # tool, its code, what was answered
    case $3 in *PONG* | *NOAUTH*) echo "$1 PONG"; exit 0 ;; esac
    [ "$2" = 0 ] && [ -z "$redis" ] && { echo "$1 open"; exit 0; }
    [ -n "$3" ] && [ -n "$redis" ] && { echo "$1 $3"; exit 1; }
    echo "$1 no answer"; exit 1
}
redis=$3
if [ -n "$redis" ] && command -v redis-cli >/dev/null 2>&1; then
    said=$(timeout 5 redis-cli -h "$host" -p "$port" ping 2>&1); judge redis-cli $? "$said"
fi
if command -v nc >/dev/null 2>&1; then
    said=$(ask "$host" "$port" "$redis" | nc -w 3 "$host" "$port" 2>&1); judge nc $? "$said"
fi
if command -v bash >/dev/null 2>&1; then
    said=$(timeout 5 bash -c 'exec 3<>"/dev/tcp/$1/$2" || exit 1; [ -z "$3" ] && exit 0; printf "PING\r\n" >&3
        IFS= read -r -t 3 line <&3; echo "$line"' conduitctl "$host" "$port" "$redis" 2>&1); judge bash $? "$said"
fi
for python in python3 python; do
    command -v $python >/dev/null 2>&1 || continue
    said=$($python -c 'import socket,sys
s=socket.create_connection((sys.argv[1],int(sys.argv[2])),3)
if sys.argv[3]:
    s.sendall(b"PING\r\n"); print(s.recv(64).decode("ascii","replace"))' "$host" "$port" "$redis" 2>&1)
    judge $python $? "$said"
done
exit 64
)sh";

struct Place {
    std::string host, port;
};

Result<Place> place_of(const PingOptions& o)
{
    const auto colon = o.to.rfind(':');
    Place out{o.to.substr(0, colon), colon == std::string::npos ? "" : o.to.substr(colon + 1)};
    if (out.port.empty() && o.redis)
        out.port = "6379";
    const bool number = !out.port.empty() && out.port.size() < 6 &&
                        out.port.find_first_not_of("0123456789") == std::string::npos;
    const bool plain = !out.host.empty() && !out.host.starts_with('-') &&
                       out.host.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                  "0123456789.-_:") == std::string::npos;
    if (number && plain)
        return out;
    return fail(ErrorKind::usage, fmt::format("'{}' is no HOST:PORT", printable(o.to)),
                "Write it like redis:6379.");
}

Result<Report> ping(App& app, const PingOptions& o)
{
    TRY_ASSIGN(const auto to, place_of(o));
    TRY_ASSIGN(InstanceStreams * streams, app.streams());
    const auto deadline = app.deadline(30s);
    TRY_ASSIGN(const auto from, streams->place(o.from, o.container, deadline));
    std::string said;
    const auto keep = [&](std::string_view bytes) {
        said += bytes.substr(0, 4096 - std::min<std::size_t>(4096, said.size()));
        return true;
    };
    const RemoteIo io{
        .out = keep, .err = [](std::string_view) { return true; }, .in = -1, .end_in = true, .size = {}};
    TRY_ASSIGN(const auto end, streams->exec({.instance = from.instance,
                                              .container = from.container,
                                              .command = {"sh", "-c", k_ping, "conduitctl", to.host, to.port,
                                                          o.redis ? "redis" : ""}},
                                             io, app.cancel(), deadline));
    if (end.code == 64)
        return fail(
            ErrorKind::refused,
            fmt::format("the image of {} has no tool to ask with (redis-cli, nc, bash, python)",
                        from.instance),
            fmt::format("Ask from here: conduitctl forward {} {}", o.to.substr(0, o.to.find(':')), to.port));
    const auto words = printable(trim(said));
    const auto blank = words.find(' ');
    const bool reached = end.code == 0;
    Report report;
    report.data = Json{{"from", from.instance},
                       {"to", fmt::format("{}:{}", to.host, to.port)},
                       {"reached", reached},
                       {"tool", words.substr(0, blank)},
                       {"answer", blank == std::string::npos ? "" : words.substr(blank + 1)}};
    report.verdict = reached ? ErrorKind::ok : ErrorKind::breached;
    if (!reached)
        report.next = {"conduitctl net endpoints " + to.host};
    return report;
}

} // namespace

Verb ping_verb()
{
    return verb<PingOptions>(
        {.name = "ping",
         .summary = "Ask inside an instance whether it reaches another",
         .text = "A connection is opened there with what the image has: redis-cli, nc, bash or python. With "
                 "--redis a PING must be answered; that a password is wanted is an answer too. Exit 13 when "
                 "it is not reached.",
         .examples = {"conduitctl net ping audio-service redis --redis",
                      "conduitctl net ping conduit-api postgres:5432"},
         .also = {ErrorKind::refused, ErrorKind::breached},
         .covers = {"C-rb-cache-7"},
         .backends = {"orchestrator"}},
        [](Flags& f, PingOptions& o) {
            f.arg("FROM", o.from, "Instance, or workload: then one of its ready instances")
                .complete(instance_completer());
            f.arg("TO", o.to, "HOST:PORT");
            f.flag("--redis", o.redis, "A Redis that answers PING; its usual port is 6379");
            f.opt("--container,-c", o.container, "Which container of the instance").value("NAME");
        },
        ping);
}

} // namespace conduit::commands
