// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/orchestrator.hpp"

#include "cli/orchestrator/local/client.hpp"
#include "cli/orchestrator/local/local.hpp"
#include "cli/orchestrator/local/logs.hpp"
#include "cli/orchestrator/local/usage.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::local {
namespace {

const std::vector<std::string>& workload_names()
{
    static const std::vector<std::string> k_names{"agent", "sim"};
    return k_names;
}

Result<> check_workload(std::string_view name)
{
    if (name.empty() || std::ranges::find(workload_names(), name) != workload_names().end())
        return {};
    return fail(ErrorKind::not_found, unknown_name("workload", name, workload_names()), "See: conduitctl ps");
}

Instance instance_from(const Json& item)
{
    Instance instance;
    instance.name = json_string_or(item, "name", "");
    instance.workload = json_string_or(item, "workload", "");
    if (const double pid = json_number_or(item, "pid", 0); pid > 0)
        instance.ref = fmt::format("{}", static_cast<pid_t>(pid));
    instance.state = parse_state(json_string_or(item, "state", "")).value_or(InstanceState::not_ready);
    instance.ready = json_bool_or(item, "ready", false);
    instance.restarts = static_cast<std::uint32_t>(json_number_or(item, "restarts", 0));
    if (const auto at = parse_time(json_string_or(item, "started_at", "")))
        instance.started_at = *at;
    instance.admin_url = json_string_or(item, "admin_url", "");
    instance.revision = json_string_or(item, "revision", "");
    if (const auto* last = json_find(item, "last_exit"); last != nullptr && last->is_object())
        instance.last_exit = LastExit{static_cast<int>(json_number_or(*last, "code", 0)),
                                      parse_time(json_string_or(*last, "at", "")).value_or(WallTime{})};
    return instance;
}

std::vector<std::string> names_in(const Json& document, std::string_view key)
{
    std::vector<std::string> names;
    if (const auto* list = json_find(document, key); list != nullptr && list->is_array())
        for (const auto& item : *list)
            if (item.is_string())
                names.push_back(item.get<std::string>());
    return names;
}

OrchestratorChange change_from(const Json& result)
{
    return {.changed = json_bool_or(result, "changed", false),
            .started = names_in(result, "started"),
            .ended = names_in(result, "ended"),
            .finished = !json_bool_or(result, "accepted", false),
            .error = json_string_or(result, "error", "")};
}

OnProgress relay(const ChangeProgress& progress)
{
    return [progress](const Json& event) {
        if (progress)
            progress(
                trim(fmt::format("{} {} {}", json_string_or(event, "object", ""),
                                 json_string_or(event, "reason", ""), json_string_or(event, "message", ""))));
    };
}

Error hinted(Error error)
{
    if (error.kind == ErrorKind::unreachable && error.hint.empty())
        error.hint = "Run `conduitctl local up` to start it.";
    return error;
}

// Time ran out although the request was taken: what was asked for is under way.
Error late(Error error)
{
    if (error.kind == ErrorKind::unknown && error.message.ends_with("in time"))
        error.kind = ErrorKind::unverified;
    return hinted(std::move(error));
}

class LocalOrchestrator final : public Orchestrator {
  public:
    LocalOrchestrator(const fs::path& dir, const Cancel* cancel) : layout_{dir}, cancel_(cancel) {}

    std::string kind() const override { return "local"; }
    Result<std::string> identity(Deadline) override
    {
        std::error_code ec;
        const auto path = fs::weakly_canonical(layout_.dir, ec);
        return "local:" + (ec ? layout_.dir : path).string();
    }

    Result<std::vector<Workload>> workloads(Deadline deadline) override
    {
        TRY_ASSIGN(const Json status, local_status(layout_.dir, deadline, cancel_));
        Workload agent{.name = "agent"};
        const auto replicas = status.value("replicas", Json::object());
        agent.wanted = static_cast<int>(json_number_or(replicas, "wanted", 0));
        agent.ready = static_cast<int>(json_number_or(replicas, "ready", 0));
        Workload sim{.name = "sim", .scalable = false};
        bool has_sim = false;
        for (const auto& item : status.value("instances", Json::array())) {
            const auto instance = instance_from(item);
            auto& workload = instance.workload == "sim" ? sim : agent;
            workload.running += instance.ref.empty() ? 0 : 1;
            if (instance.workload == "sim") {
                has_sim = true;
                sim.wanted = 1;
                sim.ready = instance.ready ? 1 : 0;
            }
        }
        std::vector<Workload> result{agent};
        if (has_sim)
            result.push_back(sim);
        return result;
    }

