// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/rollout_wait.hpp"

#include "cli/orchestrator/kubernetes/events.hpp"
#include "cli/orchestrator/kubernetes/revisions.hpp"
#include "core/kube/watch.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <condition_variable>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

namespace conduit::kubernetes {
namespace {

constexpr Duration k_look{500}; // also without news: patience ends
// Without a readiness probe a container that dies at once was ready for a moment. Pods that changed during
// the wait must stay as they are for so long; those that were started again, longer than the next back-off.
constexpr Duration k_hold{3000};
constexpr Duration k_hold_restarted{12'000};
constexpr Duration k_slice{50};        // how soon a stop is noticed
constexpr Duration k_again{500};       // until a watch that could not begin is begun again
constexpr Duration k_patience{10'000}; // a scheduler may find room, a quota may be raised
constexpr Duration k_words{5000};

bool passes(const Error& error) // an API server that restarts
{
    return error.kind == ErrorKind::unreachable || error.kind == ErrorKind::unknown ||
           (error.details.contains("reason") && error.details.at("reason") == "InternalError");
}

// What is known of a workload and its pods, kept fresh by two watches.
class View {
  public:
    View(WorkloadApi& workloads, const std::string& path, std::string selector, Deadline deadline)
        : workloads_(workloads), folder_(path.substr(0, path.rfind('/'))),
          name_(path.substr(path.rfind('/') + 1)), deadline_(deadline)
    {
        watchers_.emplace_back([this] {
            follow(folder_, {{"fieldSelector", "metadata.name=" + name_}},
                   [this](const kube::Event& event) { take_workload(event); });
        });
        watchers_.emplace_back([this, selector = std::move(selector)] {
            follow(kube::resource_path({.plural = "pods"}, workloads_.name_space()),
                   {{"labelSelector", selector}}, [this](const kube::Event& event) { take_pod(event); });
        });
    }
    ~View() { stop_.request(); }
    View(const View&) = delete;

    struct Snapshot {
        bool fresh = false;  // else the rest is empty
        bool listed = false; // the pods are all there
        JsonBox workload;    // null: not seen yet
        bool gone = false;
        std::vector<JsonBox> pods;
        std::optional<Error> lost;  // the watch is interrupted
        std::optional<Error> fatal; // and will not come back
    };
    // News since the last call, waited for so long; anyway: also what is no news.
    Snapshot next(Duration limit, bool anyway)
    {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, limit, [&] { return fresh_; }) && !anyway)
            return {};
        fresh_ = false;
        Snapshot out{.fresh = true,
                     .listed = listed_,
                     .workload = workload_,
                     .gone = gone_,
                     .pods = {},
                     .lost = lost_,
                     .fatal = fatal_};
        for (const auto& [name, pod] : pods_)
            out.pods.push_back(pod);
        return out;
    }

  private:
    void follow(const std::string& path, kube::Query query,
                const std::function<void(const kube::Event&)>& take)
    {
        const kube::WatchOptions options{.query = std::move(query),
                                         .lost = [this](const Error& error) { note([&] { lost_ = error; }); },
                                         .stop = &stop_};
        while (!stop_.requested() && !deadline_.passed()) {
            const auto ended = kube::watch(
                workloads_.api(), path, options,
                [&](const kube::Event& event) {
                    note([&] {
                        lost_.reset();
                        take(event);
                    });
                    return !stop_.requested();
                },
                deadline_);
            if (ended || stop_.requested() || deadline_.passed() ||
                ended.error().kind == ErrorKind::interrupted)
                return;
            const bool again = passes(ended.error());
            note([&] { (again ? lost_ : fatal_) = ended.error(); });
            if (!again)
                return;
            for (const Deadline until(k_again); !until.passed() && !stop_.requested();)
                workloads_.api().clock().sleep(std::min(k_slice, until.left()));
        }
    }

    template <class Change> void note(const Change& change)
    {
        {
            const std::lock_guard lock(mutex_);
            change();
            fresh_ = true;
        }
        changed_.notify_one();
    }

    void take_workload(const kube::Event& event)
    {
        if (event.change == kube::Change::anew)
            workload_ = Json();
        if (event.change == kube::Change::whole)
            gone_ = workload_->is_null();
        if (event.object == nullptr || name_of(*event.object) != name_)
            return;
        gone_ = event.change == kube::Change::deleted;
        workload_ = *event.object;
    }

    void take_pod(const kube::Event& event)
    {
        if (event.change == kube::Change::anew)
            pods_.clear();
        listed_ = (listed_ || event.change == kube::Change::whole) && event.change != kube::Change::anew;
        if (event.object == nullptr || instance_of(*event.object).workload != name_)
            return;
        if (event.change == kube::Change::deleted)
            pods_.erase(name_of(*event.object));
        else
            pods_[name_of(*event.object)] = *event.object;
    }

    WorkloadApi& workloads_;
    const std::string folder_, name_;
    const Deadline deadline_;
    Cancel stop_;
    std::mutex mutex_;
    std::condition_variable changed_;
    JsonBox workload_;
    bool gone_ = false, fresh_ = false, listed_ = false;
    std::map<std::string, JsonBox> pods_;
    std::optional<Error> lost_, fatal_;
    std::vector<std::jthread> watchers_; // the last member: ended first
};

Error stuck_error(WorkloadApi& workloads, const std::string& workload, const std::string& pod,
                  const std::string& reason)
{
    return Error{ErrorKind::failed, fmt::format("{} does not become ready: {}", pod, reason)}
        .with_cause(last_words(workloads, pod))
        .with_detail("instance", pod)
        .with_hint(fmt::format("See what happened: conduitctl events --for {} --type warning", workload));
}

class Wait {
  public:
    Wait(WorkloadApi& workloads, const std::string& path, const ChangeProgress& progress, Deadline deadline)
        : workloads_(workloads), path_(path), name_(path.substr(path.rfind('/') + 1)), progress_(progress),
          deadline_(deadline), began_(workloads.api().clock().steady())
    {
    }

