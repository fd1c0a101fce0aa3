// SPDX-License-Identifier: Apache-2.0
#include "sim/faults/fault.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::sim;

namespace {

const Route k_client{"speech", RouteClass::client};
const Route k_probe{"models", RouteClass::probe};

Fault fault(std::string_view text)
{
    const auto result = patch_fault({}, *parse_json(text));
    REQUIRE(result);
    return *result;
}

} // namespace

TEST_CASE("A fault shows exactly what was set, and every member can be set and reset")
{
    const auto all =
        *parse_json(R"({"latency_ms":1,"first_byte_ms":2,"bytes_per_second":3,"error_rate":0.5,"status":500,
        "fail_next":4,"throttle":true,"retry_after_s":0,"quota_exhausted":true,"bad_credentials":true,"garbage":true,
        "html_502":true,"hang":true,"cut_after_bytes":0,"reset":"accept","down":true,"ws_close_code":1011,
        "ws_close_reason":"why","ws_close_after":5,"expires_in_s":1.5})");
    const auto set = patch_fault({}, all);
    REQUIRE(set);
    CHECK(fault_json(*set) == all);
    for (const auto& [name, value] : all.items()) {
        const auto less = patch_fault(*set, Json{{name, nullptr}});
        REQUIRE(less);
        if (name != "ws_close_code") // the reason keeps the close frame, with the ordinary code
            CHECK_FALSE(fault_json(*less).contains(name));
    }
    CHECK(fault_json({}).empty());
    CHECK_FALSE(Fault{}.any());
    CHECK(set->any());
}

TEST_CASE("Patches add up")
{
    const auto first = fault(R"({"latency_ms":5})");
    const auto second = patch_fault(first, *parse_json(R"({"throttle":true})"));
    REQUIRE(second);
    CHECK(second->latency == 5ms);
    CHECK(second->throttle);
}

TEST_CASE("Values out of range, of the wrong type and unknown members are usage errors")
{
    for (const auto* bad :
         {R"({"error_rate":1.1})", R"({"error_rate":"1"})", R"({"status":399})", R"({"status":600})",
          R"({"latency_ms":-1})", R"({"latency_ms":1e300})", R"({"throttle":1})", R"({"reset":1})",
          R"({"ws_close_code":5000})", R"({"bytes_per_second":-1})", R"({"x":1})", "[]", "null"}) {
        const auto result = patch_fault({}, *parse_json(bad));
        INFO(bad);
        REQUIRE_FALSE(result);
        CHECK(result.error().kind == ErrorKind::usage);
    }
}

TEST_CASE("judge spares probes from what concerns clients only")
{
    for (const auto* text : {R"({"throttle":true})", R"({"quota_exhausted":true})", R"({"garbage":true})"}) {
        CHECK(judge(fault(text), ProviderKind::openai, k_client, 0.5, false).answer);
        CHECK_FALSE(judge(fault(text), ProviderKind::openai, k_probe, 0.5, false).answer);
    }
    for (const auto* text :
         {R"({"bad_credentials":true})", R"({"html_502":true})", R"({"status":500})", R"({"error_rate":1})"})
        CHECK(judge(fault(text), ProviderKind::openai, k_probe, 0.5, false).answer);
}

TEST_CASE("judge fails as many requests as the dice say, and status alone fails all")
{
    const auto some = fault(R"({"error_rate":0.3,"status":500})");
    CHECK(judge(some, ProviderKind::google, k_client, 0.29, false).answer->status == 500);
    CHECK_FALSE(judge(some, ProviderKind::google, k_client, 0.3, false).answer);
    CHECK(judge(fault(R"({"status":504})"), ProviderKind::google, k_client, 0.9, false).answer->status ==
          504);
    const auto next = fault(R"({"fail_next":1,"status":500})");
    CHECK(judge(next, ProviderKind::aws, k_client, 0.9, true).answer->status == 500);
    CHECK_FALSE(judge(next, ProviderKind::aws, k_client, 0.9, false).answer);
}

TEST_CASE("Failures have each provider's shape")
{
    CHECK(failure_answer(ProviderKind::openai, k_client, 500).body.contains("\"type\":\"server_error\""));
    CHECK(failure_answer(ProviderKind::google, k_client, 503).body.contains("\"status\":\"UNAVAILABLE\""));
    const auto aws = failure_answer(ProviderKind::aws, k_client, 503);
    CHECK(aws.headers.back().first == "x-amzn-ErrorType");
    CHECK(failure_answer(ProviderKind::aws, {"transcribe.list"}, 500).body.contains("\"__type\""));
}
