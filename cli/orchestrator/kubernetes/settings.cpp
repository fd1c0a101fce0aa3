// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/settings.hpp"

#include "cli/orchestrator/kubernetes/change.hpp"
#include "cli/orchestrator/kubernetes/orchestrator.hpp"
#include "cli/orchestrator/kubernetes/rollout_wait.hpp"
#include "cli/orchestrator/kubernetes/setting_uses.hpp"
#include "cli/orchestrator/kubernetes/setting_writes.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

constexpr std::size_t k_fingerprint = 8; // hexadecimal digits
constexpr auto k_kubectl_applied = "kubectl.kubernetes.io/last-applied-configuration";

std::optional<WallTime> time_of(const Json& object, std::string_view key)
{
    const auto time = parse_time(json_string_or(object, key, ""));
    return time ? std::optional(*time) : std::nullopt;
}

struct Writers { // of a key: who wrote it last, and when at the latest
    std::map<std::string, std::string> names;
    std::map<std::string, WallTime> times;
};

Writers writers_of(const Json& object)
{
    Writers out;
    for (const auto& entry : list_of(member(object, "metadata"), "managedFields")) {
        const auto time = time_of(entry, "time").value_or(WallTime{});
        for (const auto& [name, fields] : member(member(entry, "fieldsV1"), "f:data").items()) {
            const auto key = name.starts_with("f:") ? name.substr(2) : name;
            if (out.times.contains(key) && out.times[key] >= time)
                continue;
            out.names[key] = json_string_or(entry, "manager", "");
            out.times[key] = time;
        }
    }
    return out;
}

// Ours, else kubectl's: somebody who comes from there is not asked about what kubectl applied.
void read_applied(const Json& object, SettingsMap& map)
{
    const auto& notes = member(member(object, "metadata"), "annotations");
    if (const auto ours = parse_json(json_string_or(notes, k_applied, "")); ours && ours->is_object()) {
        map.applied_record = *ours;
        map.applied_known = true;
        for (const auto& [key, digest] : ours->items())
            if (digest.is_string())
                map.applied[key] = digest.get<std::string>();
        return;
    }
    const auto theirs = parse_json(json_string_or(notes, k_kubectl_applied, ""));
    if (!theirs)
        return;
    map.applied_known = true;
    for (const auto& [key, value] : member(*theirs, "data").items())
        if (value.is_string())
            map.applied[key] = sha256_hex(value.get<std::string>());
}

SettingsMap map_of(const Json& object)
{
    const auto& meta = member(object, "metadata");
    SettingsMap map;
    map.name = name_of(object);
    map.version = json_string_or(meta, "resourceVersion", "");
    for (const auto& [key, value] : member(object, "data").items())
        if (value.is_string())
            map.data[key] = value.get<std::string>();
    for (const auto& [key, value] : member(object, "binaryData").items())
        map.binary.push_back(key);
    map.immutable = json_bool_or(object, "immutable", false);
    map.of_cluster = map.name == "kube-root-ca.crt" || map.name == "openshift-service-ca.crt" ||
                     json_find(member(meta, "labels"), "conduit.dev/record") != nullptr;
    map.created = time_of(meta, "creationTimestamp");
    auto writers = writers_of(object);
    map.writers = std::move(writers.names);
    map.written = std::move(writers.times);
    read_applied(object, map);
    return map;
}

std::string mark_of(const std::string& type)
{
    if (type == "kubernetes.io/service-account-token" || type == "kubernetes.io/dockercfg")
        return "service-account token";
    if (type == "helm.sh/release.v1")
        return "Helm release";
    if (type == "bootstrap.kubernetes.io/token")
        return "bootstrap token";
    return type == k_previous_type ? "values that were replaced" : "";
}

