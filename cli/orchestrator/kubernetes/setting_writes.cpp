// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/setting_writes.hpp"

#include "cli/orchestrator/kubernetes/change.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

constexpr auto k_manager = "conduitctl";
constexpr std::size_t k_digest = 32;         // hexadecimal digits
constexpr std::size_t k_largest = 1U << 20U; // of an object of this kind

// nullopt: there is none.
Result<std::optional<JsonBox>> read(WorkloadApi& cluster, const std::string& path, Deadline deadline)
{
    auto object = cluster.api().get(path, deadline);
    if (object)
        return std::optional(*std::move(object));
    if (object.error().kind == ErrorKind::not_found)
        return std::optional<JsonBox>{};
    return std::move(object).error();
}

std::string version_of(const Json& object)
{
    return json_string_or(member(object, "metadata"), "resourceVersion", "");
}

Error changed_meanwhile(std::string_view what, const std::string& name)
{
    return {ErrorKind::stale, fmt::format("{} {} was changed meanwhile", what, name),
            "Nothing was changed. Look again, and repeat the command."};
}

Error immutable(std::string_view what, const std::string& name)
{
    return {ErrorKind::refused, fmt::format("{} {} is immutable", what, name),
            "Make one of another name, and let the workloads name that one."};
}

kube::WriteOptions options_of(bool dry_run, const std::function<void()>& on_sent)
{
    kube::WriteOptions options;
    options.dry_run = dry_run;
    if (!dry_run)
        options.on_sent = on_sent;
    return options;
}

Json annotations_of(const Json& before, const SettingWrite& write)
{
    auto notes = with_key(before, write.key);
    if (write.applied)
        notes[k_applied] = (**write.applied).is_null() ? Json() : Json(dump_json(**write.applied));
    return notes;
}

Result<WallTime> make_map(WorkloadApi& cluster, const SettingWrite& write, Deadline deadline)
{
    if (!write.version.empty())
        return changed_meanwhile("ConfigMap", write.name);
    Json body{{"apiVersion", "v1"},
              {"kind", "ConfigMap"},
              {"metadata", {{"name", write.name}, {"annotations", annotations_of(Json::object(), write)}}},
              {"data", Json::object()}};
    for (const auto& [key, value] : write.set)
        if (value)
            body["data"][key] = *value;
    auto made = cluster.api().create(kube::resource_path(k_config_maps, cluster.name_space()), body,
                                     options_of(write.dry_run, write.on_sent), deadline);
    if (!made) {
        const auto reason = made.error().details.find("reason");
        const bool there = reason != made.error().details.end() && reason->second == "AlreadyExists";
        return there ? changed_meanwhile("ConfigMap", write.name) : std::move(made).error();
    }
    return written_at(**made, cluster.api().clock().now());
}

Result<> remove_map(WorkloadApi& cluster, const std::string& path, const SettingWrite& write, const Json& now,
                    Deadline deadline)
{
    for (const auto& [key, value] : member(now, "data").items())
        if (!write.set.contains(key))
            return Error{ErrorKind::stale, fmt::format("ConfigMap {} also holds {} by now", write.name, key),
                         "Nothing was changed. Take out the single keys: conduitctl config unset"};
    if (write.dry_run)
        return {};
    TRY(cluster.api().remove(path, Json{{"preconditions", {{"resourceVersion", write.version}}}}, deadline));
    if (write.on_sent)
        write.on_sent();
    return {};
}

// Keys that we applied earlier: what an apply leaves out is taken away.
std::vector<std::string> applied_keys(const Json& object)
{
    std::vector<std::string> keys;
    for (const auto& entry : list_of(member(object, "metadata"), "managedFields"))
        if (json_string_or(entry, "manager", "") == k_manager &&
            json_string_or(entry, "operation", "") == "Apply")
            for (const auto& [name, fields] : member(member(entry, "fieldsV1"), "f:data").items())
                if (name.starts_with("f:"))
                    keys.push_back(name.substr(2));
    return keys;
}

