// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/fake_releases.hpp"

#include "core/text.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::test {
namespace {

constexpr auto k_start = R"({"workloads/agent/image/main":"registry.local/agent:v1",
    "workloads/agent/paused":false,"workloads/agent/template":"agent-2",
    "workloads/agent/strategy/type":"RollingUpdate","workloads/agent/strategy/max_surge":"25%",
    "workloads/agent/strategy/max_unavailable":"25%",
    "workloads/agent/resources/main/requests.cpu":"250m",
    "workloads/agent/resources/main/limits.memory":"1Gi",
    "autoscalers/agent":{"min":2,"max":5,"cpu":80},"canary/step":1,"canary/aborted":false})";

// "autoscalers/agent/min" is a part of "autoscalers/agent".
std::optional<std::pair<std::string, std::string>> bound_of(const std::string& path)
{
    const auto parts = split(path, '/');
    if (parts.size() != 3 || parts[0] != "autoscalers")
        return std::nullopt;
    return std::pair{parts[0] + "/" + parts[1], parts[2]};
}

} // namespace

FakeReleases::FakeReleases() : fields_(parse_json(k_start).value()), keys_(Json::object()) {}

void FakeReleases::keep_in(fs::path file)
{
    file_ = std::move(file);
    load();
}

void FakeReleases::load()
{
    const auto text = file_.empty() ? Result<std::string>(std::string()) : read_file(file_);
    if (!text || text->empty())
        return;
    const Json kept = parse_json(*text).value();
    fields_ = kept["fields"];
    keys_ = kept["keys"];
}

void FakeReleases::save() const
{
    if (!file_.empty() && !write_file(file_, dump_json(Json{{"fields", *fields_}, {"keys", *keys_}})))
        std::abort();
}

std::string FakeReleases::dump() const
{
    return canonical_json(*fields_);
}

void FakeReleases::set(const std::string& path, Json value)
{
    if (const auto bound = bound_of(path))
        (*fields_)[bound->first][bound->second] = std::move(value);
    else
        (*fields_)[path] = std::move(value);
    save();
}

Json FakeReleases::get(const std::string& path) const
{
    const auto bound = bound_of(path);
    const auto* found = json_find(*fields_, bound ? bound->first : path);
    if (found != nullptr && bound)
        found = json_find(*found, bound->second);
    return found == nullptr ? Json() : *found;
}

Result<> FakeReleases::enter(const std::string& call)
{
    if (before_call)
        before_call(call);
    for (const auto* key : {call.c_str(), "*"})
        if (const auto fault = faults.find(key); fault != faults.end())
            return fault->second;
    if (cancel != nullptr && cancel->requested() && call != "write")
        return fail(ErrorKind::interrupted, "interrupted");
    load();
    return {};
}

Result<> FakeReleases::check_workload(const std::string& workload) const
{
    if (workload == "agent")
        return {};
    return fail(ErrorKind::not_found, unknown_name("workload", workload, std::vector<std::string>{"agent"}),
                "See: conduitctl ps");
}

Result<std::map<std::string, JsonBox>> FakeReleases::read(std::span<const std::string> paths, Deadline)
{
    TRY(enter("read"));
    std::map<std::string, JsonBox> out;
    for (const auto& path : paths) {
        if (path.starts_with("workloads/"))
            TRY(check_workload(split(path, '/').at(1)));
        out[path] = get(path);
    }
    return out;
}

Result<> FakeReleases::write(const SettingsRequest& request, Deadline)
{
    TRY(enter("write"));
    if (keys_->contains(request.key))
        return {};
    for (const auto& setting : request.settings)
        if (canonical_json(get(setting.path)) != canonical_json(*setting.before))
            return fail(ErrorKind::stale, setting.path + " is another now");
    if (request.dry_run)
        return {};
    broken_ = broken_writes > 0;
    const bool reverted = reverted_writes > 0;
    broken_writes -= broken_ ? 1 : 0;
    reverted_writes -= reverted ? 1 : 0;
    (*keys_)[request.key] = true;
    for (const auto& setting : request.settings)
        set(setting.path, reverted ? *setting.before : *setting.after);
    save();
    if (request.on_sent)
        request.on_sent();
    if (after_call)
        after_call("sent");
    return {};
}

Result<bool> FakeReleases::was_written(std::string_view key, const SettingChange&, Deadline)
{
    TRY(enter("find"));
    return keys_->contains(std::string(key));
}

Result<> FakeReleases::settle(const std::string& workload, const ChangeProgress&, Deadline)
{
    TRY(enter("settle"));
    TRY(check_workload(workload));
    if (broken_)
        return fail(ErrorKind::failed, "agent-3-x does not become ready: CrashLoopBackOff: exit 1");
    return {};
}

Result<RolloutStatus> FakeReleases::status(const std::string& workload, Deadline)
{
    TRY(enter("status"));
    TRY(check_workload(workload));
    const auto image = get("workloads/agent/image/main").get<std::string>();
    return RolloutStatus{.workload = workload,
                         .kind = "Deployment",
                         .state = state,
                         .wanted = 2,
                         .updated = 2,
                         .available = state == "complete" ? 2 : 1,
                         .total = 2,
                         .problem = state == "stuck" ? "agent-2-x: ImagePullBackOff" : "",
                         .images = {{"main", image}},
                         .running = {{"agent-2-x", "main", image, "sha256:0123456789abcdef", true}}};
}

