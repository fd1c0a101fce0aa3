// SPDX-License-Identifier: Apache-2.0
#include "cli/app/wiring_backup.hpp"

#include "cli/backup/s3.hpp"
#include "cli/targets/backups.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

namespace conduit {
namespace {

constexpr std::string_view k_folder = "folder:";

class ContextBackups final : public Backups {
  public:
    ContextBackups(App& app, const Context& context) : app_(app), context_(context) {}

    std::string identity() const override { return context_.backup.repository; }
    std::string system() const override { return context_.system; }
    std::vector<std::string> parts() const override { return context_.backup.parts; }
    backup::Keys keys() const override { return {context_.backup.recipients, context_.backup.identity}; }
    backup::Retention retention() const override
    {
        const auto& config = context_.backup;
        return {config.keep_daily, config.keep_weekly, config.keep_monthly};
    }

    Result<backup::Repository*> repository() override
    {
        if (!repository_) {
            TRY_ASSIGN(repository_, open());
        }
        return repository_.get();
    }

    Result<std::vector<std::unique_ptr<backup::Source>>>
    sources(const std::vector<std::string>& parts) override
    {
        std::vector<std::unique_ptr<backup::Source>> sources;
        for (const auto& part : parts) {
            TRY_ASSIGN(auto source, source_of(part));
            sources.push_back(std::move(source));
        }
        return sources;
    }

  private:
    Result<std::unique_ptr<backup::Repository>> open()
    {
        const auto& config = context_.backup;
        if (config.repository.empty())
            return fail(ErrorKind::usage,
                        fmt::format("context {} names no repository for backups", context_.name),
                        fmt::format("Say where they go: conduitctl context set backup.repository "
                                    "s3://BUCKET/PREFIX -C {}",
                                    context_.name));
        if (!config.repository.starts_with("s3://"))
            return backup::open_folder(expand_home(config.repository, app_.env_or("HOME", "")));
        TRY_ASSIGN(auto place, backup::parse_s3(config.repository));
        place.endpoint = config.endpoint;
        place.region = config.region.empty() ? "us-east-1" : config.region;
        place.path_style = config.path_style;
        TRY_ASSIGN(place.credentials.access_key, secret(config.access_key, "backup.access_key"));
        TRY_ASSIGN(place.credentials.secret_key, secret(config.secret_key, "backup.secret_key"));
        if (config.session_token.set()) {
            TRY_ASSIGN(place.credentials.session_token, secret(config.session_token, "backup.session_token"));
        }
        TRY_ASSIGN(HttpClient * http, app_.http());
        return backup::open_s3(std::move(place), *http, app_.clock(), &app_.cancel());
    }

    Result<std::string> secret(const SecretRef& ref, std::string_view field)
    {
        if (!ref.set())
            return fail(ErrorKind::auth, fmt::format("context {} names no {}", context_.name, field),
                        fmt::format("Say where it is: conduitctl context set {} file:PATH -C {}", field,
                                    context_.name));
        TRY_ASSIGN(const auto value, app_.secret(ref));
        return value.reveal();
    }

    Result<std::unique_ptr<backup::Source>> source_of(const std::string& part)
    {
        if (part == "postgres")
            return postgres();
        if (part.starts_with(k_folder) && part.size() > k_folder.size())
            return backup::tar_of_folder(expand_home(part.substr(k_folder.size()), app_.env_or("HOME", "")),
                                         &app_.cancel());
        return fail(ErrorKind::usage, fmt::format("'{}' is no part of a backup", printable(part)),
                    "Parts are postgres and folder:PATH.");
    }

    Result<std::unique_ptr<backup::Source>> postgres()
    {
        TRY_ASSIGN(Database * database, app_.database());
        const auto& config = context_.postgres;
        if (config.host.empty())
            return fail(
                ErrorKind::refused,
                fmt::format("pg_dump cannot reach service {} of the cluster from here", config.service),
                "Name an address: conduitctl context set postgres.host HOST");
        backup::PostgresPlace place{.host = config.host,
                                    .port = config.port,
                                    .database = config.database.empty() ? "postgres" : config.database,
                                    .user = config.user.empty() ? "postgres" : config.user,
                                    .password = {},
                                    .ssl_mode = config.ssl_mode,
                                    .ca = config.ca.string()};
        if (config.password.set()) {
            TRY_ASSIGN(place.password, secret(config.password, "postgres.password"));
        }
        return backup::dump_of_postgres(*database, std::move(place), &app_.cancel());
    }

    App& app_;
    const Context& context_;
    std::unique_ptr<backup::Repository> repository_;
};

} // namespace

Result<std::unique_ptr<Backups>> make_context_backups(App& app)
{
    TRY_ASSIGN(const Context* context, app.context());
    return std::make_unique<ContextBackups>(app, *context);
}

Result<std::unique_ptr<ops::Target>> make_backup_target(App& app)
{
    TRY_ASSIGN(Backups * backups, app.backup());
    return std::make_unique<ops::BackupTarget>(*backups, app.clock(), &app.cancel());
}

} // namespace conduit
