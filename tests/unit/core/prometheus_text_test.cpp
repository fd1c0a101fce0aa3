// SPDX-License-Identifier: Apache-2.0
#include "core/prometheus_text.hpp"
#include "tests/support/catch.hpp"

#include <cmath>

using namespace conduit;

TEST_CASE("the text format is read with types, labels and special values")
{
    const auto samples = parse_prometheus_text("# HELP x_total Things\n# TYPE x_total counter\n"
                                               "x_total{a=\"b\\\"c\\n\",d=\"\\\\\"} 3 1700000000000\r\n"
                                               "# TYPE h histogram\nh_bucket{le=\"+Inf\"} 7\nh_sum NaN\n"
                                               "gauge -Inf\n")
                             .value();
    REQUIRE(samples.size() == 4);
    CHECK(samples[0].counter);
    CHECK(samples[0].labels[0].second == "b\"c\n");
    CHECK(samples[0].series() == "x_total{a=\"b\\\"c\\n\",d=\"\\\\\"}");
    CHECK(samples[1].counter);
    CHECK(std::isnan(samples[2].value));
    CHECK(std::isinf(samples[3].value));
    CHECK_FALSE(samples[3].counter);
}

TEST_CASE("what is not in the format is named by its line")
{
    for (const auto* bad : {"ok 1\nx{a=\"b} 1\n", "ok 1\nx{a} 1\n", "ok 1\nx one\n", "ok 1\n1x 1\n",
                            "ok 1\nx 1 2 3\n", "ok 1\nx{a=\"\\q\"} 1\n", "ok 1\n{} 1\n"}) {
        INFO(bad);
        const auto r = parse_prometheus_text(bad);
        REQUIRE_FALSE(r);
        CHECK(r.error().message == "line 2 of the metrics is not in Prometheus' text format");
    }
}
