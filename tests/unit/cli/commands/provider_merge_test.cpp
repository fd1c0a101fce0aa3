// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/provider_merge.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;

namespace {

JsonBox replica(double openai, double google, double errors, const char* circuit, double health)
{
    return Json{{"items",
                 {{{"name", "openai"},
                   {"requests_5m", openai},
                   {"error_rate", openai > 0 ? Json(errors) : Json()},
                   {"circuit", circuit},
                   {"health", health},
                   {"pool", {{"in_use", 1}, {"open", 2}, {"limit", 100}}}},
                  {{"name", "google"}, {"requests_5m", google}, {"circuit", "closed"}, {"health", 1.0}}}}};
}

} // namespace

TEST_CASE("the replicas' rows become one: sums, weighed rates, the worst of health and circuit")
{
    const auto rows =
        commands::merged_providers({replica(30, 10, 0.1, "closed", 0.9), replica(10, 50, 0.5, "open", 0.2),
                                    replica(0, 0, 0, "closed", 1)});
    REQUIRE(rows.size() == 2);
    CHECK(rows[0]["share_5m"] == 0.4);
    CHECK(rows[0]["error_rate"].get<double>() == Approx(0.2));
    CHECK(rows[0]["circuit"] == "open");
    CHECK(rows[0]["health"] == 0.2);
    CHECK(rows[0]["pool"]["limit"] == 300);
    CHECK(rows[1]["share_5m"] == 0.6);
}

TEST_CASE("without traffic a share is no data, not zero")
{
    const auto rows = commands::merged_providers({replica(0, 0, 0, "closed", 1)});
    CHECK(rows[0]["share_5m"].is_null());
    CHECK(rows[0]["error_rate"].is_null());
}
