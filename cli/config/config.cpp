// SPDX-License-Identifier: Apache-2.0
#include "cli/config/config.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

// Reads a map's fields into a struct and collects every fault instead of stopping at the first.
class Fields {
  public:
    Fields(const YamlNode& node, std::vector<Error>& errors, std::string_view home)
        : node_(node), errors_(errors), home_(home)
    {
        if (node_.exists() && !node_.is_map() && !node_.is_null()) {
            errors_.push_back(node_.error("a map is expected"));
            usable_ = false;
        }
    }
    Fields(const Fields&) = delete;
    ~Fields()
    {
        if (usable_ && node_.is_map())
            for (Error& error : node_.unknown_keys(known_))
                errors_.push_back(std::move(error));
    }

    YamlNode child(std::string_view key)
    {
        known_.push_back(key);
        return usable_ && node_.is_map() ? node_.get(key) : YamlNode{};
    }
    void text(std::string_view key, std::string& target) { read(key, target, &YamlNode::as_string); }
    void flag(std::string_view key, bool& target) { read(key, target, &YamlNode::as_bool); }
    void ratio(std::string_view key, std::optional<double>& target)
    {
        read(key, target, &YamlNode::as_ratio);
    }
    void path(std::string_view key, fs::path& target)
    {
        std::string value;
        text(key, value);
        if (!value.empty())
            target = expand_home(value, home_);
    }
    template <class T> void integer(std::string_view key, T& target)
    {
        const YamlNode node = child(key);
        std::int64_t value = 0;
        if (!take(node, value, &YamlNode::as_int))
            return;
        if (value < 0 || value > 1'000'000'000)
            errors_.push_back(node.error("a number from 0 to 1000000000 is expected"));
        else
            target = static_cast<int>(value);
    }
    void texts(std::string_view key, std::vector<std::string>& target)
    {
        const YamlNode node = child(key);
        if (node.exists() && !node.is_list())
            errors_.push_back(node.error("a list is expected"));
        for (const YamlNode& item : node.items()) {
            std::string value;
            if (take(item, value, &YamlNode::as_string))
                target.push_back(std::move(value));
        }
    }
    void secret(std::string_view key, SecretRef& target)
    {
        const YamlNode node = child(key);
        std::string value;
        if (!take(node, value, &YamlNode::as_string))
            return;
        auto reference = parse_secret_ref(value);
        if (reference)
            target = *std::move(reference);
        else
            errors_.push_back(
                node.error(fmt::format("{}: {}", key, reference.error().message), reference.error().hint));
    }
    std::vector<Error>& errors() { return errors_; }
    std::string_view home() const { return home_; }

  private:
    template <class T> bool take(const YamlNode& node, T& target, Result<T> (YamlNode::*as)() const)
    {
        if (!node.exists() || node.is_null())
            return false;
        auto value = (node.*as)();
        if (!value) {
            errors_.push_back(std::move(value).error());
            return false;
        }
        target = *std::move(value);
        return true;
    }
    template <class Target, class T>
    void read(std::string_view key, Target& target, Result<T> (YamlNode::*as)() const)
    {
        T value{};
        if (take(child(key), value, as))
            target = std::move(value);
    }

    YamlNode node_;
    std::vector<Error>& errors_;
    std::string_view home_;
    std::vector<std::string_view> known_;
    bool usable_ = true;
};

void read_backup(Fields& parent, BackupConfig& backup)
{
    Fields f(parent.child("backup"), parent.errors(), parent.home());
    f.text("repository", backup.repository);
    f.text("region", backup.region);
    f.texts("recipients", backup.recipients);
    f.secret("access_key", backup.access_key);
    f.secret("secret_key", backup.secret_key);
    Fields keep(f.child("keep"), f.errors(), f.home());
    keep.integer("daily", backup.keep_daily);
    keep.integer("weekly", backup.keep_weekly);
    keep.integer("monthly", backup.keep_monthly);
}

void read_guards(Fields& parent, GuardConfig& guards)
{
    Fields f(parent.child("guards"), parent.errors(), parent.home());
    f.flag("protected", guards.protected_);
    f.integer("min_replicas", guards.min_replicas);
    f.integer("max_replicas", guards.max_replicas);
    f.integer("min_healthy_providers", guards.min_healthy_providers);
    f.integer("min_healthy_instances", guards.min_healthy_instances);
    f.integer("max_concurrent", guards.max_concurrent);
    f.ratio("max_weight_shift", guards.max_weight_shift);
    f.ratio("max_delete", guards.max_delete);
}

void read_stores(Fields& parent, Context& context)
{
    {
        Fields f(parent.child("redis"), parent.errors(), parent.home());
        f.text("url", context.redis.url);
        f.text("service", context.redis.service);
        f.text("user", context.redis.user);
        f.secret("password", context.redis.password);
    }
    {
        Fields f(parent.child("postgres"), parent.errors(), parent.home());
        f.text("host", context.postgres.host);
        f.text("service", context.postgres.service);
        f.integer("port", context.postgres.port);
        f.text("database", context.postgres.database);
        f.text("user", context.postgres.user);
        f.secret("password", context.postgres.password);
    }
    Fields f(parent.child("prometheus"), parent.errors(), parent.home());
    f.text("url", context.prometheus.url);
    f.text("via", context.prometheus.via);
    f.secret("token", context.prometheus.token);
}

void read_reach(Fields& parent, Context& context)
{
    {
        Fields f(parent.child("kubernetes"), parent.errors(), parent.home());
        f.path("kubeconfig", context.kubernetes.kubeconfig);
        f.text("context", context.kubernetes.context);
        f.text("namespace", context.kubernetes.name_space);
    }
    {
        Fields f(parent.child("compose"), parent.errors(), parent.home());
        f.path("file", context.compose.file);
        f.text("project", context.compose.project);
        f.text("socket", context.compose.socket);
    }
    Fields f(parent.child("agent"), parent.errors(), parent.home());
    f.text("workload", context.agent.workload);
    f.text("port", context.agent.port);
    f.texts("urls", context.agent.urls);
    f.secret("token", context.agent.token);
}

Context read_context(const std::string& name, const YamlNode& node, std::vector<Error>& errors,
                     const ConfigPlaces& places)
{
    Context context{.name = name, .dir = places.local_dir, .line = node.line()};
    Fields f(node, errors, places.home);
    f.text("system", context.system);
    std::string orchestrator = "local";
    const YamlNode kind = f.child("orchestrator");
    if (kind.exists())
        orchestrator = kind.scalar();
    const std::vector<std::string> kinds{"local", "kubernetes", "compose"};
    if (const auto found = std::ranges::find(kinds, orchestrator); found != kinds.end())
        context.orchestrator = static_cast<OrchestratorKind>(found - kinds.begin());
    else
        errors.push_back(kind.error(unknown_name("orchestrator", orchestrator, kinds),
                                    "One of: local, kubernetes, compose."));
    f.path("dir", context.dir);
    read_reach(f, context);
    read_stores(f, context);
    read_backup(f, context.backup);
    read_guards(f, context.guards);
    return context;
}

Config read_config(const YamlNode& root, std::vector<Error>& errors, const ConfigPlaces& places)
{
    Config config{.file = places.file, .exists = true};
    if (root.is_null())
        return config;
    Fields f(root, errors, places.home);
    f.text("current-context", config.current_context);
    const YamlNode contexts = f.child("contexts");
    if (contexts.exists() && !contexts.is_map() && !contexts.is_null())
        errors.push_back(contexts.error("a map of contexts is expected"));
    else
        for (const std::string& name : contexts.keys())
            config.contexts.push_back(read_context(name, contexts.get(name), errors, places));
    return config;
}

void add_built_in(Config& config, const ConfigPlaces& places)
{
    if (config.find("local") == nullptr)
        config.contexts.push_back({.name = "local", .dir = places.local_dir});
}

} // namespace

