// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/releases.hpp"

#include "cli/orchestrator/kubernetes/autoscalers.hpp"
#include "cli/orchestrator/kubernetes/canary.hpp"
#include "cli/orchestrator/kubernetes/capacity.hpp"
#include "cli/orchestrator/kubernetes/change.hpp"
#include "cli/orchestrator/kubernetes/describe.hpp"
#include "cli/orchestrator/kubernetes/events.hpp"
#include "cli/orchestrator/kubernetes/revisions.hpp"
#include "cli/orchestrator/kubernetes/rollout_wait.hpp"
#include "cli/orchestrator/kubernetes/workload_settings.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

using Kind = SettingPath::Kind;

constexpr auto k_cause = "kubernetes.io/change-cause";

Error moved(const SettingChange& setting, const Json& now)
{
    return Error{ErrorKind::stale, fmt::format("{} is {} now, not {}", setting.path, dump_json(now),
                                               dump_json(*setting.before))}
        .with_detail("field", setting.path);
}

bool same(const Json& a, const Json& b)
{
    return canonical_json(a) == canonical_json(b);
}

class KubernetesReleases final : public Releases {
  public:
    KubernetesReleases(std::shared_ptr<kube::Api> api, std::string name_space, std::string identity)
        : api_(std::move(api)), identity_(std::move(identity)), workloads_(*api_, std::move(name_space))
    {
    }

    std::string identity() const override { return identity_; }

    Result<std::map<std::string, JsonBox>> read(std::span<const std::string> paths,
                                                Deadline deadline) override
    {
        std::map<std::string, JsonBox> out;
        std::map<std::string, Found> found; // by "workloads/agent"
        for (const auto& path : paths) {
            TRY_ASSIGN(const auto setting, parse_setting(path));
            if (setting.kind == Kind::autoscaler) {
                TRY_ASSIGN(out[path], read_autoscaler(setting.object, deadline));
                continue;
            }
            const auto key = path.substr(0, path.find('/', path.find('/') + 1));
            if (!found.contains(key)) {
                TRY_ASSIGN(found[key], object_of(setting, deadline));
            }
            TRY_ASSIGN(out[path], value_at(found[key], setting, deadline));
        }
        return out;
    }

    Result<> write(const SettingsRequest& request, Deadline deadline) override
    {
        if (request.settings.empty())
            return {};
        TRY_ASSIGN(const auto first, parse_setting(request.settings.front().path));
        if (first.kind == Kind::autoscaler)
            return write_autoscaler(first.object, request, deadline);
        TRY_ASSIGN(const auto found, object_of(first, deadline));
        std::vector<KeptTemplate> kept;
        if (first.kind == Kind::pods) {
            TRY_ASSIGN(kept, kept_templates(workloads_, found, deadline));
        }
        const auto edit = [&](const Json& now) { return patch_of(now, request, kept); };
        TRY(workloads_.update(found.path, edit, request.on_sent, deadline, request.dry_run));
        return {};
    }

    Result<bool> was_written(std::string_view key, const SettingChange& setting, Deadline deadline) override
    {
        TRY_ASSIGN(const auto path, parse_setting(setting.path));
        const auto found = object_of(path, deadline);
        if (found)
            return was_done(*found->object, key);
        if (path.kind == Kind::autoscaler && found.error().kind == ErrorKind::not_found)
            return setting.after->is_null();
        return found.error();
    }

    Result<> settle(const std::string& workload, const ChangeProgress& progress, Deadline deadline) override
    {
        TRY_ASSIGN(const bool served, has_rollouts(deadline));
        std::optional<Found> rollout;
        if (served) {
            TRY_ASSIGN(rollout, find_rollout(workloads_, workload, deadline));
        }
        if (rollout)
            return kubernetes::settle_canary(workloads_, workload, "start", progress, deadline);
        TRY_ASSIGN(const auto found, workloads_.find(workload, deadline));
        return wait_for_rollout(workloads_, found.path, progress, deadline);
    }

