// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/tar_count.hpp"

#include "core/fs.hpp"
#include "core/process.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::backup;

namespace {

std::string archive(const std::vector<std::string>& options)
{
    const auto dir = TempDir::make().value();
    REQUIRE(write_file(dir.path() / "one", std::string(700, 'a')));
    REQUIRE(write_file(dir.path() / std::string(200, 'n'), "bb"));
    REQUIRE(make_dirs(dir.path() / "empty"));
    fs::create_symlink("one", dir.path() / "link");
    ProcessSpec spec{.argv = {"tar", "--create", "--file=-", "--directory=" + dir.path().string()}};
    spec.argv.insert(spec.argv.end(), options.begin(), options.end());
    spec.argv.emplace_back(".");
    return run_process(spec, Deadline(Duration{10'000})).value().out;
}

TarCount count(std::string_view bytes, std::size_t piece)
{
    TarCounter counter;
    while (!bytes.empty()) {
        counter.feed(bytes.substr(0, piece));
        bytes.remove_prefix(std::min(piece, bytes.size()));
    }
    return counter.count();
}

} // namespace

TEST_CASE("files and bytes of an archive are counted, however it comes")
{
    for (const auto* format : {"--format=pax", "--format=gnu", "--format=posix"}) {
        const auto bytes = archive({format});
        for (const std::size_t piece : {1UL, 511UL, 512UL, 100'000UL}) {
            const auto found = count(bytes, piece);
            CHECK(found.files == 2);
            CHECK(found.bytes == 702);
            CHECK(found.ended);
            CHECK_FALSE(found.broken);
        }
    }
}

TEST_CASE("a cut archive has no end, and noise is none")
{
    const auto bytes = archive({"--format=pax"});
    CHECK_FALSE(count(bytes.substr(0, 2'000), 512).ended);
    CHECK(count(std::string(5'000, 'x'), 512).broken);
    auto flipped = bytes;
    flipped[100] = static_cast<char>(flipped[100] ^ 4);
    CHECK(count(flipped, 512).broken);
}