std::optional<std::string> secret_value(const Json& secret, const std::string& key)
{
    const auto* value = json_find(member(secret, "data"), key);
    if (value == nullptr || !value->is_string())
        return std::nullopt;
    auto decoded = base64_decode(value->get<std::string>());
    return decoded ? std::optional(*std::move(decoded)) : std::nullopt;
}

std::string previous_of(const std::string& name)
{
    return name + ".conduit-previous";
}

// What is about to be replaced stays in a Secret beside it: an undo takes it from there.
Result<> keep_previous(WorkloadApi& cluster, const Json& secret, const SecretWrite& write, Deadline deadline)
{
    const auto* value = json_find(member(secret, "data"), write.key_name);
    if (value == nullptr)
        return {};
    const auto path = kube::resource_path(k_secrets, cluster.name_space(), previous_of(write.name));
    TRY_ASSIGN(const auto kept, read(cluster, path, deadline));
    const auto options = options_of(write.dry_run, {});
    if (kept) {
        TRY(cluster.api().patch(path, kube::PatchType::merge, Json{{"data", {{write.key_name, *value}}}},
                                options, deadline));
        return {};
    }
    const Json owner{{"apiVersion", "v1"},
                     {"kind", "Secret"},
                     {"name", write.name},
                     {"uid", json_string_or(member(secret, "metadata"), "uid", "")}};
    const Json body{{"apiVersion", "v1"},
                    {"kind", "Secret"},
                    {"type", k_previous_type},
                    {"metadata",
                     {{"name", previous_of(write.name)},
                      {"labels", {{"app.kubernetes.io/managed-by", k_manager}}},
                      {"ownerReferences", Json::array({owner})}}},
                    {"data", {{write.key_name, *value}}}};
    TRY(cluster.api().create(kube::resource_path(k_secrets, cluster.name_space()), body, options, deadline));
    return {};
}

Result<std::string> value_to_write(WorkloadApi& cluster, const std::string& place, const SecretWrite& write,
                                   Deadline deadline)
{
    if (!write.value.empty())
        return write.value;
    const auto path = kube::resource_path(k_secrets, cluster.name_space(), previous_of(write.name));
    TRY_ASSIGN(const auto kept, read(cluster, path, deadline));
    const auto value = kept ? secret_value(**kept, write.key_name) : std::nullopt;
    if (!value || secret_digest(place, *value) != *write.digest)
        return fail(ErrorKind::failed,
                    fmt::format("the value of {} in Secret {} that is wanted is no longer kept",
                                write.key_name, write.name),
                    fmt::format("Give it again: conduitctl secret set {} {} --from-stdin", write.name,
                                write.key_name));
    return *value;
}

Json secret_body(const Json& now, const SecretWrite& write, const std::string& value)
{
    Json data = Json::object();
    for (const auto& key : applied_keys(now))
        if (const auto* kept = json_find(member(now, "data"), key))
            data[key] = *kept;
    data[write.key_name] = base64_encode(value);
    Json body{{"apiVersion", "v1"},
              {"kind", "Secret"},
              {"metadata", {{"name", write.name}, {"annotations", with_key(now, write.key)}}},
              {"type", json_string_or(now, "type", "Opaque")},
              {"data", std::move(data)}};
    if (const auto version = version_of(now); !version.empty())
        body["metadata"]["resourceVersion"] = version;
    return body;
}

} // namespace

const kube::Resource k_config_maps{.plural = "configmaps"};
const kube::Resource k_secrets{.plural = "secrets"};

WallTime written_at(const Json& object, WallTime otherwise)
{
    std::optional<WallTime> last;
    for (const auto& entry : list_of(member(object, "metadata"), "managedFields"))
        if (const auto time = parse_time(json_string_or(entry, "time", ""));
            time && json_string_or(entry, "manager", "") == k_manager)
            last = std::max(last.value_or(*time), *time);
    return last.value_or(otherwise);
}

std::string secret_digest(const std::string& place, const std::string& value)
{
    return "hmac-sha256:" + hex(hmac_sha256(place, value)).substr(0, k_digest);
}

