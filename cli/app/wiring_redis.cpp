// SPDX-License-Identifier: Apache-2.0
#include "cli/app/wiring_redis.hpp"

#include "cli/app/module.hpp"
#include "cli/app/screen.hpp"
#include "cli/backend/pod_sockets.hpp"
#include "cli/targets/redis.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit {
namespace {

constexpr Duration k_limit{30'000};
constexpr Duration k_connect{5'000}; // through an API server as well

// They stand in the context's own file, so their names are what is wrong.
Error in_context(Error error, const Context& context, std::string_view field)
{
    return std::move(error)
        .prefixed(fmt::format("redis.{} of context {}", field, context.name))
        .with_hint(fmt::format("Set it: conduitctl context set redis.{} VALUE -C {}", field, context.name));
}

Result<redis::Settings> settings_of(const Context& context)
{
    const auto& config = context.redis;
    redis::Settings settings;
    if (!config.url.empty()) {
        auto parsed = redis::parse_url(config.url);
        if (!parsed)
            return in_context(std::move(parsed).error(), context, "url");
        settings = *std::move(parsed);
    } else if (!config.service.empty()) {
        auto parsed = redis::parse_address(fmt::format("{}:{}", config.service, config.port));
        if (!parsed)
            return in_context(std::move(parsed).error(), context, "service");
        settings.address = *std::move(parsed);
    }
    for (const auto& text : config.sentinels) {
        auto parsed = redis::parse_address(text, 26'379);
        if (!parsed)
            return in_context(std::move(parsed).error(), context, "sentinels");
        settings.sentinels.push_back(*std::move(parsed));
    }
    if (config.url.empty())
        settings.database = static_cast<unsigned>(std::max(0, config.database));
    settings.master = config.master;
    settings.identity.username = config.user;
    settings.tls.on = settings.tls.on || config.tls.on;
    settings.tls.ca = config.tls.ca;
    settings.tls.certificate = config.tls.certificate;
    settings.tls.key = config.tls.key;
    settings.tls.server_name = config.tls.server_name;
    settings.connect_timeout = k_connect;
    return settings;
}

Result<std::string> password_of(App& app, const SecretRef& ref, const Cluster* cluster)
{
    if (!ref.set())
        return std::string();
    if (ref.source == SecretRef::Source::kubernetes && cluster != nullptr)
        return read_cluster_secret(*cluster, ref.location, app.deadline(k_limit));
    TRY_ASSIGN(const auto secret, app.secret(ref));
    return secret.reveal();
}

// From inside of the cluster: the addresses that its servers announce lead nowhere from here.
Result<> lead_through(App& app, const Context& context, const Cluster& cluster, RedisAccess& access)
{
    TRY_ASSIGN(Endpoints * endpoints, app.endpoints());
    TRY_ASSIGN(InstanceStreams * streams, app.streams());
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    TRY_ASSIGN(const auto place, orchestrator->identity(app.deadline(k_limit)));
    const auto& settings = access.settings;
    const auto service =
        context.redis.service.empty() ? settings.sentinels.front().host : context.redis.service;
    access.identity = fmt::format("redis {} in {} of {}", service, cluster.name_space, place);
    const auto sockets = std::make_shared<PodSockets>(*endpoints, *streams, service, app.cancel());
    access.reach = [sockets](const redis::Address& to, Deadline deadline) -> Result<redis::Address> {
        auto out = to;
        TRY_ASSIGN(out.socket, sockets->socket_of(to.host, to.port, deadline));
        return out;
    };
    access.fault = [sockets](const redis::Address& to) { return sockets->fault_of(to.host, to.port); };
    return {};
}

} // namespace

Result<std::unique_ptr<RedisServers>> make_context_redis(App& app,
                                                         const std::shared_ptr<ClusterConnection>& cluster)
{
    TRY_ASSIGN(const Context* context, app.context());
    const auto& config = context->redis;
    if (!config.set())
        return fail(ErrorKind::usage, fmt::format("context {} names no Redis", context->name),
                    fmt::format("Say where it is: conduitctl context set redis.url redis://HOST:6379/0 -C {}",
                                context->name));
    RedisAccess access;
    TRY_ASSIGN(access.settings, settings_of(*context));
    access.identity = fmt::format("redis {}", access.settings.where());
    const Cluster* reached = nullptr;
    if (context->orchestrator == OrchestratorKind::kubernetes &&
        (config.url.empty() || config.password.source == SecretRef::Source::kubernetes)) {
        TRY_ASSIGN(reached, cluster->get(app));
    }
    TRY_ASSIGN(access.settings.identity.password, password_of(app, config.password, reached));
    if (reached != nullptr && config.url.empty())
        TRY(lead_through(app, *context, *reached, access));
    else if (config.url.empty() && config.sentinels.empty())
        return fail(ErrorKind::usage,
                    fmt::format("context {} is of no cluster: service {} cannot be found", context->name,
                                config.service),
                    fmt::format("Name the server: conduitctl context set redis.url redis://HOST:6379/0 -C {}",
                                context->name));
    TRY_ASSIGN(BackendModule * backends, app.backends());
    return backends->redis(std::move(access), &app.cancel());
}

Result<std::unique_ptr<ops::Target>> make_redis_target(App& app)
{
    TRY_ASSIGN(RedisServers * servers, app.redis());
    return std::make_unique<ops::RedisTarget>(*servers, app.clock(), app.cancel(),
                                              make_console_progress(app));
}

} // namespace conduit
