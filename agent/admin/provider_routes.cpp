// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/provider_actions.hpp"
#include "agent/admin/statistics.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

namespace conduit::agent {
namespace {

constexpr Duration k_test_timeout{5'000};
constexpr std::int64_t k_longest_test_ms = 120'000;

Result<AdminResponse> providers(AdminServices& services, const Call& call)
{
    const auto window = read_window(services, 300);
    const auto pools = services.data_plane.pool_stats();
    Json items = Json::array();
    for (std::size_t i = 0; i < call.snapshot->config.providers.size(); ++i)
        items.push_back(provider_item(services, *call.snapshot, i, window, pools));
    return json_response({{"revision", call.snapshot->revision}, {"items", std::move(items)}});
}

Result<AdminResponse> provider(AdminServices& services, const Call& call)
{
    TRY_ASSIGN(const auto* found, known_provider(call));
    const auto index = static_cast<std::size_t>(found - call.snapshot->config.providers.data());
    return json_response(provider_item(services, *call.snapshot, index, read_window(services, 300),
                                       services.data_plane.pool_stats()));
}

Json test_json(const std::string& name, const Result<DataPlane::TestResult>& result)
{
    if (!result)
        return {{"provider", name},
                {"ok", false},
                {"status", 0},
                {"took_ms", 0.0},
                {"error", result.error().message},
                {"outcome", outcome_name(Outcome::transient)}};
    return {{"provider", name},         {"ok", result->ok},
            {"status", result->status}, {"took_ms", static_cast<double>(result->took.count())},
            {"error", result->error},   {"outcome", outcome_name(result->outcome)}};
}

Result<AdminResponse> test(AdminServices& services, const Call& call)
{
    TRY_ASSIGN(const auto* found, known_provider(call));
    const auto limit = static_cast<std::int64_t>(
        json_number_or(*call.body, "timeout_ms", static_cast<double>(k_test_timeout.count())));
    if (limit < 1 || limit > k_longest_test_ms)
        return fail(ErrorKind::usage, fmt::format("'timeout_ms' must be from 1 to {}", k_longest_test_ms));
    const auto result = services.data_plane.test_provider(
        found->name, json_bool_or(*call.body, "billed", false), Deadline(Duration(limit)));
    return json_response(test_json(found->name, result));
}

constexpr std::array k_routes{
    Route{"GET", "/admin/v1/providers", Scope::viewer, "All providers: weight, share, health, circuit", "",
          "", "Providers", providers},
    Route{"GET", "/admin/v1/providers/{provider}", Scope::viewer, "One provider", "", "", "Provider",
          provider},
    Route{"POST", "/admin/v1/providers/{provider}/test", Scope::operator_,
          "Probe a provider; billed sends one real word of speech", "", "TestRequest", "TestResult", test},
    Route{"POST", "/admin/v1/health/check", Scope::operator_, "Probe every enabled provider now", "", "",
          "TestResults", check_all_providers},
};

} // namespace

Result<AdminResponse> check_all_providers(AdminServices& services, const Call& call)
{
    std::vector<std::string> names;
    for (const auto& provider : call.snapshot->config.providers)
        if (provider.enabled)
            names.push_back(provider.name);
    std::vector<Json> results(names.size());
    {
        std::vector<std::jthread> threads; // one slow provider does not hold up the answer about the others
        for (std::size_t i = 0; i < names.size(); ++i)
            threads.emplace_back([&services, &names, &results, i] {
                results[i] = test_json(
                    names[i], services.data_plane.test_provider(names[i], false, Deadline(k_test_timeout)));
            });
    }
    return json_response({{"items", results}});
}

std::span<const Route> provider_routes()
{
    return k_routes;
}

} // namespace conduit::agent
