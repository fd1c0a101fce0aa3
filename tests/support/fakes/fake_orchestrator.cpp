// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/fake_orchestrator.hpp"

#include "core/text.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::test {

void FakeOrchestrator::keep_in(fs::path file)
{
    file_ = std::move(file);
    load();
}

void FakeOrchestrator::load()
{
    const auto text = file_.empty() ? Result<std::string>(std::string()) : read_file(file_);
    if (!text || text->empty())
        return;
    const Json kept = parse_json(*text).value();
    wanted = kept["wanted"].get<int>();
    restarts = kept["restarts"].get<int>();
    keys_ = kept["keys"].get<std::map<std::string, bool>>();
}

void FakeOrchestrator::save() const
{
    if (file_.empty())
        return;
    if (!write_file(file_, dump_json(Json{{"wanted", wanted}, {"restarts", restarts}, {"keys", keys_}})))
        std::abort();
}

Result<> FakeOrchestrator::enter(const std::string& call)
{
    if (before_call)
        before_call(call);
    for (const auto* key : {call.c_str(), "*"})
        if (const auto fault = faults.find(key); fault != faults.end())
            return fault->second;
    if (cancel != nullptr && cancel->requested() && call != "scale" && call != "restart")
        return fail(ErrorKind::interrupted, "interrupted while talking to the supervisor");
    load();
    return {};
}

Result<std::vector<Workload>> FakeOrchestrator::workloads(Deadline)
{
    TRY(enter("workloads"));
    const int ready = std::min(wanted, most_alive);
    return std::vector<Workload>{{.name = "agent", .wanted = wanted, .ready = ready, .running = ready},
                                 {.name = "sim", .wanted = 1, .ready = 1, .running = 1, .scalable = false}};
}

Result<std::vector<Instance>> FakeOrchestrator::instances(std::string_view workload, Deadline)
{
    TRY(enter("instances"));
    if (!workload.empty() && workload != "agent" && workload != "sim")
        return fail(ErrorKind::not_found,
                    unknown_name("workload", workload, std::vector<std::string>{"agent", "sim"}));
    std::vector<Instance> out;
    for (int i = 1; i <= wanted && workload != "sim"; ++i)
        out.push_back({.name = fmt::format("agent-{}", i),
                       .workload = "agent",
                       .ref = "1",
                       .state = i > most_alive ? InstanceState::crash_loop : InstanceState::ready,
                       .ready = i <= most_alive});
    if (workload != "agent")
        out.push_back(
            {.name = "sim", .workload = "sim", .ref = "2", .state = InstanceState::ready, .ready = true});
    return out;
}

template <class Request>
Result<OrchestratorChange> FakeOrchestrator::carry_out(const Request& request, int& figure, int to)
{
    const bool known = keys_.contains(request.key);
    if (!known) {
        figure = to;
        keys_[request.key] = true;
        save();
    }
    if (request.on_sent)
        request.on_sent();
    if (after_call)
        after_call("sent");
    return OrchestratorChange{.changed = !known};
}

Result<OrchestratorChange> FakeOrchestrator::scale(const ScaleRequest& request, const ChangeProgress&,
                                                   Deadline)
{
    TRY(enter("scale"));
    if (!keys_.contains(request.key) && request.expected && *request.expected != wanted)
        return fail(ErrorKind::stale, fmt::format("{} are wanted now", wanted));
    return carry_out(request, wanted, request.replicas);
}

Result<OrchestratorChange> FakeOrchestrator::restart(const RestartRequest& request, const ChangeProgress&,
                                                     Deadline)
{
    TRY(enter("restart"));
    return carry_out(request, restarts, restarts + 1);
}

Result<std::optional<OrchestratorChange>> FakeOrchestrator::find_change(std::string_view key, Deadline)
{
    TRY(enter("find"));
    if (!keys_.contains(std::string(key)))
        return std::optional<OrchestratorChange>{};
    return std::optional(OrchestratorChange{.changed = true, .error = restart_error});
}

Result<> FakeOrchestrator::logs(const LogQuery& query, const LogSink& sink, const Cancel& stop, Deadline)
{
    TRY(enter("logs"));
    if (stop.requested())
        return fail(ErrorKind::interrupted, "stopped");
    for (const auto& name : query.instances)
        if (name != "agent-1" && name != "agent-2")
            return fail(ErrorKind::not_found, "no instance " + name);
    sink({"agent-1", "hello"});
    return {};
}

Result<std::vector<Usage>> FakeOrchestrator::top(std::string_view workload, Duration, Deadline deadline)
{
    TRY(enter("top"));
    TRY(instances(workload, deadline));
    return std::vector<Usage>{{.instance = "agent-1", .workload = "agent", .cpu_cores = 0.1}};
}

Result<std::vector<OrchestratorEvent>> FakeOrchestrator::events(Deadline)
{
    TRY(enter("events"));
    return std::vector<OrchestratorEvent>{};
}

} // namespace conduit::test
