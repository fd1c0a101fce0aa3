// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/streams.hpp"

#include "cli/orchestrator/input_file.hpp"
#include "cli/orchestrator/kubernetes/workload_api.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace conduit::kubernetes {
namespace {

constexpr int k_first_ending_input = 30; // 1.30: v5.channel.k8s.io

class KubernetesStreams final : public InstanceStreams {
  public:
    KubernetesStreams(std::shared_ptr<kube::Api> api, std::unique_ptr<kube::Streams> streams,
                      std::string name_space)
        : api_(std::move(api)), streams_(std::move(streams)), workloads_(*api_, std::move(name_space))
    {
    }

    Result<StreamPlace> place(std::string_view name, std::string_view container, Deadline deadline) override
    {
        const auto path = kube::resource_path({.plural = "pods"}, workloads_.name_space(), name);
        const auto pod = api_->get(path, deadline);
        if (pod)
            return place_of(**pod, container);
        if (pod.error().kind != ErrorKind::not_found)
            return pod.error();
        const auto workload = workloads_.find(std::string(name), deadline);
        if (!workload)
            return workload.error().kind == ErrorKind::not_found ? nothing_named(name, deadline)
                                                                 : workload.error();
        TRY_ASSIGN(const auto pods, workloads_.pods_of(*workload->object, deadline));
        return best_of(name, pods, container);
    }

    Result<RemoteEnd> exec(const ExecRequest& request, const RemoteIo& io, const Cancel& cancel,
                           Deadline deadline) override
    {
        kube::ExecCall call{workloads_.name_space(), request.instance, request.container, request.command,
                            request.tty};
        const bool wants_end = io.in >= 0 && io.end_in && !request.tty && ::isatty(io.in) == 0;
        if (!wants_end || server_ends_input(deadline))
            return streams_->exec(call, io, cancel, deadline);
        TRY_ASSIGN(const auto input, whole_input(io.in, cancel, deadline));
        call.command = counting_input(std::move(call.command), input.bytes);
        auto counted = io;
        counted.in = input.fd ? input.fd.get() : io.in;
        counted.end_in = false;
        auto ended = streams_->exec(call, counted, cancel, deadline);
        if (!ended && ended.error().kind == ErrorKind::failed && ended.error().message.contains("\"sh\""))
            ended.error().hint =
                "Before Kubernetes 1.30 a command's input can only be ended with the help of sh "
                "and head in the image; leave out -i, or use another container.";
        return ended;
    }

    Result<std::unique_ptr<PortStream>> open_port(const std::string& instance, std::uint16_t port,
                                                  UniqueFd local, const Cancel& cancel,
                                                  Deadline deadline) override
    {
        return streams_->open_port({workloads_.name_space(), instance, port}, std::move(local), cancel,
                                   deadline);
    }

  private:
    Error nothing_named(std::string_view name, Deadline deadline)
    {
        std::vector<std::string> names;
        if (const auto workloads = workloads_.workloads(deadline))
            for (const auto& one : *workloads)
                names.push_back(name_of(*one));
        if (const auto pods = workloads_.pods("", deadline))
            for (const auto& one : *pods)
                names.push_back(name_of(*one));
        return {ErrorKind::not_found, unknown_name("instance or workload", name, names),
                "List them: conduitctl ps"};
    }

    static Result<StreamPlace> best_of(std::string_view workload, const std::vector<JsonBox>& pods,
                                       std::string_view container)
    {
        std::optional<Result<StreamPlace>> best;
        for (const auto& pod : pods) {
            auto place = place_of(*pod, container);
            if (place && place->ready)
                return place;
            if (!best || (place && !*best))
                best = std::move(place);
        }
        if (best)
            return *std::move(best);
        return fail(ErrorKind::failed, fmt::format("{} has no instances", workload),
                    fmt::format("See: conduitctl ps {}", workload));
    }

