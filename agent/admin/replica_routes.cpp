// SPDX-License-Identifier: Apache-2.0
// What a replica says about itself: identity, configuration, records, the mirrored journal.
#include "agent/admin/statistics.hpp"
#include "agent/metrics/process_stats.hpp"

#include <nlohmann/json.hpp>
#include <unistd.h>

namespace conduit::agent {
namespace {

Json config_file_json(const ControlStatus& status)
{
    return {{"file", status.config_file},
            {"sha256", status.config_sha256},
            {"loaded_at", format_time(status.config_loaded_at)},
            {"error", status.config_error}};
}

Result<AdminResponse> replica(AdminServices& services, const Call&)
{
    const auto status = services.controller.status();
    const auto uptime =
        std::chrono::duration_cast<std::chrono::seconds>(services.clock.now() - services.started_at);
    return json_response({{"name", status.replica},
                          {"version", services.version},
                          {"pid", ::getpid()},
                          {"started_at", format_time(services.started_at)},
                          {"ready", status.ready},
                          {"admin_url", status.admin_url},
                          {"uptime_s", uptime.count()},
                          {"control", control_json(status)},
                          {"config", config_file_json(status)},
                          {"in_flight", services.data_plane.in_flight()},
                          {"realtime", services.gauges.realtime_sessions()},
                          {"rss_bytes", read_process_stats().resident_bytes},
                          {"replicas", status.replicas},
                          {"warnings", status.warnings}});
}

Result<AdminResponse> replicas(AdminServices& services, const Call&)
{
    constexpr Duration seen_within{5'000};
    TRY_ASSIGN(const auto list, services.controller.store().replicas(seen_within));
    Json items = Json::array();
    for (const auto& info : list)
        items.push_back({{"name", info.name},
                         {"admin_url", info.admin_url},
                         {"pid", info.pid},
                         {"applied_revision", info.applied_revision},
                         {"seen_at", format_time(info.seen_at)},
                         {"version", info.version}});
    return json_response({{"items", std::move(items)}});
}

Result<AdminResponse> config(AdminServices& services, const Call& call)
{
    auto body = config_file_json(services.controller.status());
    body["file"] = call.snapshot->config.file.string();
    body["effective"] = config_json(call.snapshot->config);
    return json_response(body);
}

Result<AdminResponse> records(AdminServices& services, const Call&)
{
    return json_response(records_json(services.records.stats()));
}

Result<AdminResponse> summary(AdminServices& services, const Call& call)
{
    TRY_ASSIGN(const auto seconds, call.number("seconds", 300, 300));
    return json_response(summary_json(services, *call.snapshot, static_cast<unsigned>(seconds)));
}

Result<AdminResponse> journal(AdminServices& services, const Call& call)
{
    TRY_ASSIGN(const auto limit, call.number("limit", 1000, 100'000));
    TRY_ASSIGN(const auto lines, services.controller.store().journal(limit));
    return json_response({{"items", lines}});
}

Result<AdminResponse> append_journal(AdminServices& services, const Call& call)
{
    TRY(services.controller.store().append_journal((*call.body)["line"].get<std::string>()));
    return json_response({{"ok", true}});
}

constexpr std::array k_routes{
    Route{"GET", "/admin/v1/replica", Scope::viewer, "This replica and how current it is", "", "", "Replica",
          replica},
    Route{"GET", "/admin/v1/replicas", Scope::viewer, "Replicas by their heartbeats", "", "", "Replicas",
          replicas},
    Route{"GET", "/admin/v1/config", Scope::viewer, "The configuration in effect, secrets as fingerprints",
          "", "", "Config", config},
    Route{"GET", "/admin/v1/records", Scope::viewer, "The queue of request records", "", "", "Records",
          records},
    Route{"GET", "/admin/v1/summary", Scope::viewer, "Requests, errors and latency of the last seconds",
          "seconds:integer", "", "Summary", summary},
    Route{"GET", "/admin/v1/journal", Scope::viewer, "The mirrored journal of operations", "limit:integer",
          "", "Journal", journal},
    Route{"POST", "/admin/v1/journal", Scope::operator_, "Mirror one journal line", "", "JournalLine", "Done",
          append_journal},
};

} // namespace

std::span<const Route> replica_routes()
{
    return k_routes;
}

} // namespace conduit::agent
