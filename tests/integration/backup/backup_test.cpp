// SPDX-License-Identifier: Apache-2.0
// Backups of real data, proved by restoring them: PostgreSQL 15, folders, the age program, zstd and tar.
#include "cli/backup/catalog.hpp"
#include "cli/backup/run.hpp"
#include "cli/backup/verify.hpp"
#include "core/process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/postgres_server.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::backup;
using namespace conduit::test;

namespace {

constexpr Duration k_long{120'000};

// A folder, and an identity of the age program to encrypt to.
struct World {
    TempDir dir = TempDir::make("conduit-backup").value();
    std::unique_ptr<Repository> repository = open_folder(dir.path() / "repository");
    Keys keys;

    World()
    {
        const auto identity = dir.path() / "identity.txt";
        const auto made =
            run_process({.argv = {"age-keygen", "-o", identity.string()}}, Deadline(k_long)).value();
        REQUIRE(made.exit_code == 0);
        const auto shown =
            run_process({.argv = {"age-keygen", "-y", identity.string()}}, Deadline(k_long)).value().out;
        keys = {.recipients = {shown.substr(0, shown.find('\n'))}, .identity = identity};
        const auto data = dir.path() / "data";
        REQUIRE(make_dirs(data / "sub"));
        REQUIRE(write_file(data / "sub/notes", "what the engineer wrote"));
        std::string noise(3'000'000, '\0');
        random_bytes(reinterpret_cast<std::uint8_t*>(noise.data()), noise.size()); // NOLINT: bytes are bytes
        REQUIRE(write_file(data / "noise", noise));
    }

    RunRequest request() const
    {
        return {.id = make_id(system_clock().now()),
                .system = "audio",
                .operation = "01JD3K7Q",
                .keys = keys,
                .clock = &system_clock(),
                .stop = nullptr,
                .progress = {},
                .sent = {}};
    }
    VerifyRequest verifying(Level level) const
    {
        return {.level = level,
                .rto = {},
                .scratch = {},
                .keys = keys,
                .clock = &system_clock(),
                .stop = nullptr,
                .progress = {}};
    }
    Manifest back_up_folder() const
    {
        std::vector<std::unique_ptr<Source>> sources;
        sources.push_back(tar_of_folder(dir.path() / "data", nullptr));
        const auto made = run_backup(*repository, sources, request(), Deadline(k_long));
        if (!made)
            FAIL(made.error().message << ": " << made.error().cause);
        return *made;
    }
    fs::path file_of(const Manifest& manifest) const
    {
        return dir.path() / "repository" / manifest.id / manifest.parts.at(0).file;
    }
    VerifyResult verify(const Manifest& manifest, Level level) const
    {
        const auto result = verify_backup(*repository, manifest, verifying(level), Deadline(k_long));
        if (!result)
            FAIL(result.error().message << ": " << result.error().cause);
        return *result;
    }
};

} // namespace

TEST_CASE_METHOD(World, "a folder is backed up encrypted, proved to L4, and stock tools read it")
{
    const auto manifest = back_up_folder();
    CHECK(manifest.parts.at(0).encrypted);
    CHECK((*manifest.parts.at(0).invariants)["files"] == 2);
    const auto result = verify(manifest, Level::counted);
    CHECK(result.reached());
    CHECK(result.proof.level() == Level::counted);
    REQUIRE(keep_proof(*repository, result.proof));
    const auto catalog = read_catalog(*repository).value();
    CHECK(catalog.entries.at(0).level == Level::counted);
    CHECK(catalog.newest_proven() == &catalog.entries.at(0));

    const auto out = dir.path() / "out";
    REQUIRE(make_dirs(out));
    const auto stock = run_process(
        {.argv = {"bash", "-c", "set -o pipefail; age -d -i \"$1\" \"$2\" | zstd -d | tar -x -C \"$3\"", "_",
                  keys.identity.string(), file_of(manifest).string(), out.string()}},
        Deadline(k_long));
    REQUIRE(stock);
    CHECK(stock->exit_code == 0);
    CHECK(read_file(out / "noise").value() == read_file(dir.path() / "data/noise").value());
}

TEST_CASE_METHOD(World,
                 "damage is found and named: a flipped byte anywhere, a cut, a missing and a swapped part")
{
    const auto manifest = back_up_folder();
    const auto file = file_of(manifest);
    const auto whole = read_file(file).value();
    const auto fault = [&] {
        const auto result = verify(manifest, Level::hashed);
        CHECK_FALSE(result.reached());
        return result.proof.parts.at(0).fault;
    };
    for (const std::size_t at : {std::size_t{0}, whole.size() / 3, whole.size() - 1}) {
        auto flipped = whole;
        flipped[at] = static_cast<char>(flipped[at] ^ 1);
        REQUIRE(write_file(file, flipped));
        CHECK(fault().find("part folder-data") != std::string::npos);
    }
    REQUIRE(write_file(file, whole.substr(0, whole.size() - 100)));
    CHECK(fault().find("bytes") != std::string::npos);
    REQUIRE(remove_file(file));
    CHECK(fault().find("missing") != std::string::npos);
    REQUIRE(write_file(file, read_file(file_of(back_up_folder())).value()));
    CHECK(fault().find("part folder-data") != std::string::npos);
    REQUIRE(write_file(file, whole));
    CHECK(verify(manifest, Level::counted).reached());
}

TEST_CASE_METHOD(World, "with the wrong key or none a backup is proved as far as that goes, and no further")
{
    const auto manifest = back_up_folder();
    REQUIRE(keep_proof(*repository, verify(manifest, Level::counted).proof));
    World other;
    keys.identity = other.keys.identity;
    const auto wrong = verify(manifest, Level::decoded);
    CHECK_FALSE(wrong.reached());
    CHECK(wrong.proof.level() == Level::hashed);
    REQUIRE(keep_proof(*repository, wrong.proof));
    const auto catalog = read_catalog(*repository).value();
    REQUIRE(catalog.newest_proven() != nullptr); // or prune would no longer spare it
    CHECK(catalog.newest_proven()->level == Level::counted);
    CHECK(wrong.proof.parts.at(0).fault.find("decoded") != std::string::npos);
    keys.identity.clear();
    const auto none = verify(manifest, Level::counted);
    CHECK_FALSE(none.reached());
    CHECK(none.proof.sound()); // nothing is wrong with it
    CHECK(none.proof.level() == Level::hashed);
    CHECK(none.parts.at(0).missing.find("no identity") != std::string::npos);
}

TEST_CASE_METHOD(World, "a part that fails leaves no backup behind")
{
    std::vector<std::unique_ptr<Source>> sources;
    sources.push_back(tar_of_folder(dir.path() / "data", nullptr));
    sources.push_back(tar_of_folder(dir.path() / "absent", nullptr));
    const auto made = run_backup(*repository, sources, request(), Deadline(k_long));
    REQUIRE_FALSE(made);
    CHECK(made.error().kind == ErrorKind::not_found);
    CHECK(repository->list("").value().empty());
}

TEST_CASE_METHOD(World, "a database is dumped with the counts of one snapshot and restored equal")
{
    if (postgres_missing())
        return;
    auto& server = shared_postgres();
    const auto name = server.make_database();
    server.run("CREATE TABLE request_logs (id bigserial PRIMARY KEY, text text NOT NULL DEFAULT 'x')", name);
    server.run("CREATE TABLE \"Request Logs\" (\"Mixed\" int)", name);
    server.run(
        "INSERT INTO request_logs (text) SELECT repeat(md5(i::text), 4) FROM generate_series(1, 20000) i",
        name);
    server.run("INSERT INTO \"Request Logs\" VALUES (1), (2)", name);
    const auto database = server.open(name);
    const PostgresPlace place{.host = server.folder().string(),
                              .port = 5432,
                              .database = name,
                              .user = "postgres",
                              .password = {},
                              .ssl_mode = {},
                              .ca = {}};
    std::vector<std::unique_ptr<Source>> sources;
    sources.push_back(dump_of_postgres(*database, place, nullptr));
    const auto made = run_backup(*repository, sources, request(), Deadline(k_long));
    if (!made)
        FAIL(made.error().message << ": " << made.error().cause);
    const auto& counted = *made->parts.at(0).invariants;
    CHECK(counted["tables"] == 2);
    CHECK(counted["rows"]["public.request_logs"] == 20'000);
    CHECK(counted["rows"]["public.Request Logs"] == 2);
    CHECK_FALSE((*made->parts.at(0).consistent_to)["lsn"].get<std::string>().empty());
    const auto result = verify(*made, Level::counted);
    INFO(result.proof.parts.at(0).fault << result.parts.at(0).missing);
    CHECK(result.reached());

    // What is whole, but not what it says it is, is found by counting.
    auto wrong = *made;
    auto rows = *wrong.parts[0].invariants;
    rows["rows"]["public.request_logs"] = 20'001;
    wrong.parts[0].invariants = rows;
    const auto compared = verify(wrong, Level::counted);
    CHECK_FALSE(compared.reached());
    CHECK(compared.proof.level() == Level::restored);
    CHECK(compared.proof.parts.at(0).fault.find("public.request_logs is 20000") != std::string::npos);
}