class KubernetesSettings final : public ServiceSettings {
  public:
    KubernetesSettings(std::shared_ptr<kube::Api> api, std::string name_space, std::string identity,
                       std::string salt, fs::path cache)
        : api_(std::move(api)), identity_(std::move(identity)), salt_(std::move(salt)),
          cluster_(*api_, std::move(name_space), std::move(cache))
    {
    }

    std::string identity() const override { return identity_; }

    Result<std::vector<SettingsMap>> maps(Deadline deadline) override
    {
        std::vector<SettingsMap> out;
        TRY(each(
            k_config_maps, [&](const Json& item) { out.push_back(map_of(item)); }, [&] { out.clear(); },
            deadline));
        std::ranges::sort(out, {}, &SettingsMap::name);
        return out;
    }

    Result<SettingsMap> map(const std::string& name, Deadline deadline) override
    {
        TRY_ASSIGN(const auto object, named(k_config_maps, "configmap", "config get", name, deadline));
        return map_of(*object);
    }

    Result<std::vector<SecretInfo>> secrets(Deadline deadline) override
    {
        std::vector<SecretInfo> out;
        TRY(each(
            k_secrets, [&](const Json& item) { out.push_back(info_of(item)); }, [&] { out.clear(); },
            deadline));
        std::ranges::sort(out, {}, &SecretInfo::name);
        return out;
    }

    Result<SecretInfo> secret(const std::string& name, Deadline deadline) override
    {
        TRY_ASSIGN(const auto object, named(k_secrets, "secret", "secret ls", name, deadline));
        return info_of(*object);
    }

    std::string digest_of(const std::string& secret, const std::string& key,
                          const std::string& value) const override
    {
        return secret_digest(place_of(secret, key), value);
    }

    Result<std::vector<SettingUse>> uses(Deadline deadline) override
    {
        TRY_ASSIGN(const auto workloads, cluster_.workloads(deadline));
        TRY_ASSIGN(const auto pods, cluster_.pods("", deadline));
        return uses_in(workloads, pods);
    }

    Result<std::vector<EnvironmentValue>> environment(Deadline deadline) override
    {
        TRY_ASSIGN(const auto workloads, cluster_.workloads(deadline));
        return environment_in(workloads);
    }

    Result<std::optional<std::string>> checksum(const std::string& workload, Deadline deadline) override
    {
        TRY_ASSIGN(const auto found, cluster_.find(workload, deadline));
        const auto& meta = member(member(member(*found.object, "spec"), "template"), "metadata");
        const auto* sum = json_find(member(meta, "annotations"), k_checksum);
        return sum != nullptr && sum->is_string() ? std::optional(sum->get<std::string>()) : std::nullopt;
    }

    Result<std::vector<std::string>> started_before(const std::string& workload, WallTime moment,
                                                    Deadline deadline) override
    {
        TRY_ASSIGN(const auto found, cluster_.find(workload, deadline));
        TRY_ASSIGN(const auto pods, cluster_.pods_of(*found.object, deadline));
        std::vector<std::string> out;
        for (const auto& pod : pods) {
            const auto state = instance_of(*pod).state;
            const auto made = time_of(member(*pod, "metadata"), "creationTimestamp");
            const bool alive = state != InstanceState::exited && state != InstanceState::draining;
            if (alive && (!made || *made <= moment))
                out.push_back(name_of(*pod));
        }
        return out;
    }

    Result<WallTime> write_map(const SettingWrite& write, Deadline deadline) override
    {
        return kubernetes::write_map(cluster_, write, deadline);
    }

    Result<WallTime> write_secret(const SecretWrite& write, Deadline deadline) override
    {
        return kubernetes::write_secret(cluster_, place_of(write.name, write.key_name), write, deadline);
    }

    Result<> roll(const RollWrite& write, Deadline deadline) override
    {
        return kubernetes::roll(cluster_, write, deadline);
    }

