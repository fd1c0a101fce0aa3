// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/fleet.hpp"

#include "core/hash.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::local {
namespace {

constexpr std::size_t k_jobs_kept = 50;
constexpr Duration k_after_drain{10'000}; // for goodbyes and the last records

std::string revision_of(const fs::path& config)
{
    const auto text = read_file(config, 4U << 20U);
    return text ? sha256_hex(*text).substr(0, 12) : "";
}

ChildSpec agent_spec(const FleetOptions& options, const std::string& name, int data_fd, int admin_fd)
{
    const auto& layout = options.layout;
    ChildSpec spec;
    spec.name = name;
    spec.ready_file = layout.ready_file(name);
    spec.pid_file = layout.pid_file(name);
    spec.revision = revision_of(layout.agent_yaml());
    spec.spawn.argv = {
        options.agent_program,   "--config", layout.agent_yaml().string(), "--name", name, "--ready-file",
        spec.ready_file.string()};
    spec.spawn.env = {{"LISTEN_FDS", "2"}};
    spec.spawn.stdout_file = layout.log_file(name);
    spec.spawn.pass_fds = {data_fd, admin_fd};
    return spec;
}

} // namespace

std::string last_lines(std::string_view text, std::size_t lines)
{
    if (lines == 0)
        return {};
    while (text.ends_with('\n'))
        text.remove_suffix(1);
    auto at = text.size();
    for (std::size_t i = 0; i < lines && at != std::string_view::npos; ++i)
        at = at == 0 ? std::string_view::npos : text.rfind('\n', at - 1);
    return std::string(at == std::string_view::npos ? text : text.substr(at + 1));
}

Fleet::Fleet(FleetOptions options, Listener data, std::optional<SimSockets> sim, ChildEvents events)
    : options_(std::move(options)), data_(std::move(data)), sim_(std::move(sim)), events_(std::move(events))
{
}

Fleet::Replica* Fleet::find(const std::string& name)
{
    const auto at =
        std::ranges::find_if(replicas_, [&](const Replica& r) { return r.child->name() == name; });
    return at == replicas_.end() ? nullptr : &*at;
}

const Fleet::Replica* Fleet::find(const std::string& name) const
{
    const auto at =
        std::ranges::find_if(replicas_, [&](const Replica& r) { return r.child->name() == name; });
    return at == replicas_.end() ? nullptr : &*at;
}

std::vector<Fleet::Replica*> Fleet::staying()
{
    std::vector<Replica*> result;
    for (auto& replica : replicas_)
        if (!replica.child->retiring() && !replica.replacement)
            result.push_back(&replica);
    return result;
}

int Fleet::ready() const
{
    return static_cast<int>(std::ranges::count_if(replicas_, [](const Replica& r) {
        return r.child->ready() && !r.child->retiring() && !r.replacement;
    }));
}

bool Fleet::settled() const
{
    return std::ssize(replicas_) == wanted_ && ready() == wanted_ &&
           (!sim_ || (sim_child_ && sim_child_->ready()));
}

std::optional<std::string> Fleet::crashing() const
{
    for (const auto& replica : replicas_)
        if (replica.child->state() == InstanceState::crash_loop)
            return replica.child->name();
    if (sim_child_ && sim_child_->state() == InstanceState::crash_loop)
        return sim_child_->name();
    return std::nullopt;
}

std::vector<std::string> Fleet::names() const
{
    std::vector<std::string> result;
    for (const auto& replica : replicas_)
        if (!replica.child->retiring() && !replica.replacement)
            result.push_back(replica.child->name());
    return result;
}

std::string Fleet::add(bool replacement, WallTime wall)
{
    int number = 1;
    while (find(fmt::format("agent-{}", number)) != nullptr)
        ++number;
    auto name = fmt::format("agent-{}", number);
    const auto known = std::ranges::find(ports_, name, [](const auto& entry) { return entry.first; });
    auto admin = listen_loopback(known == ports_.end() ? std::uint16_t{0} : known->second);
    if (!admin && known != ports_.end())
        admin = listen_loopback(0);
    if (!admin) {
        events_(name, "failed", admin.error().message);
        return {};
    }
    if (known == ports_.end())
        ports_.emplace_back(name, admin->port);
    else
        known->second = admin->port;
    auto spec = agent_spec(options_, name, data_.fd.get(), admin->fd.get());
    replicas_.push_back({std::make_unique<Child>(std::move(spec), options_.backoff, events_),
                         *std::move(admin), replacement});
    replicas_.back().child->start(wall);
    return name;
}

std::unique_ptr<Child> Fleet::make_sim()
{
    const auto& layout = options_.layout;
    ChildSpec spec;
    spec.name = "sim";
    spec.ready_file = layout.ready_file("sim");
    spec.pid_file = layout.pid_file("sim");
    spec.spawn.argv = {options_.sim_program, "--ready-file", spec.ready_file.string()};
    spec.spawn.argv.insert(spec.spawn.argv.end(), options_.sim_args.begin(), options_.sim_args.end());
    spec.spawn.env = {{"LISTEN_FDS", "4"}, {"CONDUIT_SIM_FDS", "openai,google,aws,control"}};
    spec.spawn.stdout_file = layout.log_file("sim");
    spec.spawn.pass_fds = {sim_->openai.fd.get(), sim_->google.fd.get(), sim_->aws.fd.get(),
                           sim_->control.fd.get()};
    return std::make_unique<Child>(std::move(spec), options_.backoff, events_);
}

void Fleet::tick(SteadyTime now, WallTime wall)
{
    for (auto& replica : replicas_)
        replica.child->tick(now, wall);
    if (sim_child_) {
        // One that ended while "down" left its sockets shut.
        if (sim_ && sim_child_->pid() == 0)
            for (const auto* listener : {&sim_->openai, &sim_->google, &sim_->aws, &sim_->control})
                listen_again(*listener);
        sim_child_->tick(now, wall);
    }
    forget_gone();
    if (stopping_) {
        if (replicas_.empty() && sim_child_)
            sim_child_->retire(now, options_.drain);
        return;
    }
    if (sim_ && !sim_child_) {
        sim_child_ = make_sim();
        sim_child_->start(wall);
    }
    reach_wanted(now, wall);
    for (auto& job : jobs_) {
        if (!job.done) {
            advance(job, now, wall);
            break;
        }
    }
    while (jobs_.size() > k_jobs_kept && jobs_.front().done)
        jobs_.pop_front();
}

void Fleet::forget_gone()
{
    std::erase_if(replicas_, [](const Replica& replica) { return replica.child->gone(); });
    if (sim_child_ && sim_child_->gone())
        sim_child_.reset();
}

void Fleet::reach_wanted(SteadyTime now, WallTime wall)
{
    auto present = staying();
    for (auto missing = wanted_ - std::ssize(present); missing > 0 && now >= retry_add_; --missing)
        if (add(false, wall).empty())
            retry_add_ = now + std::chrono::seconds(1);
    if (std::ssize(present) <= wanted_)
        return;
    // The useless go first, then the youngest.
    std::ranges::stable_sort(present, [](const Replica* a, const Replica* b) {
        return a->child->ready() != b->child->ready() ? a->child->ready() : false;
    });
    for (auto i = static_cast<std::size_t>(wanted_); i < present.size(); ++i)
        present[i]->child->retire(now, options_.drain);
}

std::uint64_t Fleet::restart(std::vector<std::string> restarted, SteadyTime now,
                             std::optional<Duration> drain)
{
    if (restarted.empty())
        restarted = names();
    RestartJob job;
    job.id = next_job_++;
    job.since = now;
    job.drain = drain;
    job.todo.assign(restarted.begin(), restarted.end());
    jobs_.push_back(std::move(job));
    return jobs_.back().id;
}

const RestartJob* Fleet::job(std::uint64_t id) const
{
    const auto at = std::ranges::find(jobs_, id, &RestartJob::id);
    return at == jobs_.end() ? nullptr : &*at;
}

void Fleet::abandon(RestartJob& job, std::string why, SteadyTime now)
{
    if (auto* replacement = find(job.replacement))
        replacement->child->retire(now, Duration(0));
    job.error = std::move(why);
    job.done = true;
}

void Fleet::advance(RestartJob& job, SteadyTime now, WallTime wall)
{
    if (job.old.empty()) {
        if (job.todo.empty()) {
            job.done = true;
            return;
        }
        job.old = job.todo.front();
        job.todo.pop_front();
        job.since = now;
        if (job.old == "sim" && sim_child_)
            sim_child_->bounce(now, options_.drain);
    }
    if (job.old == "sim") {
        if (sim_child_ && sim_child_->ready()) {
            job.ended.push_back("sim");
            job.started.push_back("sim");
            job.old.clear();
        } else if (now - job.since > options_.drain + options_.start_patience) {
            abandon(job, "sim did not become ready", now);
        }
        return;
    }
    auto* old = find(job.old);
    if (old == nullptr) { // drained, or it was taken away meanwhile
        auto* orphan = find(job.replacement);
        if (orphan != nullptr && orphan->replacement) {
            orphan->replacement = false;
            job.started.push_back(job.replacement);
        }
        if (!job.replacement.empty())
            job.ended.push_back(job.old);
        job.old.clear();
        job.replacement.clear();
        return;
    }
    if (old->child->retiring())
        return;
    if (job.replacement.empty()) {
        job.since = now;
        job.replacement = add(true, wall);
        if (job.replacement.empty())
            abandon(job, fmt::format("no replacement for {} could be started", job.old), now);
        return;
    }
    auto* replacement = find(job.replacement);
    if (replacement != nullptr && replacement->child->ready()) {
        replacement->replacement = false;
        job.started.push_back(job.replacement);
        old->child->retire(now, job.drain ? *job.drain + k_after_drain : options_.drain, job.drain);
    } else if (replacement == nullptr || replacement->child->state() == InstanceState::crash_loop ||
               now - job.since > options_.start_patience) {
        abandon(job, fmt::format("{} did not become ready; {} was kept", job.replacement, job.old), now);
    }
}

void Fleet::stop(SteadyTime now)
{
    stopping_ = true;
    for (auto& replica : replicas_)
        replica.child->retire(now, options_.drain);
    for (auto& job : jobs_) {
        if (!job.done)
            job.error = "everything was stopped";
        job.done = true;
    }
}

bool Fleet::stopped() const
{
    return stopping_ && replicas_.empty() && !sim_child_;
}

bool Fleet::owns(pid_t pid) const
{
    return (sim_child_ && sim_child_->pid() == pid) ||
           std::ranges::any_of(replicas_, [&](const Replica& r) { return r.child->pid() == pid; });
}

std::string Fleet::log_tail(const std::string& name, std::size_t lines) const
{
    const auto text = read_file(options_.layout.log_file(name), 64U << 20U);
    return text ? last_lines(*text, lines) : "";
}

std::vector<std::string> Fleet::admin_urls() const
{
    std::vector<std::string> result;
    for (const auto& replica : replicas_)
        if (replica.child->pid() != 0 && !replica.child->retiring())
            result.push_back(replica.admin.url());
    return result;
}

namespace {

Json instance_json(const Child& child, std::string_view workload, const Json& admin_url)
{
    Json item{{"name", child.name()}, {"workload", workload}, {"pid", nullptr}};
    if (child.pid() != 0)
        item["pid"] = child.pid();
    item["state"] = state_name(child.state());
    item["ready"] = child.ready();
    item["restarts"] = child.restarts();
    item["started_at"] = child.started_at() ? Json(format_time(*child.started_at())) : Json();
    item["admin_url"] = admin_url;
    item["revision"] = child.revision();
    item["last_exit"] = nullptr;
    if (const auto& last = child.last_exit())
        item["last_exit"] = Json{{"code", last->code}, {"at", format_time(last->at)}};
    return item;
}

} // namespace

Json Fleet::instances_json() const
{
    Json items = Json::array();
    for (const auto& replica : replicas_)
        items.push_back(instance_json(*replica.child, "agent", replica.admin.url()));
    if (sim_child_)
        items.push_back(instance_json(*sim_child_, "sim", nullptr));
    return items;
}

} // namespace conduit::local
