// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/catalog.hpp"
#include "cli/backup/repository.hpp"
#include "tests/support/catch.hpp"

#include <sys/stat.h>

using namespace conduit;
using namespace conduit::backup;

TEST_CASE("a file of a folder is there as a whole or not at all")
{
    const auto dir = TempDir::make().value();
    const auto repository = open_folder(dir.path() / "backups");
    const std::string path = "20261122T020000Z-7f3a/part.tar.zst";
    {
        const auto half = repository->create(path).value();
        REQUIRE(half->write("half of it"));
        CHECK(repository->list("").value().empty());
        CHECK(repository->read_small(path).error().kind == ErrorKind::not_found);
    }
    CHECK(repository->list("").value().empty());
    REQUIRE(repository->write_small(path, "all of it"));
    CHECK(repository->read_small(path).value() == "all of it");
    struct stat status{};
    REQUIRE(::stat((dir.path() / "backups" / path).c_str(), &status) == 0);
    CHECK((status.st_mode & 0777U) == 0600U);
    REQUIRE(repository->list("").value().size() == 1);
    CHECK(repository->list("").value().at(0).bytes == 9);
    REQUIRE(repository->remove(path));
    REQUIRE(repository->remove(path));
    CHECK(fs::is_empty(dir.path() / "backups"));
}

TEST_CASE("a backup without a manifest is not listed, one with a broken manifest is, with its fault")
{
    const auto dir = TempDir::make().value();
    const auto repository = open_folder(dir.path());
    REQUIRE(repository->write_small("20261122T020000Z-7f3a/part.tar.zst", "x"));
    REQUIRE(repository->write_small("20261123T020000Z-7f3a/manifest.json", "{}"));
    REQUIRE(repository->write_small("notes.txt", "mine"));
    const auto catalog = read_catalog(*repository);
    REQUIRE(catalog);
    CHECK(catalog->halves == 1);
    REQUIRE(catalog->entries.size() == 1);
    CHECK_FALSE(catalog->entries[0].manifest);
    CHECK_FALSE(catalog->entries[0].fault.empty());
    CHECK(catalog->newest_proven() == nullptr);
    CHECK((*find_backup(*catalog, "latest"))->id == "20261123T020000Z-7f3a");
    CHECK(find_backup(*catalog, "2025").error().kind == ErrorKind::not_found);
}
