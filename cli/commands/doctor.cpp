// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/checks.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

namespace conduit::commands {
namespace {

using Status = CheckResult::Status;

std::string_view status_name(Status status)
{
    constexpr std::string_view names[] = {"ok", "warn", "fail", "skip"};
    return names[static_cast<std::size_t>(status)];
}

void check_config_file(App& app, std::vector<NamedCheck>& checks)
{
    const ConfigPlaces places = app.config_places();
    constexpr std::size_t k_largest = 4U << 20U;
    const auto text = read_file(places.file, k_largest);
    if (!text && text.error().kind == ErrorKind::not_found) {
        checks.push_back({"configuration",
                          {.detail = fmt::format("{} is absent; the built-in context local is used",
                                                 places.file.string())}});
        return;
    }
    if (!text) {
        checks.push_back({"configuration",
                          {Status::fail, text.error().message,
                           fmt::format("Make it readable: chmod u+r {}", places.file.string())}});
        return;
    }
    const auto errors = check_config(*text, places);
    for (const Error& error : errors)
        checks.push_back({"configuration",
                          {Status::fail, error.message,
                           error.hint.empty() ? "Known fields: conduitctl docs schema config" : error.hint}});
    if (errors.empty())
        checks.push_back({"configuration", {.detail = places.file.string()}});
    struct stat info{};
    if (stat(places.file.c_str(), &info) == 0 && (info.st_mode & (S_IWGRP | S_IWOTH)) != 0)
        checks.push_back({"permissions",
                          {Status::fail, fmt::format("others may write {}", places.file.string()),
                           fmt::format("Close it: chmod go-w {}", places.file.string())}});
    else
        checks.push_back({"permissions", {.detail = "only its owner may write the configuration"}});
}

// The nearest folder that exists decides whether the missing rest can be made.
bool can_write(fs::path path)
{
    std::error_code ignored;
    while (!fs::exists(path, ignored) && path.has_parent_path() && path != path.parent_path())
        path = path.parent_path();
    return access(path.c_str(), W_OK | X_OK) == 0 && fs::is_directory(path, ignored);
}

void check_folder(std::string name, const fs::path& path, std::string_view use,
                  std::vector<NamedCheck>& checks)
{
    if (can_write(path))
        checks.push_back({std::move(name), {.detail = path.string()}});
    else
        checks.push_back({std::move(name),
                          {Status::fail, fmt::format("cannot write {}; {}", path.string(), use),
                           fmt::format("Make it writable: mkdir -p {0} && chmod u+rwx {0}", path.string())}});
}

void check_selected_context(App& app, std::vector<NamedCheck>& checks)
{
    const auto context = app.context();
    if (context) {
        checks.push_back({"context",
                          {.detail = fmt::format("{} ({}, {})", (*context)->name, (*context)->system,
                                                 orchestrator_name((*context)->orchestrator))}});
        for (NamedCheck& check : check_context(app, **context))
            checks.push_back(std::move(check));
        return;
    }
    // A broken file has been reported with its places already.
    if (context.error().kind == ErrorKind::not_found)
        checks.push_back({"context", {Status::fail, context.error().message, context.error().hint}});
    else
        checks.push_back({"context", {Status::skip, "the configuration cannot be read", ""}});
}

Result<Report> doctor_run(App& app)
{
    auto checks = check_installation(app);
    check_selected_context(app, checks);
    if (app.cancel().requested())
        return fail(ErrorKind::interrupted, "interrupted before every check was made");
    return checks_report(checks);
}

} // namespace

std::vector<NamedCheck> check_installation(App& app)
{
    std::vector<NamedCheck> checks;
    check_config_file(app, checks);
    check_folder("state folder", app.paths().state_dir, "no change can be journalled", checks);
    check_folder("cache folder", app.paths().cache_dir, "completion has no live values", checks);
    if (app.module_slot.has_factory()) {
        const auto backends = app.backends();
        if (backends)
            checks.push_back({"backends", {.detail = "the module loads"}});
        else
            checks.push_back(
                {"backends",
                 {Status::fail,
                  backends.error().cause.empty() ? backends.error().message
                                                 : backends.error().message + ": " + backends.error().cause,
                  backends.error().hint}});
    }
    return checks;
}

std::vector<NamedCheck> check_context(App& app, const Context& context)
{
    std::vector<NamedCheck> checks;
    const std::vector<std::pair<std::string, const SecretRef*>> secrets{
        {"agent.token", &context.agent.token},
        {"redis.password", &context.redis.password},
        {"postgres.password", &context.postgres.password},
        {"prometheus.token", &context.prometheus.token},
        {"backup.access_key", &context.backup.access_key},
        {"backup.secret_key", &context.backup.secret_key}};
    for (const auto& [field, reference] : secrets) {
        if (!reference->set())
            continue;
        const auto secret = app.secret(*reference);
        if (secret)
            checks.push_back({"secret " + field, {.detail = reference->str()}});
        else
            checks.push_back(
                {"secret " + field, {Status::fail, secret.error().message, secret.error().hint}});
    }
    for (const ReachCheck& check : app.reach_checks)
        checks.push_back({check.name, check.run(app, context)});
    if (checks.empty())
        checks.push_back({"context " + context.name, {.detail = "nothing to reach is configured"}});
    return checks;
}

Report checks_report(const std::vector<NamedCheck>& checks)
{
    Report report;
    Json items = Json::array();
    std::size_t failed = 0;
    for (const NamedCheck& check : checks) {
        failed += check.result.status == Status::fail ? 1 : 0;
        Json item{{"status", status_name(check.result.status)},
                  {"name", check.name},
                  {"detail", check.result.detail}};
        if (!check.result.hint.empty())
            item["hint"] = check.result.hint;
        items.push_back(std::move(item));
        if (check.result.status == Status::fail || check.result.status == Status::warn)
            report.notes.push_back(fmt::format("{}: {}", check.name, printable(check.result.hint)));
    }
    report.verdict = failed > 0 ? ErrorKind::breached : ErrorKind::ok;
    report.data = Json{{"items", items}, {"failed", failed}, {"verdict", kind_name(report.verdict)}};
    report.columns = {{.head = "STATUS", .field = "status"},
                      {.head = "CHECK", .field = "name"},
                      {.head = "DETAIL", .field = "detail"}};
    return report;
}

Noun doctor()
{
    return standalone(
        Group::where,
        {.name = "doctor",
         .summary = "Check this installation and the current context",
         .text = "Is the configuration readable and without faults, are the folders writable, do the "
                 "secrets of the current context resolve, does it answer. Exit 13 when a check fails; "
                 "each failure comes with a hint.",
         .examples = {"conduitctl doctor", "conduitctl doctor -C prod -o json"},
         .also = {ErrorKind::breached},
         .omitted = {{ErrorKind::failed, "a finding of the check: 13"},
                     {ErrorKind::not_found, "a finding of the check: 13"},
                     {ErrorKind::auth, "a finding of the check: 13"},
                     {ErrorKind::unreachable, "a finding of the check: 13"},
                     {ErrorKind::unknown, "a finding of the check: 13"}}},
        doctor_run);
}

} // namespace conduit::commands
