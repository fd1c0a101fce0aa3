// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/log_follow.hpp"

#include "cli/orchestrator/log_level.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

namespace conduit::kubernetes {
namespace {

constexpr Duration k_look{1000}; // for pods that came later
constexpr Duration k_pause{200}; // a container restarts, or the server does

// Each source on a thread of its own.
class Follower {
  public:
    Follower(WorkloadApi& workloads, const LogQuery& query, const Pattern& pattern, LogStamps last,
             const LogSink& sink, const Cancel& cancel, Deadline deadline)
        : workloads_(workloads), query_(query), pattern_(pattern), sink_(sink), cancel_(cancel),
          deadline_(deadline), last_(std::move(last))
    {
    }

    Result<> run()
    {
        while (!over()) {
            // A pod that is gone stays in the set; one that came later joins.
            if (const auto now = log_sources(workloads_, query_, deadline_); now)
                for (const auto& source : *now)
                    if (!source.previous && known_.insert(source).second)
                        threads_.emplace_back([this, source] { follow(source); });
            for (const Deadline until(k_look); !until.passed() && !over();)
                workloads_.api().clock().sleep(std::min(Duration{50}, until.left()));
        }
        threads_.clear(); // joins
        if (cancel_.requested())
            return fail(ErrorKind::interrupted, "interrupted");
        return {};
    }

  private:
    bool over() const { return ended_.requested() || cancel_.requested() || deadline_.passed(); }

    void follow(const LogSource& source)
    {
        while (!over()) {
            kube::Query query{{"follow", "true"}};
            if (const auto last = last_of(source); !last.empty())
                query.emplace("sinceTime", last);
            else if (query_.since)
                query.emplace("sinceTime", format_time(*query_.since));
            LineCutter cutter;
            const auto ended = workloads_.api().transport().stream(
                {.path = log_path(workloads_, source, query), .accept = "*/*", .stop = &ended_},
                [&](std::string_view piece) {
                    return cutter.feed(piece, [&](std::string_view line) { return tell(source, line); });
                },
                deadline_);
            const bool gone = ended && ended->status == 404;
            if (gone)
                return;
            workloads_.api().clock().sleep(k_pause);
        }
    }

    std::string last_of(const LogSource& source)
    {
        const std::lock_guard lock(mutex_);
        return last_[source];
    }

    bool tell(const LogSource& source, std::string_view text)
    {
        const auto line = stamped(text);
        const std::lock_guard lock(mutex_);
        if (over())
            return false;
        auto& last = last_[source];
        if (!line.stamp.empty() && line.stamp <= last)
            return true; // told before the connection ended
        last = std::max(last, std::string(line.stamp));
        const std::string words(line.text);
        auto& level = levels_.try_emplace(source, query_.level).first->second;
        if (level.keeps(words) && pattern_.matches(words) && !sink_({source.pod, words}))
            ended_.request();
        return !ended_.requested();
    }

    WorkloadApi& workloads_;
    const LogQuery& query_;
    const Pattern& pattern_;
    const LogSink& sink_;
    const Cancel& cancel_;
    const Deadline deadline_;
    Cancel ended_;
    std::mutex mutex_;
    LogStamps last_; // the time of the last line that was told
    std::map<LogSource, LevelFilter> levels_;
    std::set<LogSource> known_;
    std::vector<std::jthread> threads_;
};

} // namespace

Result<> follow_logs(WorkloadApi& workloads, const LogQuery& query, const Pattern& pattern, LogStamps last,
                     const LogSink& sink, const Cancel& cancel, Deadline deadline)
{
    return Follower(workloads, query, pattern, std::move(last), sink, cancel, deadline).run();
}

} // namespace conduit::kubernetes
