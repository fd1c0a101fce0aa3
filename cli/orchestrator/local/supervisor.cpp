// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/supervisor.hpp"

#include "cli/orchestrator/local/channel.hpp"
#include "cli/orchestrator/local/fleet.hpp"
#include "cli/orchestrator/local/log_rotation.hpp"
#include "cli/orchestrator/local/orphans.hpp"
#include "cli/orchestrator/local/requests.hpp"
#include "cli/orchestrator/local/setup.hpp"
#include "cli/orchestrator/local/spec.hpp"
#include "core/process.hpp"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fmt/format.h>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stop_token>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace conduit::local {
namespace {

constexpr Duration k_busy_tick{15};
constexpr Duration k_idle_tick{1'000};

void log_line(WallTime at, std::string_view object, std::string_view reason, std::string_view message)
{
    const auto line = dump_json(
        Json{{"time", format_time(at)}, {"object", object}, {"reason", reason}, {"message", message}});
    fmt::print(stderr, "{}\n", line);
}

Result<UniqueFd> take_signals()
{
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGHUP, SIG_IGN);
    sigset_t set;
    sigemptyset(&set);
    for (const int signal : {SIGTERM, SIGINT, SIGCHLD})
        sigaddset(&set, signal);
    ::sigprocmask(SIG_BLOCK, &set, nullptr);
    UniqueFd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!fd)
        return fail(ErrorKind::failed, fmt::format("cannot receive signals: {}", std::strerror(errno)));
    return fd;
}

// Binds what the specification says; ports that were free to choose are written back.
struct Sockets {
    Listener data;
    std::optional<SimSockets> sim;
};
Result<Sockets> open_sockets(LocalSpec& spec)
{
    Sockets sockets;
    TRY_ASSIGN(sockets.data, listen_loopback(spec.data_port));
    spec.data_port = sockets.data.port;
    if (!spec.sim)
        return sockets;
    SimSockets sim;
    for (const auto& [listener, port] :
         {std::pair{&sim.openai, &spec.openai_port}, std::pair{&sim.google, &spec.google_port},
          std::pair{&sim.aws, &spec.aws_port}, std::pair{&sim.control, &spec.control_port}}) {
        TRY_ASSIGN(*listener, listen_loopback(*port));
        *port = listener->port;
    }
    sockets.sim = std::move(sim);
    return sockets;
}

// Calls the hook every second on a thread of its own: what it carries out may ask this very supervisor.
class EverySecond {
  public:
    explicit EverySecond(std::function<void(WallTime)> hook) : hook_(std::move(hook))
    {
        if (hook_)
            thread_ = std::jthread([this](const std::stop_token& stop) { work(stop); });
    }
    void stop() { thread_.request_stop(); }
    bool busy() const { return busy_; }

  private:
    void work(const std::stop_token& stop)
    {
        std::unique_lock lock(mutex_);
        while (!wake_.wait_for(lock, stop, std::chrono::seconds(1), [&] { return stop.stop_requested(); })) {
            busy_ = true;
            hook_(system_clock().now());
            busy_ = false;
        }
    }

    std::function<void(WallTime)> hook_;
    std::mutex mutex_;
    std::condition_variable_any wake_;
    std::atomic<bool> busy_{false};
    std::jthread thread_; // last: ended before what it uses
};

class Supervisor {
  public:
    Supervisor(const SupervisorOptions& options, LocalSpec spec, Sockets sockets, UniqueFd signals,
               UniqueFd socket)
        : options_(options), layout_{options.dir}, spec_(std::move(spec)), signals_(std::move(signals)),
          fleet_(fleet_options(), std::move(sockets.data), std::move(sockets.sim),
                 [this](std::string_view child, std::string_view reason, const std::string& message) {
                     const auto now = system_clock().now();
                     log_line(now, child, reason, message);
                     requests_.note(child, reason, message, now);
                 }),
          requests_(layout_, spec_, fleet_, system_clock().now()),
          channel_(std::move(socket), [this](Channel::ClientId client, const Json& request) {
              requests_.handle(client, request);
          })
    {
        requests_.set_channel(channel_);
        fleet_.set_wanted(spec_.replicas);
    }

    int run()
    {
        EverySecond every_second(options_.every_second);
        while (!fleet_.stopped() || every_second.busy()) {
            turn();
            if (requests_.stop_asked())
                every_second.stop();
        }
        requests_.tick();
        channel_.flush();
        return 0;
    }