    Result<RolloutStatus> status(const std::string& workload, Deadline deadline) override
    {
        return rollout_status(workloads_, workload, deadline);
    }
    Result<std::vector<Revision>> revisions(const std::string& workload, Deadline deadline) override
    {
        return kubernetes::revisions(workloads_, workload, deadline);
    }
    Result<std::vector<ContainerResources>> resources(const std::string& workload, Deadline deadline) override
    {
        TRY_ASSIGN(const auto found, release_of(workload, deadline));
        return resources_of(member(member(member(*found.object, "spec"), "template"), "spec"));
    }
    Result<ReleaseCheck> fits(const std::string& workload, const std::vector<ContainerResources>& resources,
                              Deadline deadline) override
    {
        TRY_ASSIGN(const auto found, release_of(workload, deadline));
        return check_nodes(workloads_, *found.object, resources, deadline);
    }
    Result<std::vector<ReleaseCheck>> precheck(const std::string& workload, Deadline deadline) override
    {
        return kubernetes::precheck(workloads_, workload, deadline);
    }
    Result<std::vector<Autoscaler>> autoscalers(Deadline deadline) override
    {
        return kubernetes::autoscalers(workloads_, deadline);
    }
    Result<JsonBox> new_autoscaler(const std::string& workload, int min, int max, std::optional<int> cpu,
                                   Deadline deadline) override
    {
        TRY_ASSIGN(const auto found, release_of(workload, deadline));
        return kubernetes::new_autoscaler(workloads_, found, min, max, cpu, deadline);
    }
    Result<JsonBox> describe(const std::string& name, Deadline deadline) override
    {
        return kubernetes::describe(workloads_, name, deadline);
    }
    Result<std::vector<ReleaseEvent>> events(const std::string& object, Deadline deadline) override
    {
        return kubernetes::events(workloads_, object, deadline);
    }
    Result<JsonBox> canary(const std::string& workload, Deadline deadline) override
    {
        return canary_status(workloads_, workload, deadline);
    }
    Result<> steer_canary(const std::string& workload, std::string_view action, const std::string& key,
                          const std::function<void()>& on_sent, Deadline deadline) override
    {
        return kubernetes::steer_canary(workloads_, workload, action, key, on_sent, deadline);
    }
    Result<bool> was_steered(const std::string& workload, std::string_view action, const std::string& key,
                             Deadline deadline) override
    {
        return kubernetes::was_steered(workloads_, workload, action, key, deadline);
    }
    Result<> settle_canary(const std::string& workload, std::string_view action,
                           const ChangeProgress& progress, Deadline deadline) override
    {
        return kubernetes::settle_canary(workloads_, workload, action, progress, deadline);
    }

  private:
    // A CRD does not come or go during a command.
    Result<bool> has_rollouts(Deadline deadline)
    {
        if (!has_rollouts_) {
            TRY_ASSIGN(has_rollouts_, rollouts_served(workloads_, deadline));
        }
        return *has_rollouts_;
    }

    Result<Found> release_of(const std::string& name, Deadline deadline)
    {
        TRY_ASSIGN(const bool served, has_rollouts(deadline));
        return served ? find_release(workloads_, name, deadline) : workloads_.find(name, deadline);
    }

    Result<Found> object_of(const SettingPath& path, Deadline deadline)
    {
        if (!path.of_autoscaler())
            return release_of(path.object, deadline);
        TRY_ASSIGN(auto where, autoscaler_path(workloads_, path.object, deadline));
        TRY_ASSIGN(auto object, api_->get(where, deadline));
        return Found{std::move(where), std::move(object)};
    }

    Result<JsonBox> value_at(const Found& found, const SettingPath& path, Deadline deadline)
    {
        if (path.kind != Kind::pods) {
            TRY_ASSIGN(auto value, read_setting(*found.object, path));
            return JsonBox(std::move(value));
        }
        TRY_ASSIGN(const auto kept, kept_templates(workloads_, found, deadline));
        const auto* current = current_template(kept, *found.object);
        if (current == nullptr)
            return fail(ErrorKind::unknown,
                        fmt::format("the controller has not seen the last change of {} yet", path.object),
                        "Repeat the command in a moment.");
        return JsonBox(Json(current->name));
    }

