// SPDX-License-Identifier: Apache-2.0
#include "cli/config/stores_fields.hpp"

#include <nlohmann/json.hpp>

namespace conduit {
namespace {

void read_tls(Fields& parent, TlsConfig& tls)
{
    Fields f(parent, "tls");
    f.flag("enabled", tls.on);
    f.path("ca", tls.ca);
    f.path("certificate", tls.certificate);
    f.path("key", tls.key);
    f.text("server_name", tls.server_name);
}

void read_redis(Fields& parent, RedisConfig& redis)
{
    Fields f(parent, "redis");
    f.text("url", redis.url);
    f.text("service", redis.service);
    f.integer("port", redis.port);
    f.integer("database", redis.database);
    f.texts("sentinels", redis.sentinels);
    f.text("master", redis.master);
    f.text("user", redis.user);
    f.secret("password", redis.password);
    read_tls(f, redis.tls);
}

void read_postgres(Fields& parent, PostgresConfig& postgres)
{
    Fields f(parent, "postgres");
    f.text("host", postgres.host);
    f.text("service", postgres.service);
    f.integer("port", postgres.port);
    f.text("database", postgres.database);
    f.text("user", postgres.user);
    f.secret("password", postgres.password);
    f.text("ssl_mode", postgres.ssl_mode);
    f.path("ca", postgres.ca);
}

void read_backup(Fields& parent, BackupConfig& backup)
{
    Fields f(parent, "backup");
    f.text("repository", backup.repository);
    f.text("endpoint", backup.endpoint);
    f.text("region", backup.region);
    f.flag("path_style", backup.path_style);
    f.texts("recipients", backup.recipients);
    f.path("identity", backup.identity);
    f.texts("parts", backup.parts);
    f.secret("access_key", backup.access_key);
    f.secret("secret_key", backup.secret_key);
    f.secret("session_token", backup.session_token);
    f.text("heartbeat", backup.heartbeat);
    f.path("metrics", backup.metrics);
    Fields keep(f, "keep");
    keep.integer("daily", backup.keep_daily);
    keep.integer("weekly", backup.keep_weekly);
    keep.integer("monthly", backup.keep_monthly);
}

// An object that leaves out what is not set.
class Part {
  public:
    Part& text(const char* key, const std::string& value)
    {
        if (!value.empty())
            json_[key] = value;
        return *this;
    }
    Part& texts(const char* key, const std::vector<std::string>& values)
    {
        if (!values.empty())
            json_[key] = values;
        return *this;
    }
    Part& flag(const char* key, bool value)
    {
        if (value)
            json_[key] = true;
        return *this;
    }
    Part& number(const char* key, int value) // only where something else is set
    {
        if (!json_.empty())
            json_[key] = value;
        return *this;
    }
    Part& part(const char* key, const Part& inner)
    {
        if (!inner.json_.empty())
            json_[key] = inner.json_;
        return *this;
    }
    const Json& json() const { return json_; }

  private:
    Json json_ = Json::object();
};

Part redis_part(const RedisConfig& redis)
{
    const auto& tls = redis.tls;
    return Part()
        .text("url", redis.url)
        .text("service", redis.service)
        .texts("sentinels", redis.sentinels)
        .text("master", redis.sentinels.empty() ? "" : redis.master)
        .text("user", redis.user)
        .text("password", redis.password.str())
        .part("tls", Part()
                         .flag("enabled", tls.on)
                         .text("ca", tls.ca.string())
                         .text("certificate", tls.certificate.string())
                         .text("key", tls.key.string())
                         .text("server_name", tls.server_name));
}

Part postgres_part(const PostgresConfig& postgres)
{
    return Part()
        .text("host", postgres.host)
        .text("service", postgres.service)
        .text("database", postgres.database)
        .text("user", postgres.user)
        .text("password", postgres.password.str())
        .text("ssl_mode", postgres.ssl_mode)
        .text("ca", postgres.ca.string())
        .number("port", postgres.port);
}

Part backup_part(const BackupConfig& backup)
{
    return Part()
        .text("repository", backup.repository)
        .text("endpoint", backup.endpoint)
        .text("region", backup.region)
        .flag("path_style", backup.path_style)
        .texts("recipients", backup.recipients)
        .text("identity", backup.identity.string())
        .texts("parts", backup.parts)
        .text("access_key", backup.access_key.str())
        .text("secret_key", backup.secret_key.str())
        .text("session_token", backup.session_token.str())
        .text("heartbeat", backup.heartbeat)
        .text("metrics", backup.metrics.string());
}

} // namespace

void read_stores(Fields& parent, Context& context)
{
    read_redis(parent, context.redis);
    read_postgres(parent, context.postgres);
    {
        Fields f(parent, "prometheus");
        f.text("url", context.prometheus.url);
        f.text("via", context.prometheus.via);
        f.secret("token", context.prometheus.token);
    }
    read_backup(parent, context.backup);
}

Json stores_json(const Context& context)
{
    auto backup = backup_part(context.backup).json();
    if (!backup.empty())
        backup["keep"] = {{"daily", context.backup.keep_daily},
                          {"weekly", context.backup.keep_weekly},
                          {"monthly", context.backup.keep_monthly}};
    Json json = Json::object();
    const auto put = [&](const char* key, const Json& part) {
        if (!part.empty())
            json[key] = part;
    };
    put("redis", redis_part(context.redis).json());
    put("postgres", postgres_part(context.postgres).json());
    put("prometheus", Part()
                          .text("url", context.prometheus.url)
                          .text("via", context.prometheus.via)
                          .text("token", context.prometheus.token.str())
                          .json());
    put("backup", backup);
    return json;
}

} // namespace conduit
