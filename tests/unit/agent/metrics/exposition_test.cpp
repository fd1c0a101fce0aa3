// SPDX-License-Identifier: Apache-2.0
#include "agent/metrics/exposition.hpp"
#include "agent/metrics/series.hpp"
#include "tests/support/catch.hpp"

#include <cmath>
#include <limits>
#include <map>
#include <thread>

using namespace conduit::agent;

TEST_CASE("label values are escaped and broken UTF-8 is replaced")
{
    Exposition out;
    out.family("x", "Help.", "gauge");
    out.sample({{"a", "say \"hi\"\\\n"}, {"b", "\xff"}}, 1);
    CHECK(out.take() ==
          "# HELP x Help.\n# TYPE x gauge\nx{a=\"say \\\"hi\\\"\\\\\\n\",b=\"\xEF\xBF\xBD\"} 1\n");
}

TEST_CASE("numbers are written as Prometheus reads them")
{
    CHECK(format_number(0) == "0");
    CHECK(format_number(1234567890123) == "1234567890123");
    CHECK(format_number(0.25) == "0.25");
    CHECK(format_number(std::nan("")) == "NaN");
    CHECK(format_number(std::numeric_limits<double>::infinity()) == "+Inf");
}

TEST_CASE("a family holds at most its bound of series over all shards, the rest is other")
{
    LabelRegistry registry;
    std::array<ShardFamily, 2> shards;
    for (int i = 0; i < 2000; ++i) {
        const std::string a = "value" + std::to_string(i);
        const std::array<std::string_view, 2> labels{a, "x"};
        shards[static_cast<std::size_t>(i) % 2].add(registry, labels, 1);
        shards[0].add(registry, std::array<std::string_view, 2>{"value0", "x"}, 1);
    }
    std::map<LabelSet, double> merged;
    for (const auto& shard : shards)
        shard.each([&](const Series& series) { merged[*series.labels] += series.value; });
    CHECK(merged.size() == k_max_series + 1);
    CHECK(merged[LabelSet{"other", "other"}] == 2000 - k_max_series);
    CHECK(merged[LabelSet{"value0", "x"}] == 2001);
}

TEST_CASE("over-long label values are cut and counted together")
{
    LabelRegistry registry;
    ShardFamily family;
    const std::string cut(k_max_label_bytes, 'a');
    family.add(registry, std::array<std::string_view, 1>{cut}, 1);
    const auto longer = cut + "b";
    family.add(registry, std::array<std::string_view, 1>{longer}, 1);
    int series = 0;
    family.each([&](const Series& one) {
        ++series;
        CHECK(one.value == 2);
    });
    CHECK(series == 1);
}

TEST_CASE("a reader may look while the writer adds series")
{
    LabelRegistry registry;
    ShardFamily family;
    const std::array bounds{1.0, 2.0};
    std::thread writer([&] {
        for (int i = 0; i < 5000; ++i) {
            const auto label = std::to_string(i % 600);
            family.observe(registry, std::array<std::string_view, 1>{label}, bounds, i % 3);
        }
    });
    std::uint64_t seen = 0;
    while (seen < 100) {
        seen = 0;
        family.each([&](const Series& series) { seen += series.buckets[0] + series.labels->size() - 1; });
    }
    writer.join();
    seen = 0;
    family.each([&](const Series& series) {
        for (std::size_t i = 0; i < 3; ++i)
            seen += series.buckets[i];
    });
    CHECK(seen == 5000);
}
