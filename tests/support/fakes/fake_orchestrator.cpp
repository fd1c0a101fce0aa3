// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/fake_orchestrator.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <utility>

namespace conduit::test {
namespace {

Result<> check_workload(std::string_view name)
{
    if (name.empty() || name == "agent" || name == "sim")
        return {};
    return fail(ErrorKind::not_found,
                unknown_name("workload", name, std::vector<std::string>{"agent", "sim"}));
}

std::vector<std::string> agent_names(int count)
{
    std::vector<std::string> names;
    for (int i = 1; i <= count; ++i)
        names.push_back(fmt::format("agent-{}", i));
    return names;
}

} // namespace

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
    remembered = kept["remembered"].is_null() ? std::nullopt : std::optional(kept["remembered"].get<int>());
    generations_ = kept["generations"].get<std::map<std::string, int>>();
    done_.clear();
    for (const auto& [key, change] : kept["done"].items())
        done_[key] = {.changed = change["changed"].get<bool>(),
                      .started = change["started"].get<std::vector<std::string>>(),
                      .ended = change["ended"].get<std::vector<std::string>>()};
}

void FakeOrchestrator::save() const
{
    if (file_.empty())
        return;
    Json done = Json::object();
    for (const auto& [key, change] : done_)
        done[key] = {{"changed", change.changed}, {"started", change.started}, {"ended", change.ended}};
    const Json kept{{"wanted", wanted},
                    {"remembered", remembered ? Json(*remembered) : Json()},
                    {"restarts", restarts},
                    {"done", done},
                    {"generations", generations_}};
    if (!write_file(file_, dump_json(kept)))
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
    const int ready = std::max(0, std::min(wanted, most_alive) - unready);
    return std::vector<Workload>{{.name = "agent",
                                  .wanted = wanted,
                                  .ready = ready,
                                  .running = std::min(wanted, most_alive),
                                  .remembers = true,
                                  .remembered = remembered},
                                 {.name = "sim", .wanted = 1, .ready = 1, .running = 1, .scalable = false}};
}

Result<std::vector<Instance>> FakeOrchestrator::instances(std::string_view workload, Deadline)
{
    TRY(enter("instances"));
    TRY(check_workload(workload));
    std::vector<Instance> out;
    for (int i = 1; i <= wanted && workload != "sim"; ++i)
        out.push_back({.name = fmt::format("agent-{}", i),
                       .workload = "agent",
                       .ref = ref_of(fmt::format("agent-{}", i)),
                       .state = i > most_alive ? InstanceState::crash_loop : InstanceState::ready,
                       .ready = i <= most_alive,
                       .started_at = started_at});
    if (workload != "agent")
        out.push_back({.name = "sim",
                       .workload = "sim",
                       .ref = ref_of("sim"),
                       .state = InstanceState::ready,
                       .ready = true});
    return out;
}

// The same key is answered as the first time.
template <class Request>
OrchestratorChange FakeOrchestrator::carry_out(const Request& request,
                                               const std::function<OrchestratorChange()>& change)
{
    auto known = done_.find(request.key);
    if (known == done_.end()) {
        known = done_.emplace(request.key, change()).first;
        save();
    }
    const auto result = known->second;
    if (request.on_sent)
        request.on_sent();
    if (after_call)
        after_call("sent");
    return result;
}

Result<OrchestratorChange> FakeOrchestrator::scale(const ScaleRequest& request, const ChangeProgress&,
                                                   Deadline)
{
    TRY(enter("scale"));
    TRY(check_workload(request.workload));
    if (request.workload == "sim")
        return fail(ErrorKind::usage, "workload sim is not scalable");
    if (!done_.contains(request.key) && request.expected && *request.expected != wanted)
        return fail(ErrorKind::stale, fmt::format("{} are wanted now", wanted));
    if (!done_.contains(request.key) && request.remember && request.remember->expected != remembered)
        return fail(ErrorKind::stale, "another number is remembered now");
    return carry_out(request, [&] {
        if (request.remember)
            remembered = request.remember->replicas;
        return OrchestratorChange{.changed = std::exchange(wanted, request.replicas) != request.replicas};
    });
}

Result<OrchestratorChange> FakeOrchestrator::restart(const RestartRequest& request, const ChangeProgress&,
                                                     Deadline)
{
    TRY(enter("restart"));
    TRY(check_workload(request.workload));
    auto names = request.instances;
    if (names.empty())
        names = request.workload == "sim" ? std::vector<std::string>{"sim"} : agent_names(wanted);
    TRY(check_instances(names));
    return carry_out(request, [&] {
        ++restarts;
        for (const auto& name : names)
            ++generations_[name];
        return OrchestratorChange{.changed = true, .started = names, .ended = names};
    });
}

Result<std::optional<OrchestratorChange>> FakeOrchestrator::find_change(std::string_view key, Deadline)
{
    TRY(enter("find"));
    const auto known = done_.find(std::string(key));
    if (known == done_.end())
        return std::optional<OrchestratorChange>{};
    auto change = known->second;
    change.error = restart_error;
    return std::optional(std::move(change));
}

Result<> FakeOrchestrator::check_instances(const std::vector<std::string>& names) const
{
    auto known = agent_names(wanted);
    known.emplace_back("sim");
    for (const auto& name : names)
        if (std::ranges::find(known, name) == known.end())
            return fail(ErrorKind::not_found, unknown_name("instance", name, known));
    return {};
}

std::string FakeOrchestrator::ref_of(const std::string& instance) const
{
    const auto generation = generations_.find(instance);
    return fmt::format("{}.{}", instance, generation == generations_.end() ? 0 : generation->second);
}

Result<> FakeOrchestrator::logs(const LogQuery& query, const LogSink& sink, const Cancel& stop, Deadline)
{
    TRY(enter("logs"));
    if (stop.requested())
        return fail(ErrorKind::interrupted, "stopped");
    if (query.instances != std::vector<std::string>{"agent"}) // the workload
        TRY(check_instances(query.instances));
    sink({"agent-1", "hello"});
    return {};
}

Result<std::vector<Usage>> FakeOrchestrator::top(std::string_view workload, Duration, Deadline deadline)
{
    TRY(enter("top"));
    TRY_ASSIGN(const auto all, instances(workload, deadline));
    std::vector<Usage> out;
    for (const auto& instance : all)
        out.push_back({.instance = instance.name, .workload = instance.workload, .cpu_cores = 0.1});
    return out;
}

Result<std::vector<OrchestratorEvent>> FakeOrchestrator::events(Deadline)
{
    TRY(enter("events"));
    return std::vector<OrchestratorEvent>{};
}

} // namespace conduit::test