    Result<std::vector<Instance>> instances(std::string_view workload, Deadline deadline) override
    {
        TRY(check_workload(workload));
        TRY_ASSIGN(const Json status, local_status(layout_.dir, deadline, cancel_));
        std::vector<Instance> result;
        for (const auto& item : status.value("instances", Json::array()))
            if (auto instance = instance_from(item); workload.empty() || instance.workload == workload)
                result.push_back(std::move(instance));
        return result;
    }

    Result<OrchestratorChange> scale(const ScaleRequest& request, const ChangeProgress& progress,
                                     Deadline deadline) override
    {
        TRY(check_workload(request.workload));
        if (request.workload == "sim")
            return fail(ErrorKind::usage, "workload sim is not scalable",
                        "Scale the agent: conduitctl scale to agent 3");
        Json ask{
            {"cmd", "scale"}, {"replicas", request.replicas}, {"key", request.key}, {"wait", request.wait}};
        if (request.expected)
            ask["expected"] = *request.expected;
        return change(ask, progress, request.on_sent, deadline);
    }

    Result<OrchestratorChange> restart(const RestartRequest& request, const ChangeProgress& progress,
                                       Deadline deadline) override
    {
        TRY(check_workload(request.workload));
        Json ask{{"cmd", "restart"},
                 {"workload", request.workload.empty() ? "agent" : request.workload},
                 {"instances", request.instances},
                 {"key", request.key},
                 {"wait", request.wait}};
        if (request.drain)
            ask["drain_ms"] = request.drain->count();
        return change(ask, progress, request.on_sent, deadline);
    }

    Result<std::optional<OrchestratorChange>> find_change(std::string_view key, Deadline deadline) override
    {
        const auto answer = ask_supervisor(layout_, Json{{"cmd", "find"}, {"key", key}}, deadline);
        if (!answer)
            return hinted(answer.error());
        if (!json_bool_or(*answer, "found", false))
            return std::optional<OrchestratorChange>{};
        return std::optional(change_from(answer->value("result", Json::object())));
    }

    Result<> logs(const LogQuery& query, const LogSink& sink, const Cancel& cancel,
                  Deadline deadline) override
    {
        return read_logs(layout_, query, sink, cancel, deadline);
    }

    Result<std::vector<Usage>> top(std::string_view workload, Duration between, Deadline deadline) override
    {
        TRY_ASSIGN(const auto all, instances(workload, deadline));
        std::vector<std::optional<ProcessSample>> first;
        const auto pid_of = [](const Instance& instance) {
            int pid = 0;
            std::from_chars(instance.ref.data(), instance.ref.data() + instance.ref.size(), pid);
            return static_cast<pid_t>(pid);
        };
        for (const auto& instance : all)
            first.push_back(sample_process(pid_of(instance)));
        const auto began = std::chrono::steady_clock::now();
        constexpr Duration k_slice{50}; // so that a stop is noticed
        for (const Deadline end = deadline.sooner(between); !end.passed();) {
            if (cancel_ != nullptr && cancel_->requested())
                return fail(ErrorKind::interrupted, "interrupted");
            system_clock().sleep(std::min(k_slice, end.left()));
        }
        std::vector<Usage> result;
        for (std::size_t i = 0; i < all.size(); ++i) {
            const auto second = sample_process(pid_of(all[i]));
            if (!first[i] || !second)
                continue;
            const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - began;
            result.push_back({all[i].name, all[i].workload,
                              std::max(0.0, (second->cpu_seconds - first[i]->cpu_seconds) / passed.count()),
                              second->memory_bytes, second->threads, second->open_files});
        }
        return result;
    }

    Result<std::vector<OrchestratorEvent>> events(Deadline deadline) override
    {
        const auto answer = ask_supervisor(layout_, Json{{"cmd", "events"}}, deadline, {.cancel = cancel_});
        if (!answer)
            return hinted(answer.error());
        std::vector<OrchestratorEvent> result;
        for (const auto& item : answer->value("items", Json::array()))
            result.push_back({parse_time(json_string_or(item, "at", "")).value_or(WallTime{}),
                              json_string_or(item, "object", ""), json_string_or(item, "reason", ""),
                              json_string_or(item, "message", "")});
        return result;
    }

  private:
    Result<OrchestratorChange> change(const Json& request, const ChangeProgress& progress,
                                      const std::function<void()>& on_sent, Deadline deadline)
    {
        const auto answer = ask_supervisor(layout_, request, deadline, {relay(progress), on_sent});
        if (!answer)
            return late(answer.error());
        return change_from(*answer);
    }

    Layout layout_;
    const Cancel* cancel_;
};

} // namespace

std::unique_ptr<Orchestrator> make_orchestrator(const fs::path& dir, const Cancel* cancel)
{
    return std::make_unique<LocalOrchestrator>(dir, cancel);
}

} // namespace conduit::local
