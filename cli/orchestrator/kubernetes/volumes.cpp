// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/volumes.hpp"

#include "cli/orchestrator/kubernetes/change.hpp"
#include "cli/orchestrator/kubernetes/usage.hpp"
#include "core/kube/watch.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

const kube::Resource k_claims{.plural = "persistentvolumeclaims"};
const kube::Resource k_classes{.group = "storage.k8s.io", .plural = "storageclasses", .namespaced = false};

std::string requested_of(const Json& claim)
{
    return json_string_or(member(member(member(claim, "spec"), "resources"), "requests"), "storage", "");
}

Volume volume_of(const Json& claim)
{
    const auto& spec = member(claim, "spec");
    const auto& status = member(claim, "status");
    Volume out;
    out.name = name_of(claim);
    out.phase = printable(json_string_or(status, "phase", ""));
    out.requested = requested_of(claim);
    out.capacity = json_string_or(member(status, "capacity"), "storage", "");
    out.storage_class = json_string_or(spec, "storageClassName", "");
    out.volume = json_string_or(spec, "volumeName", "");
    for (const auto& condition : list_of(status, "conditions"))
        if (json_string_or(condition, "status", "") == "True")
            out.conditions.push_back({printable(json_string_or(condition, "type", "")),
                                      printable(json_string_or(condition, "message", ""))});
    if (const auto at = parse_time(json_string_or(member(claim, "metadata"), "creationTimestamp", "")))
        out.created = *at;
    return out;
}

// Has it so much, with nothing left to be done?
bool is_grown(const Volume& volume, double bytes)
{
    const auto has = quantity(volume.capacity);
    return has && *has >= bytes && volume.conditions.empty();
}

std::string line_of(const Volume& volume)
{
    std::string line =
        fmt::format("{} of {}", volume.capacity.empty() ? "nothing" : volume.capacity, volume.requested);
    for (const auto& condition : volume.conditions)
        line +=
            fmt::format(", {}{}{}", condition.type, condition.message.empty() ? "" : ": ", condition.message);
    return line;
}

class KubernetesVolumes final : public Volumes {
  public:
    KubernetesVolumes(std::shared_ptr<kube::Api> api, std::string name_space, std::string identity)
        : api_(std::move(api)), identity_(std::move(identity)), workloads_(*api_, std::move(name_space))
    {
    }

    std::string identity() const override { return identity_; }

    Result<std::vector<Volume>> list(Deadline deadline) override
    {
        std::vector<Volume> out;
        TRY(api_->list(
            folder(), {}, [&](const Json& claim) { out.push_back(volume_of(claim)); }, [&] { out.clear(); },
            deadline));
        TRY_ASSIGN(const auto pods, workloads_.pods("", deadline));
        std::map<std::string, std::optional<bool>> classes;
        for (auto& volume : out) {
            add_users(volume, pods);
            const auto known = classes.find(volume.storage_class);
            volume.expands = known != classes.end()
                                 ? known->second
                                 : (classes[volume.storage_class] = expands(volume.storage_class, deadline));
        }
        return out;
    }

    Result<Volume> get(const std::string& name, Deadline deadline) override
    {
        TRY_ASSIGN(const auto claim, read(name, deadline));
        auto out = volume_of(*claim);
        TRY_ASSIGN(const auto pods, workloads_.pods("", deadline));
        add_users(out, pods);
        out.expands = expands(out.storage_class, deadline);
        return out;
    }

    Result<> resize(const ResizeRequest& request, Deadline deadline) override
    {
        const auto edit = [&](const Json& now) -> Result<Json> {
            if (was_done(now, request.key))
                return Json();
            if (requested_of(now) != request.before)
                return Error{ErrorKind::stale, fmt::format("{} of {} are requested now, not {}",
                                                           requested_of(now), request.name, request.before)}
                    .with_detail("field", fmt::format("volumes/{}/size", request.name));
            Json patch{{"metadata", {{"annotations", with_key(now, request.key)}}}};
            patch["spec"]["resources"]["requests"]["storage"] = request.after;
            return patch;
        };
        TRY(workloads_.update(path(request.name), edit, request.on_sent, deadline, request.dry_run));
        return {};
    }

