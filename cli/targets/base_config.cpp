// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/base_config.hpp"

#include "core/hash.hpp"
#include "core/json.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

constexpr std::size_t k_largest = 4U << 20U;
constexpr std::size_t k_keys_kept = 200;

Error changed_meanwhile(const std::string& name)
{
    return {ErrorKind::stale, fmt::format("{} was changed meanwhile", name),
            "Look at it and run the command again."};
}

class ConfigInFile final : public BaseConfig {
  public:
    ConfigInFile(fs::path file, fs::path keys) : file_(std::move(file)), keys_(std::move(keys)) {}

    std::string name() const override { return file_.string(); }

    Result<Text> read(Deadline) override
    {
        TRY_ASSIGN(auto text, read_file(file_, k_largest));
        auto version = sha256_hex(text);
        return Text{std::move(text), std::move(version)};
    }

    Result<> replace(const std::string& key, const Text& before, const std::string& after, Deadline deadline,
                     const std::function<void()>& sent) override
    {
        TRY_ASSIGN(const auto lock, FileLock::lock(keys_.string() + ".lock"));
        TRY_ASSIGN(const auto now, read(deadline));
        if (now.version != before.version)
            return changed_meanwhile(name());
        // The key goes first: one without its content in the file has not happened.
        auto keys = known();
        keys.push_back(Json{{"key", key}, {"sha256", sha256_hex(after)}});
        while (keys.size() > k_keys_kept)
            keys.erase(keys.begin());
        TRY(write_file(keys_, dump_json(keys) + "\n"));
        TRY(write_file(file_, after));
        if (sent)
            sent();
        return {};
    }

    Result<bool> was_written(const std::string& key, Deadline) override
    {
        const auto keys = known();
        return std::ranges::any_of(keys,
                                   [&](const Json& item) { return json_string_or(item, "key", "") == key; });
    }

  private:
    Json known() const
    {
        const auto text = read_file(keys_, k_largest);
        auto keys = text ? parse_json(*text) : Result<Json>(Json::array());
        return keys && keys->is_array() ? *std::move(keys) : Json::array();
    }

    fs::path file_;
    fs::path keys_;
};

class ConfigInMap final : public BaseConfig {
  public:
    ConfigInMap(ServiceSettings& settings, std::string map, std::string key)
        : settings_(settings), map_(std::move(map)), key_(std::move(key))
    {
    }

    std::string name() const override { return fmt::format("configmap/{} {}", map_, key_); }

    Result<Text> read(Deadline deadline) override
    {
        TRY_ASSIGN(auto map, settings_.map(map_, deadline));
        const auto found = map.data.find(key_);
        if (found == map.data.end())
            return fail(ErrorKind::not_found, fmt::format("configmap {} has no key {}", map_, key_),
                        "See what it has: conduitctl config get --map " + map_);
        return Text{std::move(found->second), std::move(map.version)};
    }

    Result<> replace(const std::string& key, const Text& before, const std::string& after, Deadline deadline,
                     const std::function<void()>& sent) override
    {
        SettingWrite write;
        write.name = map_;
        write.version = before.version;
        write.set[key_] = after;
        write.key = key;
        write.on_sent = sent;
        TRY(settings_.write_map(write, deadline));
        return {};
    }

    Result<bool> was_written(const std::string& key, Deadline deadline) override
    {
        TRY_ASSIGN(const auto when, settings_.was_written(SettingKind::map, map_, key, deadline));
        return when.has_value();
    }

  private:
    ServiceSettings& settings_;
    const std::string map_;
    const std::string key_;
};

Error not_from_here(const std::string& workload, std::string_view why)
{
    return {ErrorKind::refused,
            fmt::format("the base configuration of {} cannot be written from here: {}", workload, why),
            "Leave out --persist, and change its configuration where it is kept."};
}

} // namespace

std::unique_ptr<BaseConfig> make_config_in_file(fs::path file, fs::path keys)
{
    return std::make_unique<ConfigInFile>(std::move(file), std::move(keys));
}

std::unique_ptr<BaseConfig> make_config_in_map(ServiceSettings& settings, std::string map, std::string key)
{
    return std::make_unique<ConfigInMap>(settings, std::move(map), std::move(key));
}

Result<MountedConfig> find_mounted_config(ServiceSettings& settings, const std::string& workload,
                                          const fs::path& file, Deadline deadline)
{
    TRY_ASSIGN(const auto uses, settings.uses(deadline));
    TRY_ASSIGN(const auto maps, settings.maps(deadline));
    const auto key = file.filename().string();
    for (const auto& use : uses) {
        const auto map = std::ranges::find(maps, use.object, &SettingsMap::name);
        if (use.kind != SettingKind::map || use.workload != workload || map == maps.end() ||
            !map->data.contains(key) || !reads_key(use, key))
            continue;
        if (use.how == ReadAs::sub_path && fs::path(use.as) == file)
            return not_from_here(workload,
                                 fmt::format("{} is mounted with a subPath, so that a running replica never "
                                             "reads it again",
                                             file.string()));
        if (use.how == ReadAs::file && fs::path(use.as) / key == file)
            return MountedConfig{map->name, key};
    }
    return not_from_here(workload, fmt::format("it mounts no ConfigMap as {}", file.string()));
}

} // namespace conduit