    Result<JsonBox> read_autoscaler(const std::string& name, Deadline deadline)
    {
        TRY_ASSIGN(const auto where, autoscaler_path(workloads_, name, deadline));
        const auto object = api_->get(where, deadline);
        if (object)
            return JsonBox(kept_autoscaler(**object));
        if (object.error().kind == ErrorKind::not_found)
            return JsonBox();
        return object.error();
    }

    // null: written already.
    Result<Json> patch_of(const Json& now, const SettingsRequest& request,
                          const std::vector<KeptTemplate>& kept)
    {
        if (was_done(now, request.key))
            return Json();
        Json edited = now;
        for (const auto& setting : request.settings) {
            TRY_ASSIGN(const auto path, parse_setting(setting.path));
            if (path.kind == Kind::pods) {
                TRY(take_template(edited, setting, kept));
                continue;
            }
            TRY_ASSIGN(const auto value, read_setting(now, path));
            if (!same(value, *setting.before))
                return moved(setting, value);
            TRY(edit_setting(edited, path, *setting.after));
        }
        auto patch = merge_diff(now, edited);
        const bool new_pods = member(patch, "spec").contains("template");
        patch["metadata"]["annotations"] = with_key(now, request.key);
        if (new_pods && !request.cause.empty())
            patch["metadata"]["annotations"][k_cause] = request.cause;
        return patch;
    }

    static Result<> take_template(Json& edited, const SettingChange& setting,
                                  const std::vector<KeptTemplate>& kept)
    {
        const auto* current = current_template(kept, edited);
        const Json value = current == nullptr ? Json() : Json(current->name);
        if (!same(value, *setting.before))
            return moved(setting, value);
        for (const auto& one : kept)
            if (*setting.after == one.name) {
                edited["spec"]["template"] = *one.pods;
                return {};
            }
        return fail(ErrorKind::not_found,
                    fmt::format("the revision {} is no longer kept", dump_json(*setting.after)),
                    "See what is kept: conduitctl rollout history");
    }

    Result<> write_autoscaler(const std::string& name, const SettingsRequest& request, Deadline deadline)
    {
        const auto& setting = request.settings.front();
        TRY_ASSIGN(const auto now, read_autoscaler(name, deadline));
        if (!same(*now, *setting.before))
            return moved(setting, *now);
        TRY_ASSIGN(const auto where, autoscaler_path(workloads_, name, deadline));
        kube::WriteOptions options;
        options.on_sent = request.on_sent;
        options.dry_run = request.dry_run;
        if (setting.after->is_null()) {
            if (request.dry_run)
                return {};
            TRY(api_->remove(where, Json::object(), deadline));
            return {};
        }
        const auto folder = where.substr(0, where.rfind('/'));
        Json object{{"apiVersion", where.substr(6, where.find('/', 18) - 6)}, // "autoscaling/v2"
                    {"kind", "HorizontalPodAutoscaler"},
                    {"metadata", {{"name", name}}}};
        for (const auto* key : {"labels", "annotations"})
            if (const auto* kept = json_find(*setting.after, key))
                object["metadata"][key] = *kept;
        object["spec"] = member(*setting.after, "spec");
        const auto keyed = with_key(object, request.key);
        object["metadata"]["annotations"].update(keyed);
        TRY(api_->create(folder, object, options, deadline));
        return {};
    }

    std::shared_ptr<kube::Api> api_;
    const std::string identity_;
    WorkloadApi workloads_;
    std::optional<bool> has_rollouts_;
};

} // namespace

std::unique_ptr<Releases> make_releases(std::shared_ptr<kube::Api> api, std::string name_space,
                                        std::string identity)
{
    return std::make_unique<KubernetesReleases>(std::move(api), std::move(name_space), std::move(identity));
}

} // namespace conduit::kubernetes
