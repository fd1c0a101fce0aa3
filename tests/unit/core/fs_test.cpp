#include "core/fs.hpp"
#include "tests/support/catch.hpp"

#include <sys/stat.h>

using namespace conduit;

TEST_CASE("a written file is whole, private and replaces the old one")
{
    const auto dir = TempDir::make().value();
    const auto path = dir.path() / "state.json";
    REQUIRE(write_file(path, "one"));
    REQUIRE(write_file(path, "two"));
    CHECK(read_file(path) == "two");
    struct stat info{};
    REQUIRE(::stat(path.c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0600);
    CHECK(std::distance(fs::directory_iterator(dir.path()), fs::directory_iterator{}) == 1);
}

TEST_CASE("reading says what is wrong and obeys its limit")
{
    const auto dir = TempDir::make().value();
    CHECK(read_file(dir.path() / "none").error().kind == ErrorKind::not_found);
    REQUIRE(write_file(dir.path() / "big", "12345"));
    CHECK_FALSE(read_file(dir.path() / "big", 4));
}

TEST_CASE("a lock is held by one and freed at scope exit")
{
    const auto dir = TempDir::make().value();
    const auto path = dir.path() / "lock";
    {
        const auto held = FileLock::try_lock(path).value();
        REQUIRE(held);
        CHECK_FALSE(FileLock::try_lock(path).value());
    }
    CHECK(FileLock::try_lock(path).value());
}