    Result<> run()
    {
        TRY_ASSIGN(const auto selector, first_selector());
        View view(workloads_, path_, selector, deadline_);
        for (Deadline next_look(k_look);;) {
            const auto seen = view.next(std::min(k_slice, deadline_.left()), next_look.passed());
            if (seen.fresh) {
                next_look = Deadline(k_look);
                TRY_ASSIGN(const bool done, judge(seen));
                if (done)
                    return {};
            }
            if (stopped())
                return fail(ErrorKind::interrupted, "interrupted");
            if (deadline_.passed())
                return fail(ErrorKind::unverified, fmt::format("{}: {}{}", name_, line_, why_not_ready()),
                            fmt::format("See why: conduitctl describe {}", name_));
        }
    }

  private:
    struct Known {
        InstanceState state = InstanceState::starting;
        std::uint32_t restarts = 0;
        bool restarted = false;            // during the wait
        std::optional<SteadyTime> changed; // the last time, during the wait
    };

    bool stopped() const
    {
        return workloads_.api().cancel() != nullptr && workloads_.api().cancel()->requested();
    }
    bool patient() const { return workloads_.api().clock().steady() - began_ < k_patience; }

    // The workload may just now be out of reach, as later it may be.
    Result<std::string> first_selector()
    {
        for (;;) {
            const auto now = workloads_.api().get(path_, deadline_);
            if (now)
                return selector_of(**now);
            if (!passes(now.error()) || deadline_.passed())
                return now.error();
            tell(now.error().message);
            workloads_.api().clock().sleep(std::min(k_again, deadline_.left()));
        }
    }

    void tell(const std::string& line)
    {
        if (progress_ && line != line_)
            progress_(line);
        line_ = line;
    }

    Result<bool> judge(const View::Snapshot& seen)
    {
        if (seen.fatal)
            return *seen.fatal;
        if (seen.gone)
            return fail(ErrorKind::failed, fmt::format("{} was removed meanwhile", name_));
        if (seen.workload->is_null() || !seen.listed) {
            tell(seen.lost ? seen.lost->message : "not seen yet");
            return false;
        }
        const auto state = rollout_of(*seen.workload);
        note_pods(seen.pods);
        if (state.done && stay_so())
            return confirmed();
        if (state.done) {
            tell(fmt::format("{} of {} available, do they stay so", state.available, state.wanted));
            return false;
        }
        tell(seen.lost ? seen.lost->message
                       : fmt::format("{} of {} updated, {} available", state.updated, state.wanted,
                                     state.available));
        if (!state.failure.empty() && !patient())
            return Error{ErrorKind::failed,
                         fmt::format("{} does not become ready: {}{}", name_, state.failure, why_not_ready())}
                .with_hint(fmt::format("See why: conduitctl describe {}", name_));
        if (state.observed)
            TRY(find_stuck(seen));
        return false;
    }

    // The last word is a reading, not what a watch that may be between two connections last told.
    Result<bool> confirmed()
    {
        const auto deadline = deadline_.sooner(k_words);
        View::Snapshot now{.fresh = true, .listed = true};
        auto workload = workloads_.api().get(path_, deadline);
        auto pods = workload ? workloads_.pods(selector_of(**workload), deadline)
                             : Result<std::vector<JsonBox>>(workload.error());
        if (!pods && passes(pods.error()))
            return false; // looked at again
        if (!pods)
            return pods.error();
        now.workload = *std::move(workload);
        now.pods = *std::move(pods);
        note_pods(now.pods);
        TRY(find_stuck(now));
        return rollout_of(*now.workload).done && stay_so();
    }

