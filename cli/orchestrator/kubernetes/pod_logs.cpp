// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/pod_logs.hpp"

#include "cli/orchestrator/log_level.hpp"
#include "cli/orchestrator/pattern.hpp"
#include "core/text.hpp"
#include "core/url.hpp"

#include <algorithm>
#include <atomic>
#include <compare>
#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

namespace conduit::kubernetes {
namespace {

constexpr std::size_t k_at_once = 3; // opening a connection costs more than several answers
constexpr std::size_t k_longest_line = 1U << 20U;
constexpr Duration k_look{1000}; // for pods that came later

struct Source {
    std::string pod, container;
    bool previous = false; // of the container that ended before the one that runs
    auto operator<=>(const Source&) const = default;
};

// A line as the API server gives it: its time, a blank, the text.
struct Stamped {
    Source from;
    std::string stamp; // of nine digits and UTC, so that text order is time order; "" when there is none
    std::string text;
    LogLine line() const { return {from.pod, text}; }
};

Stamped stamped(const Source& from, std::string_view text)
{
    const auto blank = text.find(' ');
    const bool has_time = blank != std::string_view::npos && blank >= 20 && text[10] == 'T';
    if (!has_time)
        return {from, {}, std::string(text)};
    return {from, std::string(text.substr(0, blank)), std::string(text.substr(blank + 1))};
}

std::string log_path(WorkloadApi& workloads, const Source& source, kube::Query query)
{
    query.emplace("container", source.container);
    query.emplace("timestamps", "true");
    if (source.previous)
        query.emplace("previous", "true");
    return fmt::format("/api/v1/namespaces/{}/pods/{}/log?{}", workloads.name_space(), source.pod,
                       query_string(query));
}

kube::Query query_of(const LogQuery& query)
{
    kube::Query out;
    if (query.since)
        out.emplace("sinceTime", format_time(*query.since));
    if (query.tail && query.grep.empty() &&
        query.level == LogLevel::none) // else the last lines that match are asked for
        out.emplace("tailLines", std::to_string(*query.tail));
    return out;
}

Result<std::vector<Source>> sources(WorkloadApi& workloads, const LogQuery& query, Deadline deadline)
{
    std::vector<JsonBox> pods;
    if (query.workload.empty()) {
        TRY_ASSIGN(pods, workloads.pods("", deadline));
    } else {
        TRY_ASSIGN(const auto found, workloads.find(query.workload, deadline));
        TRY_ASSIGN(pods, workloads.pods_of(*found.object, deadline));
    }
    std::vector<std::string> names;
    std::vector<Source> out;
    for (const auto& pod : pods) {
        const auto& name = names.emplace_back(instance_of(*pod).name);
        const bool chosen = query.instances.empty() || std::ranges::count(query.instances, name) > 0;
        const auto* containers = json_find(member(*pod, "spec"), "containers");
        if (!chosen || containers == nullptr || !containers->is_array())
            continue;
        for (const auto& container : *containers)
            out.push_back({name, json_string_or(container, "name", "")});
        if (!query.previous)
            continue;
        for (const auto& container : list_of(member(*pod, "status"), "containerStatuses"))
            if (json_number_or(container, "restartCount", 0) > 0)
                out.push_back({name, json_string_or(container, "name", ""), true});
    }
    for (const auto& wanted : query.instances)
        if (std::ranges::find(names, wanted) == names.end())
            return fail(ErrorKind::not_found, unknown_name("instance", wanted, names), "See: conduitctl ps");
    return out;
}

// A container that has not begun to write is no error, nor is one whose log was cleaned away.
bool has_no_log(const Error& error)
{
    return error.kind == ErrorKind::failed &&
           (error.message.contains("previous terminated container") ||
            error.message.contains("is waiting to start") || error.message.contains("ContainerCreating") ||
            error.message.contains("PodInitializing"));
}

Result<std::vector<Stamped>> read_past(WorkloadApi& workloads, const Source& source, const LogQuery& query,
                                       const Pattern& pattern, Deadline deadline)
{
    const auto answer = workloads.api().ask(
        {.path = log_path(workloads, source, query_of(query)), .accept = "*/*"}, deadline);
    if (!answer && has_no_log(answer.error()))
        return std::vector<Stamped>{};
    if (!answer)
        return answer.error();
    std::vector<Stamped> out;
    LevelFilter level(query.level);
    for (std::string_view rest = answer->body; !rest.empty();) {
        const auto end = rest.find('\n');
        auto line = stamped(source, rest.substr(0, end));
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        if (level.keeps(line.text) && pattern.matches(line.text))
            out.push_back(std::move(line));
    }
    if (query.tail && out.size() > *query.tail)
        out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(*query.tail));
    return out;
}

// All sources at once, a few connections at a time.
Result<std::vector<Stamped>> read_all(WorkloadApi& workloads, const std::vector<Source>& from,
                                      const LogQuery& query, const Pattern& pattern, Deadline deadline)
{
    std::vector<Result<std::vector<Stamped>>> parts(from.size());
    std::atomic<std::size_t> next{0};
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < std::min(k_at_once, from.size()); ++i)
            threads.emplace_back([&] {
                for (std::size_t n = next++; n < from.size(); n = next++)
                    parts[n] = read_past(workloads, from[n], query, pattern, deadline);
            });
    }
    std::vector<Stamped> all;
    for (auto& part : parts) {
        if (!part)
            return std::move(part).error();
        std::ranges::move(*part, std::back_inserter(all));
    }
    std::ranges::stable_sort(all, {}, &Stamped::stamp);
    return all;
}