    Result<std::optional<WallTime>> was_written(SettingKind kind, const std::string& name,
                                                std::string_view key, Deadline deadline) override
    {
        const auto& resource = kind == SettingKind::map ? k_config_maps : k_secrets;
        const auto object = api_->get(kube::resource_path(resource, cluster_.name_space(), name), deadline);
        if (!object && object.error().kind != ErrorKind::not_found)
            return object.error();
        if (!object || !was_done(**object, key))
            return std::optional<WallTime>{};
        return std::optional(written_at(**object, api_->clock().now()));
    }

    Result<bool> was_rolled(const std::string& workload, std::string_view key, Deadline deadline) override
    {
        TRY_ASSIGN(const auto found, cluster_.find(workload, deadline));
        return was_done(*found.object, key);
    }

    Result<> wait_rolled(const std::string& workload, const std::function<void(std::string_view)>& progress,
                         Deadline deadline) override
    {
        TRY_ASSIGN(const auto found, cluster_.find(workload, deadline));
        return wait_for_rollout(cluster_, found.path, progress, deadline);
    }

  private:
    Result<> each(const kube::Resource& resource, const std::function<void(const Json&)>& item,
                  const std::function<void()>& restart, Deadline deadline)
    {
        TRY(api_->list(kube::resource_path(resource, cluster_.name_space()), {}, item, restart, deadline));
        return {};
    }

    // The nearest names only where they may be listed.
    Result<JsonBox> named(const kube::Resource& resource, std::string_view what, std::string_view see,
                          const std::string& name, Deadline deadline)
    {
        auto object = api_->get(kube::resource_path(resource, cluster_.name_space(), name), deadline);
        if (object || object.error().kind != ErrorKind::not_found)
            return object;
        std::vector<std::string> names;
        const auto listed = each(
            resource, [&](const Json& item) { names.push_back(name_of(item)); }, [&] { names.clear(); },
            deadline);
        if (!listed)
            names.clear();
        return fail(ErrorKind::not_found,
                    unknown_name(fmt::format("{} in namespace {}", what, cluster_.name_space()), name, names),
                    fmt::format("List them: conduitctl {}", see));
    }

    std::string place_of(const std::string& secret, const std::string& key) const
    {
        return fmt::format("{}/{}/{}", identity_, secret, key);
    }

    SecretInfo info_of(const Json& object) const
    {
        SecretInfo info;
        info.name = name_of(object);
        info.type = json_string_or(object, "type", "");
        info.mark = mark_of(info.type);
        info.immutable = json_bool_or(object, "immutable", false);
        info.created = time_of(member(object, "metadata"), "creationTimestamp");
        const auto& notes = member(member(object, "metadata"), "annotations");
        info.in_clear = json_find(notes, k_kubectl_applied) != nullptr;
        const auto times = writers_of(object).times;
        for (const auto& [key, encoded] : member(object, "data").items()) {
            const auto value =
                base64_decode(encoded.is_string() ? encoded.get<std::string>() : std::string());
            SecretKey found{.name = key, .length = 0, .fingerprint = {}, .digest = {}, .written = {}};
            if (value) {
                found.length = value->size();
                found.fingerprint = hex(hmac_sha256(salt_, *value)).substr(0, k_fingerprint);
                found.digest = secret_digest(place_of(info.name, key), *value);
            }
            if (const auto at = times.find(key); at != times.end())
                found.written = at->second;
            info.keys.push_back(std::move(found));
        }
        return info;
    }

    std::shared_ptr<kube::Api> api_;
    std::string identity_;
    std::string salt_;
    WorkloadApi cluster_;
};

} // namespace

std::unique_ptr<ServiceSettings> make_settings(std::shared_ptr<kube::Api> api, std::string name_space,
                                               std::string identity, std::string fingerprint_salt,
                                               fs::path cache)
{
    return std::make_unique<KubernetesSettings>(std::move(api), std::move(name_space), std::move(identity),
                                                std::move(fingerprint_salt), std::move(cache));
}

} // namespace conduit::kubernetes
