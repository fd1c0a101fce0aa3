// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/manifest.hpp"

#include "core/hash.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::backup;

namespace {

constexpr auto k_id = "20261122T020000Z-7f3a";

Manifest example()
{
    Manifest manifest{.id = k_id,
                      .system = "llm",
                      .operation = "01JD3K7Q",
                      .started = *parse_time("2026-11-22T02:00:00Z"),
                      .finished = *parse_time("2026-11-22T02:00:41Z"),
                      .tool = "conduitctl 0.3.0",
                      .parts = {}};
    Part part{.name = "postgres-conduit",
              .kind = "pg_dump-custom",
              .file = "postgres-conduit.dump.zst.age",
              .source = "postgres conduit at db:5432",
              .sizes = {300, 200, 210},
              .sha256 = {sha256_hex("a"), sha256_hex("b"), sha256_hex("c")},
              .encrypted = true,
              .consistent_to = Json{{"lsn", "0/3A2B1C8"}},
              .invariants = Json{{"tables", 41}},
              .tools = {"pg_dump (PostgreSQL) 15.18"}};
    manifest.parts.push_back(std::move(part));
    return manifest;
}

} // namespace

TEST_CASE("a manifest is read as it was written")
{
    const auto text = write_manifest(example());
    const auto read = read_manifest(text, k_id);
    REQUIRE(read);
    CHECK(write_manifest(*read) == text);
    CHECK(read->parts.at(0).sizes.compressed == 200);
    CHECK((*read->parts.at(0).invariants)["tables"] == 41);
    CHECK(read->stored_bytes() == 210);
}

TEST_CASE("any byte of a manifest that is another is found")
{
    const auto text = write_manifest(example());
    for (std::size_t i = 0; i + 1 < text.size(); ++i) { // the last is the end of the line
        auto flipped = text;
        flipped[i] = static_cast<char>(flipped[i] ^ 1);
        const auto read = read_manifest(flipped, k_id);
        if (read)
            FAIL("byte " << i << " was flipped: " << flipped);
        CHECK(read.error().kind == ErrorKind::breached);
    }
}

TEST_CASE("a manifest of another backup, half of one and hostile ones are refused by name")
{
    const auto text = write_manifest(example());
    const auto other = read_manifest(text, "20261123T020000Z-0000");
    REQUIRE_FALSE(other);
    CHECK(other.error().kind == ErrorKind::breached);
    CHECK(other.error().message.find("20261123T020000Z-0000") != std::string::npos);
    CHECK_FALSE(read_manifest(text.substr(0, text.size() / 2), k_id));
    auto outside = example();
    outside.parts[0].file = "../../etc/passwd";
    CHECK_FALSE(read_manifest(write_manifest(outside), k_id));
    auto twice = example();
    twice.parts.push_back(twice.parts[0]);
    CHECK_FALSE(read_manifest(write_manifest(twice), k_id));
    auto none = example();
    none.parts.clear();
    CHECK_FALSE(read_manifest(write_manifest(none), k_id));
}

TEST_CASE("an id says when, and nothing else is one")
{
    const auto now = *parse_time("2026-11-22T02:00:00.532Z");
    const auto id = make_id(now);
    CHECK(is_id(id));
    CHECK(id.starts_with("20261122T020000Z-"));
    CHECK(format_time(time_of(id)) == "2026-11-22T02:00:00.000Z");
    for (const auto* text :
         {"", "latest", "20261122T020000Z", "20261122T020000Z-7f3a/", "../../../../etc/pass"})
        CHECK_FALSE(is_id(text));
}

TEST_CASE("a proof has the level of its lowest part")
{
    Proof proof{.backup = k_id,
                .at = *parse_time("2026-11-22T03:15:00Z"),
                .took = Duration{41'000},
                .asked = Level::counted,
                .parts = {{"a", Level::counted, ""}, {"b", Level::decoded, ""}}};
    CHECK(proof.level() == Level::decoded);
    const auto text = write_proof(proof);
    const auto read = read_proof(text, k_id);
    REQUIRE(read);
    CHECK(read->took == proof.took);
    CHECK(read->parts.size() == 2);
    CHECK(Json::parse(text)["level"] == "L2");
    CHECK_FALSE(read_proof(text, "20261123T020000Z-0000"));
    CHECK(Proof{}.level() == Level::stored);
}