Result<std::vector<Revision>> FakeReleases::revisions(const std::string& workload, Deadline)
{
    TRY(enter("revisions"));
    TRY(check_workload(workload));
    const auto current = get("workloads/agent/template").get<std::string>();
    std::vector<Revision> out;
    for (const int number : {1, 2}) {
        const auto name = fmt::format("agent-{}", number);
        const auto image = fmt::format("registry.local/agent:v{}", number - 1);
        const Json pods{{"spec", {{"containers", {{{"name", "main"}, {"image", image}}}}}}};
        out.push_back({.number = number,
                       .name = name,
                       .images = {{"main", image}},
                       .made_at = parse_time("2026-11-21T10:00:00Z").value(),
                       .cause = "",
                       .replicas = name == current ? 2 : 0,
                       .current = name == current,
                       .pods = pods});
    }
    return out;
}

Result<std::vector<ContainerResources>> FakeReleases::resources(const std::string& workload, Deadline)
{
    TRY(enter("resources"));
    TRY(check_workload(workload));
    ContainerResources out{.container = "main"};
    for (const auto* what : {"cpu", "memory"})
        for (const auto& [group, values] : {std::pair{"requests", &out.requests}, {"limits", &out.limits}})
            if (const auto value = get(fmt::format("workloads/agent/resources/main/{}.{}", group, what));
                value.is_string())
                (*values)[what] = value.get<std::string>();
    return std::vector{out};
}

Result<ReleaseCheck> FakeReleases::fits(const std::string&, const std::vector<ContainerResources>& all,
                                        Deadline)
{
    TRY(enter("fits"));
    const auto limit = all.at(0).limits.find("memory");
    if (limit != all.at(0).limits.end() && limit->second == "1Ti")
        return ReleaseCheck{"nodes", ReleaseCheck::Verdict::failed, "no node can take it", "Ask for less."};
    return ReleaseCheck{"nodes", ReleaseCheck::Verdict::passed, "room for 9 pods", ""};
}

Result<std::vector<ReleaseCheck>> FakeReleases::precheck(const std::string& workload, Deadline)
{
    TRY(enter("precheck"));
    TRY(check_workload(workload));
    using Verdict = ReleaseCheck::Verdict;
    return std::vector<ReleaseCheck>{
        {"rollout", Verdict::passed, "2 of 2 available", ""},
        {"quota", precheck_fails ? Verdict::failed : Verdict::passed, "none", "Raise the quota."}};
}

Result<std::vector<Autoscaler>> FakeReleases::autoscalers(Deadline)
{
    TRY(enter("autoscalers"));
    std::vector<Autoscaler> out;
    if (!get("autoscalers/agent").is_null())
        out.push_back({.name = "agent",
                       .workload = "agent",
                       .min = get("autoscalers/agent/min").get<int>(),
                       .max = get("autoscalers/agent/max").get<int>(),
                       .now = 2,
                       .wanted = 2,
                       .cpu = get("autoscalers/agent/cpu").get<int>()});
    return out;
}

Result<JsonBox> FakeReleases::new_autoscaler(const std::string& workload, int min, int max,
                                             std::optional<int> cpu, Deadline)
{
    TRY(check_workload(workload));
    return JsonBox(Json{{"min", min}, {"max", max}, {"cpu", cpu.value_or(80)}});
}

Result<JsonBox> FakeReleases::describe(const std::string& name, Deadline)
{
    TRY(enter("describe"));
    TRY(check_workload(name));
    return JsonBox(Json{{"name", name}, {"kind", "Deployment"}, {"events", Json::array()}});
}

Result<std::vector<ReleaseEvent>> FakeReleases::events(const std::string&, Deadline)
{
    TRY(enter("events"));
    return happened;
}

Result<JsonBox> FakeReleases::canary(const std::string& workload, Deadline)
{
    TRY(enter("canary"));
    TRY(check_workload(workload));
    const bool aborted = get("canary/aborted") == true;
    return JsonBox(Json{{"workload", workload},
                        {"phase", aborted ? "Degraded" : "Paused"},
                        {"step", get("canary/step")},
                        {"paused", !aborted}});
}

Result<> FakeReleases::steer_canary(const std::string& workload, std::string_view action,
                                    const std::string& key, const std::function<void()>& on_sent, Deadline)
{
    TRY(enter("write"));
    TRY(check_workload(workload));
    if (!keys_->contains(key)) {
        (*keys_)[key] = true;
        if (action == "abort")
            set("canary/aborted", true);
        else
            set("canary/step", get("canary/step").get<int>() + 1);
    }
    save();
    if (on_sent)
        on_sent();
    if (after_call)
        after_call("sent");
    return {};
}

Result<bool> FakeReleases::was_steered(const std::string&, std::string_view, const std::string& key, Deadline)
{
    TRY(enter("find"));
    return keys_->contains(key);
}

Result<> FakeReleases::settle_canary(const std::string& workload, std::string_view, const ChangeProgress&,
                                     Deadline)
{
    TRY(enter("settle"));
    return check_workload(workload);
}

} // namespace conduit::test
