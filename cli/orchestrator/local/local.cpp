// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/local.hpp"

#include "cli/orchestrator/local/channel.hpp"
#include "cli/orchestrator/local/client.hpp"
#include "cli/orchestrator/local/fleet.hpp"
#include "cli/orchestrator/local/orphans.hpp"
#include "cli/orchestrator/local/sockets.hpp"
#include "cli/orchestrator/local/spec.hpp"
#include "core/process.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <csignal>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/wait.h>

namespace conduit::local {
namespace {

constexpr Duration k_poll{20};
constexpr std::uint16_t k_usual_port = 8080;

void tell(const std::function<void(std::string_view)>& progress, const std::string& line)
{
    if (progress)
        progress(line);
}

bool stopped(const Cancel* cancel)
{
    return cancel != nullptr && cancel->requested();
}

Error left_half_way(std::string_view what)
{
    return {ErrorKind::partial, fmt::format("interrupted: {}", what),
            "See how things stand: conduitctl local status\nOr end all of it: conduitctl local down"};
}

Result<FileLock> take_up_lock(const Layout& layout, Deadline deadline, const Cancel* cancel)
{
    for (;;) {
        TRY_ASSIGN(auto lock, FileLock::try_lock(layout.up_lock()));
        if (lock)
            return *std::move(lock);
        if (stopped(cancel))
            return fail(ErrorKind::interrupted, "interrupted");
        if (deadline.passed())
            return fail(ErrorKind::locked, fmt::format("another `local up` or `down` of {} is still at work",
                                                       layout.dir.string()));
        system_clock().sleep(k_poll);
    }
}

Json not_running(const Layout& layout)
{
    Json document{{"running", false}, {"dir", layout.dir.string()}, {"router_url", nullptr}};
    document["admin_urls"] = Json::array();
    document["operator_token_file"] = layout.operator_token().string();
    document["viewer_token_file"] = layout.viewer_token().string();
    document["api_key_file"] = layout.api_key().string();
    document["sim_urls"] = nullptr;
    document["sim_control_url"] = nullptr;
    document["supervisor_pid"] = nullptr;
    const auto spec = load_spec(layout);
    document["replicas"] = Json{{"wanted", spec ? spec->replicas : 0}, {"ready", 0}};
    document["instances"] = Json::array();
    return document;
}

Error not_ready_error(const Layout& layout, const Json& status, Duration timeout)
{
    std::string name;
    std::string state;
    for (const auto& item : status.value("instances", Json::array())) {
        if (!json_bool_or(item, "ready", false)) {
            name = json_string_or(item, "name", "");
            state = json_string_or(item, "state", "");
            break;
        }
    }
    if (name.empty())
        return {ErrorKind::failed,
                fmt::format("not every replica was ready within {}", human_duration(timeout)),
                "Run `conduitctl local status` to see how things stand."};
    const auto log = read_file(layout.log_file(name));
    auto error = Error{ErrorKind::failed, fmt::format("{} is not ready: {}", name, state)};
    error.cause = log ? printable(last_lines(*log, 10)) : "";
    error.details = {{"instance", name}, {"log", layout.log_file(name).string()}};
    error.hint = fmt::format("Read {}, then run `conduitctl local down` and `conduitctl local up`.",
                             layout.log_file(name).string());
    return error;
}

Error supervisor_died(const Layout& layout, int status)
{
    if (const auto text = read_file(layout.run() / "supervisor.error", 65'536))
        if (const auto document = parse_json(*text))
            return error_from_json(*document);
    const auto log = read_file(layout.supervisor_log());
    auto error = Error{ErrorKind::failed,
                       fmt::format("the supervisor ended at once with code {}",
                                   WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status))};
    error.cause = log ? printable(last_lines(*log, 5)) : "";
    error.hint = fmt::format("Read {}.", layout.supervisor_log().string());
    return error;
}

bool crash_looping(const Json& status)
{
    for (const auto& item : status.value("instances", Json::array()))
        if (json_string_or(item, "state", "") == "crash-loop")
            return true;
    return false;
}

// child: the supervisor when it was started here, else 0.
Result<Json> wait_until_ready(const Layout& layout, pid_t child, const UpOptions& options, Deadline deadline)
{
    Json last = Json::object();
    for (;;) {
        auto status = ask_supervisor(layout, Json{{"cmd", "status"}}, deadline.sooner(Duration(2'000)));
        if (status) {
            last = *std::move(status);
            if (json_bool_or(last, "settled", false))
                return last;
            if (crash_looping(last))
                return not_ready_error(layout, last, options.timeout);
        }
        if (stopped(options.cancel))
            return left_half_way("the supervisor goes on starting what is wanted");
        int ended = 0;
        if (child != 0 && ::waitpid(child, &ended, WNOHANG) == child)
            return supervisor_died(layout, ended);
        if (deadline.passed())
            return not_ready_error(layout, last, options.timeout);
        system_clock().sleep(k_poll);
    }
}

Result<LocalSpec> wanted_spec(const Layout& layout, const UpOptions& options)
{
    auto spec = load_spec(layout);
    const bool first = !spec && spec.error().kind == ErrorKind::not_found;
    if (!spec && !first)
        return spec;
    LocalSpec wanted = first ? LocalSpec{} : *spec;
    if (options.replicas && (*options.replicas < 1 || *options.replicas > k_max_replicas))
        return fail(ErrorKind::usage,
                    fmt::format("{} replicas are not from 1 to {}", *options.replicas, k_max_replicas));
    wanted.replicas =
        std::max(1, options.replicas.value_or(wanted.replicas)); // it may have been scaled to none
    if (options.sim)
        wanted.sim = *options.sim;
    if (!options.sim_args.empty())
        wanted.sim_args = options.sim_args;
    if (options.port && (first || *options.port != 0)) // 0, any, is what it has already
        wanted.data_port = *options.port;
    else if (first && !listen_loopback(k_usual_port))
        wanted.data_port = 0;
    return wanted;
}

Result<> refuse_other_shape(const Json& status, const UpOptions& options)
{
    const auto url = json_string_or(status, "router_url", "");
    const bool has_sim = json_find(status, "sim_urls") != nullptr && !status["sim_urls"].is_null();
    const bool other_port =
        options.port && *options.port != 0 && !url.ends_with(fmt::format(":{}", *options.port));
    if (other_port || (options.sim && *options.sim != has_sim))
        return fail(ErrorKind::refused,
                    fmt::format("{} runs already, otherwise than asked for ({})", options.dir.string(), url),
                    "Run `conduitctl local down` first.");
    return {};
}

Result<UpResult> already_up(const Layout& layout, const Json& status, const UpOptions& options,
                            Deadline deadline)
{
    TRY(refuse_other_shape(status, options));
    UpResult result;
    const auto wanted =
        static_cast<int>(json_number_or(status.value("replicas", Json::object()), "wanted", 0));
    if (options.replicas && *options.replicas != wanted) {
        if (*options.replicas < 1)
            return fail(ErrorKind::usage, "at least one replica is needed");
        TRY(ask_supervisor(layout, Json{{"cmd", "scale"}, {"replicas", *options.replicas}}, deadline));
        result.changed = true;
    }
    TRY_ASSIGN(result.status, wait_until_ready(layout, 0, options, deadline));
    return result;
}

Result<UpResult> start(const Layout& layout, const UpOptions& options, Deadline deadline)
{
    TRY_ASSIGN(const LocalSpec spec, wanted_spec(layout, options));
    TRY(save_spec(layout, spec));
    TRY(remove_file(layout.run() / "supervisor.error"));
    tell(options.progress, fmt::format("starting {} replicas in {}", spec.replicas, layout.dir.string()));
    SpawnSpec spawn;
    spawn.argv = options.supervisor_argv;
    spawn.stdout_file = layout.supervisor_log();
    TRY_ASSIGN(const pid_t pid, spawn_process(spawn));
    UpResult result{.changed = true, .status = {}};
    TRY_ASSIGN(result.status, wait_until_ready(layout, pid, options, deadline));
    return result;
}

} // namespace

Result<UpResult> local_up(const UpOptions& options)
{
    const Layout layout{options.dir};
    const Deadline deadline(options.timeout);
    TRY(prepare_folders(layout));
    TRY_ASSIGN(const FileLock lock, take_up_lock(layout, deadline, options.cancel));
    const auto status = ask_supervisor(layout, Json{{"cmd", "status"}}, deadline.sooner(Duration(3'000)));
    if (status)
        return already_up(layout, *status, options, deadline);
    if (status.error().kind != ErrorKind::unreachable)
        return status.error();
    return start(layout, options, deadline);
}

namespace {

// The supervisor is gone when its lock is free.
Result<> wait_for_end(const Layout& layout, Deadline deadline)
{
    for (;;) {
        TRY_ASSIGN(const auto lock, FileLock::try_lock(layout.lock()));
        if (lock)
            return {};
        if (deadline.passed())
            return fail(ErrorKind::unverified,
                        fmt::format("the supervisor of {} has not ended yet", layout.dir.string()),
                        "Run `conduitctl local down` again.");
        system_clock().sleep(k_poll);
    }
}

Result<> purge(const Layout& layout)
{
    // Only what `local up` makes; the lock that is held now goes last, with its folder.
    for (const auto& folder :
         {layout.config(), layout.log(), layout.state(), layout.tokens(), layout.run()}) {
        std::error_code ec;
        fs::remove_all(folder, ec);
        if (ec)
            return fail(ErrorKind::failed,
                        fmt::format("cannot remove {}: {}", folder.string(), ec.message()));
    }
    std::error_code ignored;
    fs::remove(layout.dir, ignored);
    return {};
}

} // namespace

Result<DownResult> local_down(const DownOptions& options)
{
    const Layout layout{options.dir};
    DownResult result;
    std::error_code error;
    const bool there = fs::exists(layout.run(), error);
    if (error)
        return Error{error == std::errc::permission_denied ? ErrorKind::auth : ErrorKind::failed,
                     fmt::format("cannot look into {}: {}", layout.dir.string(), error.message())};
    if (!there)
        return result;
    const Deadline deadline(options.timeout);
    TRY_ASSIGN(const FileLock lock, take_up_lock(layout, deadline, options.cancel));
    const auto say = [&](const Json& event) {
        tell(options.progress,
             json_string_or(event, "object", "") + " " + json_string_or(event, "reason", ""));
    };
    const auto answer = ask_supervisor(layout, Json{{"cmd", "stop"}}, deadline, {say, {}, options.cancel});
    if (!answer && answer.error().kind == ErrorKind::interrupted)
        return left_half_way("the supervisor goes on ending what runs");
    if (!answer && answer.error().kind != ErrorKind::unreachable && answer.error().kind != ErrorKind::unknown)
        return answer.error();
    result.changed = answer.has_value();
    TRY(wait_for_end(layout, deadline));
    if (!end_orphans(layout, std::min(deadline.left(), Duration(35'000))).empty())
        result.changed = true;
    if (!find_orphans(layout).empty())
        return fail(ErrorKind::unverified,
                    fmt::format("a process of {} is still there", layout.dir.string()));
    TRY(remove_file(layout.socket()));
    TRY(remove_file(layout.supervisor_pid()));
    if (options.purge) {
        TRY(purge(layout));
        result.changed = result.purged = true;
    }
    return result;
}

Result<Json> local_status(const fs::path& dir, Deadline deadline, const Cancel* cancel)
{
    const Layout layout{dir};
    auto status = ask_supervisor(layout, Json{{"cmd", "status"}}, deadline, {.cancel = cancel});
    if (status) {
        status->erase("settled");
        return status;
    }
    if (status.error().kind == ErrorKind::unreachable)
        return not_running(layout);
    return status;
}

} // namespace conduit::local