  private:
    FleetOptions fleet_options() const
    {
        FleetOptions fleet;
        fleet.layout = layout_;
        fleet.agent_program = options_.agent_program;
        fleet.sim_program = options_.sim_program;
        fleet.sim_args = sim_credential_args(layout_);
        fleet.sim_args.insert(fleet.sim_args.end(), spec_.sim_args.begin(), spec_.sim_args.end());
        fleet.backoff = options_.backoff;
        fleet.drain = options_.drain;
        fleet.start_patience = options_.start_patience;
        return fleet;
    }

    void turn()
    {
        std::vector<pollfd> polls{{signals_.get(), POLLIN, 0}};
        channel_.add_polls(polls);
        const bool busy = !fleet_.settled() || requests_.waiting() || requests_.stop_asked();
        ::poll(polls.data(), polls.size(), static_cast<int>((busy ? k_busy_tick : k_idle_tick).count()));
        const auto now = std::chrono::steady_clock::now();
        read_signals();
        channel_.handle(polls, now);
        if (requests_.stop_asked())
            fleet_.stop(now);
        fleet_.tick(now, system_clock().now());
        requests_.tick();
        if (now - last_second_ >= Duration(1'000)) {
            last_second_ = now;
            each_second();
        }
    }

    void read_signals()
    {
        signalfd_siginfo info{};
        while (::read(signals_.get(), &info, sizeof info) == sizeof info)
            if (info.ssi_signo != SIGCHLD)
                requests_.ask_stop();
    }

    // Processes that the hook started and nobody waits for.
    void reap_strays()
    {
        siginfo_t info{};
        while (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0 &&
               !fleet_.owns(info.si_pid)) {
            ::waitpid(info.si_pid, nullptr, WNOHANG);
            info = {};
        }
    }

    void each_second()
    {
        reap_strays();
        std::error_code ec;
        for (const auto& entry : fs::directory_iterator(layout_.log(), ec))
            if (entry.path().extension() == ".log")
                if (auto rotated = rotate_log(entry.path(), options_.log_bytes, options_.log_files); !rotated)
                    log_line(system_clock().now(), "supervisor", "failed", rotated.error().message);
    }

    const SupervisorOptions& options_;
    Layout layout_;
    LocalSpec spec_;
    UniqueFd signals_;
    Fleet fleet_;
    Requests requests_;
    Channel channel_;
    SteadyTime last_second_{};
};

Result<int> supervise(const SupervisorOptions& options)
{
    const Layout layout{options.dir};
    TRY(prepare_folders(layout));
    TRY_ASSIGN(const auto lock, FileLock::try_lock(layout.lock()));
    if (!lock)
        return fail(ErrorKind::locked, fmt::format("another supervisor has {}", layout.dir.string()));
    TRY(remove_file(layout.run() / "supervisor.error"));
    TRY_ASSIGN(LocalSpec spec, load_spec(layout));
    TRY_ASSIGN(UniqueFd signals, take_signals());
    for (const auto& orphan : end_orphans(layout, options.drain))
        log_line(system_clock().now(), orphan.name, "orphan ended", fmt::format("pid {}", orphan.pid));
    TRY_ASSIGN(Sockets sockets, open_sockets(spec));
    TRY(save_spec(layout, spec));
    TRY(write_secrets(layout));
    TRY(write_agent_config(layout, spec));
    TRY_ASSIGN(UniqueFd socket, listen_unix(layout.socket()));
    Json self{{"pid", ::getpid()}};
    if (const auto ticks = process_start_ticks(::getpid()))
        self["start_ticks"] = *ticks;
    TRY(write_file(layout.supervisor_pid(), dump_json(self) + "\n"));
    Supervisor supervisor(options, std::move(spec), std::move(sockets), std::move(signals),
                          std::move(socket));
    const int code = supervisor.run();
    TRY(remove_file(layout.socket()));
    TRY(remove_file(layout.supervisor_pid()));
    return code;
}

} // namespace

int run_supervisor(const SupervisorOptions& options)
{
    const auto code = supervise(options);
    if (code)
        return *code;
    log_line(system_clock().now(), "supervisor", "failed", code.error().message);
    // Whoever started it reads this; not for one that found the folder taken.
    if (code.error().kind != ErrorKind::locked)
        (void)write_file(Layout{options.dir}.run() / "supervisor.error",
                         dump_json(error_json(code.error())) + "\n");
    return to_exit(code.error().kind);
}

} // namespace conduit::local