std::string_view orchestrator_name(OrchestratorKind kind)
{
    constexpr std::array<std::string_view, 3> names{"local", "kubernetes", "compose"};
    return names.at(static_cast<std::size_t>(kind));
}

const Context* Config::find(std::string_view name) const
{
    const auto found = std::ranges::find(contexts, name, &Context::name);
    return found == contexts.end() ? nullptr : &*found;
}

std::vector<std::string> Config::names() const
{
    std::vector<std::string> names;
    for (const Context& context : contexts)
        names.push_back(context.name);
    return names;
}

Result<Config> parse_config(std::string_view text, const ConfigPlaces& places)
{
    TRY_ASSIGN(const YamlNode root, parse_yaml(text, places.file.string()));
    std::vector<Error> errors;
    Config config = read_config(root, errors, places);
    if (errors.size() > 1)
        errors.front().cause =
            fmt::format("{} faults in this file; conduitctl doctor lists them", errors.size());
    if (!errors.empty())
        return std::unexpected(std::move(errors.front()));
    add_built_in(config, places);
    return config;
}

std::vector<Error> check_config(std::string_view text, const ConfigPlaces& places)
{
    const auto root = parse_yaml(text, places.file.string());
    if (!root)
        return {root.error()};
    std::vector<Error> errors;
    (void)read_config(*root, errors, places);
    return errors;
}

Result<Config> load_config(const ConfigPlaces& places)
{
    constexpr std::size_t k_largest = 4U << 20U;
    auto text = read_file(places.file, k_largest);
    if (text)
        return parse_config(*text, places);
    if (text.error().kind != ErrorKind::not_found)
        return std::unexpected(std::move(text).error());
    Config config{.file = places.file};
    add_built_in(config, places);
    return config;
}

} // namespace conduit
