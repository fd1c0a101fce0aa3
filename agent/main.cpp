// SPDX-License-Identifier: Apache-2.0
// conduit-agent: puts the parts together, waits for signals, takes them apart in order.
#include "agent/admin/admin.hpp"
#include "agent/config/config.hpp"
#include "agent/control/controller.hpp"
#include "agent/control/inputs.hpp"
#include "agent/open_store.hpp"
#include "agent/server/fleet.hpp"
#include "agent/server/server.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

namespace conduit::agent {
namespace {

constexpr Duration k_cluster_beat{5'000};

constexpr std::string_view k_usage =
    "usage: conduit-agent --config FILE [--name NAME] [--ready-file FILE]\n"
    "       conduit-agent --config FILE --check\n"
    "       conduit-agent --version\n"
    "\n"
    "  --config FILE      the configuration (YAML)\n"
    "  --name NAME        this replica's name; default: host name and process id\n"
    "  --ready-file FILE  written when requests are served: {\"pid\",\"data\",\"admin\"}\n"
    "  --check            validate the configuration and what it points to, then exit\n"
    "\n"
    "With LISTEN_FDS=2 in the environment, descriptors 3 and 4 are the listening data and admin sockets.\n"
    "SIGTERM drains and ends (a value queued with it is the drain in milliseconds); SIGHUP reads the files "
    "again.\n";

struct Arguments {
    std::string config, name, ready_file;
    bool check = false, version = false, help = false;
};

Result<Arguments> parse_arguments(int argc, char** argv)
{
    Arguments out;
    for (int i = 1; i < argc; ++i) {
        const std::string_view flag = argv[i];
        std::string* value = flag == "--config"       ? &out.config
                             : flag == "--name"       ? &out.name
                             : flag == "--ready-file" ? &out.ready_file
                                                      : nullptr;
        if (value != nullptr && i + 1 < argc)
            *value = argv[++i];
        else if (flag == "--check")
            out.check = true;
        else if (flag == "--version")
            out.version = true;
        else if (flag == "--help" || flag == "-h")
            out.help = true;
        else
            return fail(ErrorKind::usage, fmt::format("cannot use argument '{}'", flag),
                        "Run 'conduit-agent --help'.");
    }
    if (out.config.empty() && !out.version && !out.help)
        return fail(ErrorKind::usage, "no configuration was given", "Run 'conduit-agent --config FILE'.");
    return out;
}

int report(const Error& error)
{
    fmt::print(stderr, "conduit-agent: {}\n", error.message);
    if (!error.cause.empty())
        fmt::print(stderr, "  {}\n", error.cause);
    if (!error.hint.empty())
        fmt::print(stderr, "{}\n", error.hint);
    return to_exit(error.kind);
}

// Memory holds keys and audio: neither belongs into a core file, nor under a debugger of the same user.
void forbid_core_dumps()
{
    const rlimit none{0, 0};
    setrlimit(RLIMIT_CORE, &none);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

int inherited(int index)
{
    const char* count = std::getenv("LISTEN_FDS");
    return count != nullptr && std::atoi(count) > index ? 3 + index : -1;
}

std::string replica_name(const Arguments& arguments, const Config& config)
{
    if (!arguments.name.empty())
        return arguments.name;
    if (!config.name.empty())
        return config.name;
    char host[256] = "agent";
    gethostname(host, sizeof host - 1);
    return fmt::format("{}-{}", host, getpid());
}

Result<> write_ready(const Arguments& arguments, const Server& server)
{
    if (arguments.ready_file.empty())
        return {};
    const Json ready{{"pid", getpid()}, {"data", server.data_url()}, {"admin", server.admin_url()}};
    return write_file(arguments.ready_file, dump_json(ready) + "\n", 0644);
}

// Until SIGTERM or SIGINT. A number that was queued with SIGTERM is how many milliseconds it may drain.
std::optional<Duration> wait_for_end(Controller& controller, Server& server, const sigset_t& signals)
{
    for (;;) {
        siginfo_t info{};
        const int number = sigwaitinfo(&signals, &info);
        if (number == SIGHUP) {
            controller.reload();
            (void)server.reload_tls().has_value(); // the log says what could not be read
        } else if (number > 0) {
            const int queued = info.si_code == SI_QUEUE ? info.si_value.sival_int : 0;
            return queued > 0 ? std::optional(Duration{queued}) : std::nullopt;
        }
    }
}

struct EndLinks {
    RedisLinks& links;
    ~EndLinks() { links.stop(); }
};

Result<> run(const Arguments& arguments, const Config& config, const sigset_t& signals)
{
    const WallTime started = system_clock().now();
    const unsigned threads =
        config.server.threads > 0 ? config.server.threads : std::max(1U, std::thread::hardware_concurrency());
    Log log(STDOUT_FILENO);
    Limiter limiter;
    HealthBoard health;
    RetryBudget retries;
    SingleFlight flights;
    const auto cache = make_memory_cache(config.cache.max_bytes);
    FleetParts fleet(limiter, system_clock());
    Metrics metrics(threads);
    std::unique_ptr<Records> records = make_null_records();
    if (config.records.store == "sqlite" && !config.records.path.empty()) {
        TRY_ASSIGN(records, make_sqlite_records(config.records, threads));
    }
    Server::Options options{.threads = threads, .data = config.listen.data, .admin = config.listen.admin};
    options.admin_on = !config.admin_tokens.empty();
    options.data_fd = inherited(0);
    options.admin_fd = inherited(1);
    options.data_tls = config.listen.data_tls;
    options.admin_tls = config.listen.admin_tls;
    TRY_ASSIGN(const auto server, Server::open(options, {limiter, health, *cache, flights, metrics, *records,
                                                         retries, log, system_clock(), &fleet}));
    const EndLinks end_links{fleet.links}; // before the server, whose threads their answers go to
    Cancel store_ends;                     // outlives the store, which sets it
    TRY_ASSIGN(auto store, open_store(config.control, store_ends, system_clock()));
    Controller::Options control{.base = config, .replica_name = replica_name(arguments, config)};
    if (config.control.store == "configmap") { // a beat is a write that the whole cluster pays for
        control.heartbeat_interval = k_cluster_beat;
        control.alive_within = 4 * k_cluster_beat;
    }
    control.version = CONDUIT_VERSION;
    control.healthy = [&health](const std::string& name) {
        return health.of(name).available(system_clock().steady());
    };
    control.admin_url = server->admin_url();
    control.last_state = config.control.path.string() + ".last.json";
    TRY_ASSIGN(const auto controller,
               Controller::start(std::move(control), std::move(store), limiter, system_clock(),
                                 [&](auto snapshot, auto rules) {
                                     cache->set_max_bytes(snapshot->config.cache.max_bytes);
                                     fleet.links.configure(snapshot->config.redis);
                                     server->publish(std::move(snapshot), std::move(rules));
                                 }));
    server->publish(controller->snapshot(), controller->rules());
    AdminApi admin({*controller, health, metrics, *records, *cache, limiter, *server, *server, system_clock(),
                    CONDUIT_VERSION, started, &fleet.cache});
    server->start([&](const AdminRequest& request) { return admin.handle(request); });
    TRY(write_ready(arguments, *server));
    log.info("ready", {{"data", server->data_url()}, {"admin", server->admin_url()}, {"pid", getpid()}});
    const auto asked = wait_for_end(*controller, *server, signals);
    const Duration drain = asked.value_or(config.server.drain_timeout);
    log.info("draining", {{"drain_ms", drain.count()}});
    controller->farewell();
    server->stop(Deadline(drain), asked.has_value());
    controller->stop();
    if (const auto flushed = records->flush(Deadline(5s)); !flushed)
        log.error("records were not written", {{"reason", flushed.error().message}});
    log.info("ended");
    return {};
}

int main_of(int argc, char** argv)
{
    const auto arguments = parse_arguments(argc, argv);
    if (!arguments)
        return report(arguments.error());
    if (arguments->help || arguments->version) {
        fmt::print("{}", arguments->help ? k_usage : "conduit-agent " CONDUIT_VERSION "\n");
        return 0;
    }
    forbid_core_dumps();
    auto config = load_config(arguments->config);
    if (!config) {
        for (const Error& error : config.error())
            report(error);
        return to_exit(ErrorKind::usage);
    }
    if (arguments->check) {
        const auto inputs = Inputs::load(*config);
        if (!inputs)
            return report(inputs.error());
        fmt::print("{}: valid\n", arguments->config);
        return 0;
    }
    sigset_t signals{}; // blocked before any thread starts: only sigwait sees them
    sigemptyset(&signals);
    for (const int number : {SIGTERM, SIGINT, SIGHUP})
        sigaddset(&signals, number);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    const auto ended = run(*arguments, *config, signals);
    return ended ? 0 : report(ended.error());
}

} // namespace
} // namespace conduit::agent

int main(int argc, char** argv)
{
    return conduit::agent::main_of(argc, argv);
}