    void note_pods(const std::vector<JsonBox>& pods)
    {
        const auto now = workloads_.api().clock().steady();
        std::map<std::string, Known> all;
        for (const auto& pod : pods) {
            const auto one = instance_of(*pod);
            if (one.state == InstanceState::draining)
                continue;
            Known known{.state = one.state, .restarts = one.restarts};
            if (pods_) {
                const auto was = pods_->find(one.name);
                const bool is_new = was == pods_->end();
                if (!is_new)
                    known = was->second;
                known.restarted = known.restarted || one.restarts > (is_new ? 0 : known.restarts);
                if (is_new || known.state != one.state || known.restarts != one.restarts)
                    known.changed = now;
                known.state = one.state;
                known.restarts = one.restarts;
            }
            all.emplace(one.name, known);
        }
        pods_ = std::move(all);
    }

    // Of the first that is not: a probe that fails, say.
    std::string why_not_ready()
    {
        for (const auto& [name, known] : pods_.value_or(std::map<std::string, Known>{}))
            if (known.state != InstanceState::ready)
                if (const auto warning = last_warning(workloads_, name); !warning.empty())
                    return fmt::format("; {}: {}", name, warning);
        return {};
    }

    bool stay_so() const
    {
        const auto now = workloads_.api().clock().steady();
        return std::ranges::all_of(*pods_, [&](const auto& named) {
            const auto& known = named.second;
            return !known.changed || now - *known.changed >= (known.restarted ? k_hold_restarted : k_hold);
        });
    }

    // A pod of the wanted template that cannot become ready. Those of an older one are on their way out.
    Result<> find_stuck(const View::Snapshot& seen)
    {
        for (const auto& pod : seen.pods) {
            const auto reason = stuck_reason(*pod);
            const bool may_pass = reason && reason->starts_with("Unschedulable") && patient();
            if (!reason || may_pass || json_find(member(*pod, "metadata"), "deletionTimestamp") != nullptr)
                continue;
            if (is_wanted(*seen.workload, *pod))
                return stuck_error(workloads_, name_, name_of(*pod), *reason);
        }
        return {};
    }

    bool is_wanted(const Json& workload, const Json& pod)
    {
        const auto generation = json_number_or(member(workload, "metadata"), "generation", 0);
        if (!wanted_ || generation != of_generation_) {
            const auto kept = kept_templates(workloads_, {path_, workload}, deadline_);
            if (!kept)
                return false; // looked at again with the next news
            const auto* current = current_template(*kept, workload);
            if (current == nullptr && !kept->empty())
                return false;
            wanted_ = current == nullptr ? KeptTemplate{} : *current;
            of_generation_ = generation;
        }
        const auto hash = template_hash(pod);
        return wanted_->name.empty() || hash == wanted_->hash || hash == wanted_->name;
    }

    WorkloadApi& workloads_;
    const std::string& path_;
    const std::string name_;
    const ChangeProgress& progress_;
    const Deadline deadline_;
    const SteadyTime began_;
    std::string line_;
    std::optional<std::map<std::string, Known>> pods_; // as they were at the last look, but for those that go
    std::optional<KeptTemplate> wanted_;
    double of_generation_ = -1;
};

std::string last_log(WorkloadApi& workloads, const std::string& pod)
{
    const auto base =
        fmt::format("/api/v1/namespaces/{}/pods/{}/log?tailLines=5", workloads.name_space(), pod);
    for (const auto* which : {"&previous=true", ""}) {
        const auto answer = workloads.api().ask({.path = base + which, .accept = "*/*"}, Deadline(k_words));
        if (answer && !trim(answer->body).empty())
            return printable(trim(answer->body));
    }
    return {};
}

} // namespace

std::string last_warning(WorkloadApi& workloads, const std::string& pod)
{
    std::optional<ReleaseEvent> last;
    const auto listed = workloads.api().list(
        kube::resource_path({.plural = "events"}, workloads.name_space()),
        {{"fieldSelector", "involvedObject.name=" + pod}},
        [&](const Json& item) {
            auto event = event_of(item);
            if (event.warning && event.object == pod && event.reason != "BackOff" &&
                (!last || event.last >= last->last))
                last = std::move(event);
        },
        [&] { last.reset(); }, Deadline(k_words));
    if (!listed || !last)
        return {};
    return fmt::format("{}: {}", last->reason, last->message);
}

std::string last_words(WorkloadApi& workloads, const std::string& pod)
{
    auto lines = last_log(workloads, pod);
    const auto warning = last_warning(workloads, pod);
    if (!lines.empty() && !warning.empty())
        lines += "; ";
    return lines + warning;
}

Result<> wait_for_rollout(WorkloadApi& workloads, const std::string& path, const ChangeProgress& progress,
                          Deadline deadline)
{
    return Wait(workloads, path, progress, deadline).run();
}

} // namespace conduit::kubernetes
