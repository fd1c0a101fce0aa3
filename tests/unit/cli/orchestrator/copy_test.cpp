// SPDX-License-Identifier: Apache-2.0
// The copy's own scripts in a real shell, in a folder of this machine instead of a container.
#include "cli/orchestrator/copy.hpp"
#include "core/hash.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_streams.hpp"

#include <algorithm>
#include <cstdlib>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace conduit;
using namespace conduit::test;

namespace {

struct Place {
    TempDir here = TempDir::make("conduit-here").value();
    TempDir there = TempDir::make("conduit-there").value();
    FakeStreams streams;
    Cancel cancel;
    Place() { streams.folder = there.path(); }

    CopyEnds ends(const std::string& local, const std::string& remote) const
    {
        return {{"agent-1", "main", true}, remote, here.path() / local};
    }
    void put(const fs::path& path, const std::string& text) const { REQUIRE(write_file(path, text)); }
    Result<Copied> in(const std::string& local, const std::string& remote)
    {
        return copy_in(streams, ends(local, remote), cancel, Deadline(30s));
    }
    Result<Copied> out(const std::string& remote, const std::string& local)
    {
        return copy_out(streams, ends(local, remote), cancel, Deadline(30s));
    }
    static std::size_t files(const TempDir& dir)
    {
        return static_cast<std::size_t>(
            std::distance(fs::recursive_directory_iterator(dir.path()), fs::recursive_directory_iterator()));
    }
};

std::string bytes(std::size_t size)
{
    std::string text(size, '\0');
    random_bytes(reinterpret_cast<std::uint8_t*>(text.data()), size);
    return text;
}

} // namespace

TEST_CASE("a file goes in and out whole, with the hash of both sides")
{
    Place p;
    const auto size = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{300'000});
    const auto text = bytes(size);
    p.put(p.here.path() / "a", text);
    ::chmod((p.here.path() / "a").c_str(), 0750);
    const auto in = p.in("a", "b");
    REQUIRE(in);
    CHECK(in->sha256 == sha256_hex(text));
    CHECK(in->bytes == size);
    CHECK(in->to == "b");
    CHECK(read_file(p.there.path() / "b").value() == text);
    CHECK((fs::status(p.there.path() / "b").permissions() & fs::perms::all) == fs::perms(0750));
    CHECK(p.files(p.there) == 1);

    const auto out = p.out("b", "c");
    REQUIRE(out);
    CHECK(out->sha256 == sha256_hex(text));
    CHECK(read_file(p.here.path() / "c").value() == text);
    CHECK(p.files(p.here) == 2);
}

TEST_CASE("a folder takes the file under its own name, and a name may be anything")
{
    Place p;
    p.put(p.here.path() / "a'b $(x)", "text");
    fs::create_directory(p.there.path() / "dir");
    CHECK(p.in("a'b $(x)", "dir").value().to == "dir/a'b $(x)");
    CHECK(p.in("a'b $(x)", "dir/").value().to == "dir/a'b $(x)");
    CHECK(p.in("a'b $(x)", "-rf").value().to == "-rf");
    CHECK(read_file(p.there.path() / "dir/a'b $(x)").value() == "text");
    fs::create_directory(p.here.path() / "back");
    CHECK(p.out("dir/a'b $(x)", "back").value().to == (p.here.path() / "back/a'b $(x)").string());
    CHECK(p.files(p.there) == 3);
}

TEST_CASE("what is not there is told, and nothing is made")
{
    Place p;
    p.put(p.here.path() / "a", "text");
    CHECK(p.in("nope", "b").error().kind == ErrorKind::not_found);
    CHECK(p.in("a", "no/such/b").error().kind == ErrorKind::not_found);
    CHECK(p.in("a", "nodir/").error().kind == ErrorKind::not_found);
    CHECK(p.out("nope", "c").error().kind == ErrorKind::not_found);
    CHECK(p.out("nope", "no/c").error().kind == ErrorKind::not_found);
    fs::create_directory(p.here.path() / "folder");
    fs::create_directory(p.there.path() / "folder");
    CHECK(p.in("folder", "b").error().message.contains("no plain file"));
    CHECK(p.out("folder", "c").error().message.contains("no plain file"));
    CHECK(p.files(p.there) == 1);
    CHECK(p.files(p.here) == 2);
}

TEST_CASE("a file that arrives damaged or short never gets its name")
{
    Place p;
    p.put(p.here.path() / "a", bytes(10'000));
    p.put(p.there.path() / "b", "the old one");
    SECTION("damaged")
    {
        p.streams.before_exec = [&p](const ExecRequest&) {
            const UniqueFd fd(::open((p.here.path() / "a").c_str(), O_WRONLY));
            REQUIRE(::pwrite(fd.get(), "changed", 7, 100) == 7);
        };
        CHECK(p.in("a", "b").error().message.contains("what arrived is not what was sent"));
    }
    SECTION("short")
    {
        p.streams.before_exec = [&p](const ExecRequest&) { fs::resize_file(p.here.path() / "a", 5'000); };
        CHECK(p.in("a", "b").error().message.contains("what arrived is not what was sent"));
    }
    CHECK(read_file(p.there.path() / "b").value() == "the old one");
    CHECK(p.files(p.there) == 1);
}

TEST_CASE("a place that cannot be written keeps what it had")
{
    if (::geteuid() == 0) { // whom no mode stops: a file stands where the folder should be
        Place p;
        p.put(p.here.path() / "a", "new");
        p.put(p.there.path() / "b", "old");
        CHECK_FALSE(p.in("a", "b/c"));
        CHECK(read_file(p.there.path() / "b").value() == "old");
        return;
    }
    Place p;
    p.put(p.here.path() / "a", "new");
    p.put(p.there.path() / "b", "old");
    ::chmod(p.there.path().c_str(), 0500);
    CHECK(p.in("a", "b").error().kind == ErrorKind::failed);
    ::chmod(p.there.path().c_str(), 0700);
    CHECK(read_file(p.there.path() / "b").value() == "old");
    CHECK(p.files(p.there) == 1);
}

TEST_CASE("without a program that hashes nothing is copied, and the hint says what is missing")
{
    Place p;
    p.put(p.here.path() / "a", "text");
    const TempDir bin = TempDir::make("conduit-bin").value();
    for (const auto* tool : {"sh", "head", "rm", "mv", "cat", "chmod"})
        fs::create_symlink(fs::path("/bin") / tool, bin.path() / tool);
    const std::string before = std::getenv("PATH");
    ::setenv("PATH", bin.path().c_str(), 1);
    const auto in = p.in("a", "b");
    ::setenv("PATH", before.c_str(), 1);
    REQUIRE_FALSE(in);
    CHECK(in.error().hint.contains("sha256sum"));
    CHECK(p.files(p.there) == 0);
}

TEST_CASE("a connection that ends in the middle leaves no half file here")
{
    Place p;
    p.put(p.there.path() / "b", bytes(10'000));
    p.put(p.here.path() / "c", "the old one");
    p.streams.faults["exec"] = {ErrorKind::unknown, "the connection ended before the command did"};
    CHECK(p.out("b", "c").error().kind == ErrorKind::unknown);
    CHECK(read_file(p.here.path() / "c").value() == "the old one");
    CHECK(p.files(p.here) == 1);
}