    Result<bool> was_resized(const std::string& name, std::string_view key, Deadline deadline) override
    {
        TRY_ASSIGN(const auto claim, read(name, deadline));
        return was_done(*claim, key);
    }

    Result<> wait_resized(const std::string& name, const std::string& size, const ChangeProgress& progress,
                          Deadline deadline) override
    {
        const auto bytes = quantity(size);
        if (!bytes)
            return fail(ErrorKind::internal, fmt::format("'{}' is no size of a volume", size));
        std::string line = "not seen yet";
        bool pending = false;
        std::optional<Error> failed;
        const kube::WatchOptions options{.query = {{"fieldSelector", "metadata.name=" + name}}, .lost = {}};
        auto watched = kube::watch(
            *api_, folder(), options,
            [&](const kube::Event& event) {
                if (event.object == nullptr || name_of(*event.object) != name)
                    return true;
                const auto volume = volume_of(*event.object);
                line = line_of(volume);
                if (progress)
                    progress(line);
                pending = std::ranges::any_of(volume.conditions, [](const VolumeCondition& c) {
                    return c.type == "FileSystemResizePending";
                });
                if (const auto& status = member(*event.object, "status");
                    json_string_or(status, "resizeStatus", "").ends_with("ResizeFailed"))
                    failed = Error{ErrorKind::failed, fmt::format("{} does not grow: {}", name, line)};
                return !failed && !is_grown(volume, *bytes);
            },
            deadline);
        if (failed)
            return *failed;
        if (!watched && watched.error().kind == ErrorKind::unverified)
            return fail(ErrorKind::unverified, fmt::format("{}: {}", name, line),
                        pending ? fmt::format("The file system grows when a pod mounts it anew: conduitctl "
                                              "volume inspect {} names them.",
                                              name)
                                : fmt::format("Look again: conduitctl volume inspect {}", name));
        return watched;
    }

  private:
    std::string folder() const { return kube::resource_path(k_claims, workloads_.name_space()); }
    std::string path(const std::string& name) const
    {
        return kube::resource_path(k_claims, workloads_.name_space(), name);
    }

    Result<JsonBox> read(const std::string& name, Deadline deadline)
    {
        auto claim = api_->get(path(name), deadline);
        if (claim || claim.error().kind != ErrorKind::not_found)
            return claim;
        std::vector<std::string> names;
        TRY(api_->list(
            folder(), {}, [&](const Json& one) { names.push_back(name_of(one)); }, [&] { names.clear(); },
            deadline));
        return fail(
            ErrorKind::not_found,
            fmt::format("{} in namespace {}", unknown_name("volume", name, names), workloads_.name_space()),
            "See: conduitctl volume ls");
    }

    // Who may not read classes learns it from the server when it comes to it.
    std::optional<bool> expands(const std::string& name, Deadline deadline)
    {
        if (name.empty())
            return false;
        const auto found = api_->get(kube::resource_path(k_classes, "", name), deadline);
        if (found)
            return json_bool_or(**found, "allowVolumeExpansion", false);
        return found.error().kind == ErrorKind::not_found ? std::optional(false) : std::nullopt;
    }

    static void add_users(Volume& volume, const std::vector<JsonBox>& pods)
    {
        for (const auto& pod : pods)
            for (const auto& mounted : list_of(member(*pod, "spec"), "volumes"))
                if (json_string_or(member(mounted, "persistentVolumeClaim"), "claimName", "") == volume.name)
                    volume.used_by.push_back(name_of(*pod));
    }

    std::shared_ptr<kube::Api> api_;
    const std::string identity_;
    WorkloadApi workloads_;
};

} // namespace

std::unique_ptr<Volumes> make_volumes(std::shared_ptr<kube::Api> api, std::string name_space,
                                      std::string identity)
{
    return std::make_unique<KubernetesVolumes>(std::move(api), std::move(name_space), std::move(identity));
}

} // namespace conduit::kubernetes