Result<WallTime> write_map(WorkloadApi& cluster, const SettingWrite& write, Deadline deadline)
{
    const auto path = kube::resource_path(k_config_maps, cluster.name_space(), write.name);
    TRY_ASSIGN(const auto now, read(cluster, path, deadline));
    if (!now && write.remove)
        return cluster.api().clock().now();
    if (!now)
        return make_map(cluster, write, deadline);
    if (was_done(**now, write.key))
        return written_at(**now, cluster.api().clock().now());
    if (json_bool_or(**now, "immutable", false) && !write.remove)
        return immutable("ConfigMap", write.name);
    if (version_of(**now) != write.version)
        return changed_meanwhile("ConfigMap", write.name);
    if (write.remove) {
        TRY(remove_map(cluster, path, write, **now, deadline));
        return cluster.api().clock().now();
    }
    Json patch{
        {"metadata", {{"resourceVersion", write.version}, {"annotations", annotations_of(**now, write)}}}};
    for (const auto& [key, value] : write.set)
        patch["data"][key] = value ? Json(*value) : Json();
    TRY_ASSIGN(const auto written, cluster.api().patch(path, kube::PatchType::merge, patch,
                                                       options_of(write.dry_run, write.on_sent), deadline));
    return written_at(*written, cluster.api().clock().now());
}

Result<WallTime> write_secret(WorkloadApi& cluster, const std::string& place, const SecretWrite& write,
                              Deadline deadline)
{
    if (write.value.size() > k_largest)
        return fail(ErrorKind::usage, fmt::format("a secret of {} bytes is too large", write.value.size()));
    const auto path = kube::resource_path(k_secrets, cluster.name_space(), write.name);
    TRY_ASSIGN(const auto found, read(cluster, path, deadline));
    const Json now = found ? **found : Json::object();
    if (was_done(now, write.key))
        return written_at(now, cluster.api().clock().now());
    if (json_bool_or(now, "immutable", false))
        return immutable("Secret", write.name);
    const auto value = secret_value(now, write.key_name);
    const auto digest = value ? std::optional(secret_digest(place, *value)) : std::nullopt;
    if (digest != write.expected)
        return changed_meanwhile("Secret", write.name);
    auto options = options_of(write.dry_run, write.on_sent);
    if (!write.digest) {
        const Json patch{
            {"metadata", {{"resourceVersion", version_of(now)}, {"annotations", with_key(now, write.key)}}},
            {"data", {{write.key_name, nullptr}}}};
        TRY(keep_previous(cluster, now, write, deadline));
        TRY_ASSIGN(const auto written,
                   cluster.api().patch(path, kube::PatchType::merge, patch, options, deadline));
        return written_at(*written, cluster.api().clock().now());
    }
    TRY_ASSIGN(const auto wanted, value_to_write(cluster, place, write, deadline));
    const auto body = secret_body(now, write, wanted);
    TRY(keep_previous(cluster, now, write, deadline));
    options.force = found.has_value(); // what was there is what was planned: it may be another manager's
    TRY_ASSIGN(const auto written,
               cluster.api().patch(path, kube::PatchType::apply, body, options, deadline));
    return written_at(*written, cluster.api().clock().now());
}

Result<> roll(WorkloadApi& cluster, const RollWrite& write, Deadline deadline)
{
    TRY_ASSIGN(const auto found, cluster.find(write.workload, deadline));
    const auto patch_of = [&](const Json& now) {
        Json patch{{"metadata", {{"annotations", with_key(now, write.key)}}}};
        patch["spec"]["template"]["metadata"]["annotations"][k_checksum] =
            write.checksum ? Json(*write.checksum) : Json();
        return patch;
    };
    if (write.dry_run) {
        TRY(cluster.api().patch(found.path, kube::PatchType::merge, patch_of(*found.object),
                                options_of(true, {}), deadline));
        return {};
    }
    TRY(cluster.update(
        found.path,
        [&](const Json& now) -> Result<Json> { return was_done(now, write.key) ? Json() : patch_of(now); },
        write.on_sent, deadline));
    return {};
}

} // namespace conduit::kubernetes
