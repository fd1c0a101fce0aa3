// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/instances.hpp"
#include "cli/commands/support.hpp"
#include "cli/orchestrator/port_relay.hpp"
#include "core/text.hpp"

#include <charconv>
#include <deque>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

namespace conduit::commands {
namespace {

constexpr Duration k_look{50};
constexpr Duration k_probe{500}; // a port nobody listens on is refused well within it

struct ForwardOptions {
    std::string name;
    std::vector<std::string> ports;
};

void forward_flags(Flags& flags, ForwardOptions& o)
{
    flags.arg("NAME", o.name, "Instance, or workload: then one of its ready instances")
        .complete(instance_completer());
    flags.rest("PORTS", o.ports, "LOCAL:REMOTE, one or several; LOCAL 0 or none: one that is free")
        .required();
}

struct Ports {
    std::uint16_t local = 0, remote = 0;
};

std::optional<std::uint16_t> port_of(std::string_view text)
{
    std::uint16_t port = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
    return ec == std::errc{} && end == text.data() + text.size() ? std::optional(port) : std::nullopt;
}

Result<Ports> parse_ports(const std::string& word)
{
    const auto colon = word.find(':');
    const auto left = word.substr(0, colon);
    const auto local = colon == 0 ? std::optional<std::uint16_t>(0) : port_of(left);
    const auto remote = colon == std::string::npos ? local : port_of(word.substr(colon + 1));
    if (!local || !remote || *remote == 0)
        return fail(ErrorKind::usage, fmt::format("'{}' is not LOCAL:REMOTE, two ports", printable(word)),
                    "For example 8080:80, or 0:80 for a local port that is free.");
    return Ports{*local, *remote};
}

// What other threads have to say, told by the one that may.
class News {
  public:
    void add(std::string line)
    {
        const std::lock_guard lock(mutex_);
        if (lines_.size() < k_most)
            lines_.push_back(std::move(line));
    }
    std::deque<std::string> take()
    {
        const std::lock_guard lock(mutex_);
        return std::exchange(lines_, {});
    }

  private:
    static constexpr std::size_t k_most = 100;
    std::mutex mutex_;
    std::deque<std::string> lines_;
};

// May we, and does anybody listen there? Asked before it is said that the port is forwarded.
Result<> probe(const OpenPort& open, const std::string& name, std::uint16_t port)
{
    int pair[2] = {-1, -1};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, static_cast<int*>(pair)) != 0)
        return fail(ErrorKind::failed, "cannot make a pair of sockets");
    const UniqueFd ours(pair[0]);
    TRY_ASSIGN(const auto stream, open(UniqueFd(pair[1])));
    for (const Deadline until(k_probe); !until.passed() && !stream->ended();)
        system_clock().sleep(Duration{10});
    if (const auto fault = stream->fault())
        return Error{ErrorKind::unreachable, fmt::format("nothing answers at port {} of {}", port, name),
                     fmt::format("See whether it is ready: conduitctl ps {}", name)}
            .with_cause(fault->message);
    return {};
}

Result<> serve(App& app, News& news, Deadline deadline)
{
    for (;;) {
        for (const auto& line : news.take())
            app.warn(line);
        if (app.cancel().requested() || deadline.passed() || !app.console().open())
            return {}; // how it is ended
        system_clock().sleep(std::min(k_look, deadline.left()));
    }
}

Result<Report> forward_run(App& app, const ForwardOptions& o)
{
    std::vector<Ports> wanted;
    for (const auto& word : o.ports) {
        TRY_ASSIGN(const auto ports, parse_ports(word));
        wanted.push_back(ports);
    }
    const auto end = app.global().timeout ? app.deadline(k_read_timeout) : Deadline::never();
    TRY_ASSIGN(InstanceStreams * streams, app.streams());
    TRY_ASSIGN(const auto place, streams->place(o.name, "", app.deadline(k_read_timeout)));
    if (app.cancel().requested())
        return fail(ErrorKind::interrupted, "interrupted");
    News news;
    std::vector<std::unique_ptr<PortRelay>> relays;
    for (const auto& [local, remote] : wanted) {
        auto open = open_port_of(*streams, o.name, remote, app.cancel(),
                                 [&news, remote, first = place.instance](const std::string& instance) {
                                     if (instance != first)
                                         news.add(fmt::format("port {} goes to {} now", remote, instance));
                                 });
        TRY(probe(open, o.name, remote));
        TRY_ASSIGN(auto listener, listen_loopback(local));
        const auto address = fmt::format("127.0.0.1:{}", listener.port);
        relays.push_back(
            std::make_unique<PortRelay>(std::move(listener.fd), std::move(open),
                                        [&news](const Error& error) { news.add(error.message); }));
        TRY(app.emit(fmt::format("{} -> {} port {}", address, place.instance, remote),
                     Json{{"local", address}, {"instance", place.instance}, {"remote", remote}}));
    }
    TRY(serve(app, news, end));
    relays.clear();
    return Report{};
}

} // namespace

Noun forward()
{
    return standalone<ForwardOptions>(
        Group::instances,
        {.name = "forward",
         .summary = "Reach a port of an instance from this machine",
         .text =
             "Listens on 127.0.0.1 until it is interrupted or --timeout has passed. It is said only once the "
             "port was reached. A workload's new connections go to another ready instance when the one "
             "before is gone; open ones end with theirs.",
         .examples = {"conduitctl forward agent 8080:80", "conduitctl forward agent-7c9d 0:9091 -o json"},
         .covers = {"A-apx-3"},
         .backends = {"orchestrator"},
         .streaming = true},
        forward_flags, forward_run);
}

} // namespace conduit::commands