// Follows each source on a thread of its own until the receiver, the time or a stop ends it.
class Follower {
  public:
    Follower(WorkloadApi& workloads, const LogQuery& query, const Pattern& pattern, const LogSink& sink,
             const Cancel& cancel, Deadline deadline)
        : workloads_(workloads), query_(query), pattern_(pattern), sink_(sink), cancel_(cancel),
          deadline_(deadline)
    {
    }

    Result<> run(const std::vector<Stamped>& past)
    {
        for (const auto& line : past)
            last_[line.from] = std::max(last_[line.from], line.stamp);
        while (!over()) {
            // A pod that is gone stays in the set; one that came later joins.
            if (const auto now = sources(workloads_, query_, deadline_); now)
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
    bool over() const { return ended_ || cancel_.requested() || deadline_.passed(); }

    void follow(const Source& source)
    {
        while (!over()) {
            kube::Query query{{"follow", "true"}};
            if (const auto last = last_of(source); !last.empty())
                query.emplace("sinceTime", last);
            else if (query_.since)
                query.emplace("sinceTime", format_time(*query_.since));
            std::string rest;
            const auto ended = workloads_.api().transport().stream(
                {.path = log_path(workloads_, source, query), .accept = "*/*"},
                [&](std::string_view piece) { return take(source, rest, piece); }, deadline_);
            const bool gone = ended && ended->status == 404;
            if (gone)
                return;
            workloads_.api().clock().sleep(Duration{200}); // the container restarts, or the server does
        }
    }

    std::string last_of(const Source& source)
    {
        const std::lock_guard lock(mutex_);
        return last_[source];
    }

    bool take(const Source& source, std::string& rest, std::string_view piece)
    {
        rest.append(piece);
        std::size_t from = 0;
        for (std::size_t at = 0; (at = rest.find('\n', from)) != std::string::npos; from = at + 1)
            if (!tell(stamped(source, std::string_view(rest).substr(from, at - from))))
                return false;
        rest.erase(0, from);
        if (rest.size() > k_longest_line)
            rest.clear();
        return !over();
    }

    bool tell(const Stamped& line)
    {
        const std::lock_guard lock(mutex_);
        if (ended_)
            return false;
        auto& last = last_[line.from];
        if (!line.stamp.empty() && line.stamp <= last)
            return true; // told before the connection ended
        last = std::max(last, line.stamp);
        auto& level = levels_.try_emplace(line.from, query_.level).first->second;
        if (level.keeps(line.text) && pattern_.matches(line.text) && !sink_(line.line()))
            ended_ = true;
        return !ended_;
    }

    WorkloadApi& workloads_;
    const LogQuery& query_;
    const Pattern& pattern_;
    const LogSink& sink_;
    const Cancel& cancel_;
    const Deadline deadline_;
    std::atomic<bool> ended_{false};
    std::mutex mutex_;
    std::map<Source, LevelFilter> levels_;
    std::map<Source, std::string> last_; // the time of the last line that was told
    std::set<Source> known_;
    std::vector<std::jthread> threads_;
};

} // namespace

Result<> pod_logs(WorkloadApi& workloads, const LogQuery& query, const LogSink& sink, const Cancel& cancel,
                  Deadline deadline)
{
    TRY_ASSIGN(const auto pattern, Pattern::compile(query.grep));
    TRY_ASSIGN(const auto from, sources(workloads, query, deadline));
    TRY_ASSIGN(const auto past, read_all(workloads, from, query, pattern, deadline));
    for (const auto& line : past)
        if (!sink(line.line()))
            return {};
    if (cancel.requested())
        return fail(ErrorKind::interrupted, "stopped");
    if (!query.follow)
        return {};
    return Follower(workloads, query, pattern, sink, cancel, deadline).run(past);
}

} // namespace conduit::kubernetes