    bool server_ends_input(Deadline deadline)
    {
        const std::lock_guard lock(mutex_);
        if (!ends_input_) {
            const auto version = api_->get("/version", deadline);
            ends_input_ = version && ends_input(**version);
        }
        return *ends_input_;
    }

    std::shared_ptr<kube::Api> api_;
    std::unique_ptr<kube::Streams> streams_;
    WorkloadApi workloads_;
    std::mutex mutex_;
    std::optional<bool> ends_input_;
};

// What its liveness probe allows, at the least.
std::optional<Duration> patience_of(const Json& pod, std::string_view container)
{
    for (const auto& one : list_of(member(pod, "spec"), "containers")) {
        const auto& probe = member(one, "livenessProbe");
        if (json_string_or(one, "name", "") != container || probe.empty())
            continue;
        const auto misses = json_number_or(probe, "failureThreshold", 3);
        const auto seconds = (misses - 1) * json_number_or(probe, "periodSeconds", 10) +
                             json_number_or(probe, "timeoutSeconds", 1);
        return Duration{static_cast<std::int64_t>(seconds * 1000)};
    }
    return std::nullopt;
}

} // namespace

Result<StreamPlace> place_of(const Json& pod, std::string_view container)
{
    const auto instance = instance_of(pod);
    std::vector<std::string> names;
    for (const auto& one : list_of(member(pod, "spec"), "containers"))
        names.push_back(json_string_or(one, "name", ""));
    const auto has = [&](std::string_view name) { return std::ranges::find(names, name) != names.end(); };
    StreamPlace place{.instance = instance.name,
                      .container = std::string(container),
                      .ready = instance.ready && instance.state == InstanceState::ready};
    if (container.empty()) {
        const auto& notes = member(member(pod, "metadata"), "annotations");
        place.container = json_string_or(notes, "kubectl.kubernetes.io/default-container", "");
        if (!has(place.container))
            place.container = names.empty() ? std::string() : names.front();
    } else if (!has(container)) {
        return fail(ErrorKind::not_found,
                    fmt::format("{} in {}", unknown_name("container", container, names), instance.name),
                    fmt::format("It has: {}", join(names, ", ")));
    }
    place.patience = patience_of(pod, place.container);
    const auto phase = json_string_or(member(pod, "status"), "phase", "Unknown");
    if (phase != "Running")
        return fail(ErrorKind::failed,
                    fmt::format("{} does not run: it is {}{}{}", instance.name, phase,
                                instance.problem.empty() ? "" : ", ", instance.problem),
                    fmt::format("See: conduitctl ps {}", instance.workload));
    return place;
}

bool ends_input(const Json& version)
{
    const auto major = json_string_or(version, "major", "");
    const auto minor = json_string_or(version, "minor", ""); // "27+" at some providers
    int number = 0;
    std::from_chars(minor.data(), minor.data() + minor.size(), number);
    return major == "1" && number >= k_first_ending_input;
}

std::vector<std::string> counting_input(std::vector<std::string> command, std::uint64_t bytes)
{
    // What the command leaves is read too: a server that ends with input in hand may lose the status, or
    // hang.
    constexpr const char* k_count = R"(n=$1; shift; head -c "$n" | { "$@"; s=$?; cat >/dev/null; exit $s; })";
    constexpr const char* k_none = R"(shift; "$@" </dev/null)";
    std::vector<std::string> counted{"sh", "-c", bytes == 0 ? k_none : k_count, "conduitctl",
                                     std::to_string(bytes)};
    std::ranges::move(command, std::back_inserter(counted));
    return counted;
}

std::unique_ptr<InstanceStreams> make_instance_streams(std::shared_ptr<kube::Api> api,
                                                       std::unique_ptr<kube::Streams> streams,
                                                       std::string name_space)
{
    return std::make_unique<KubernetesStreams>(std::move(api), std::move(streams), std::move(name_space));
}

} // namespace conduit::kubernetes
