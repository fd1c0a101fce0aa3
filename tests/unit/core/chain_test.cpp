// SPDX-License-Identifier: Apache-2.0
#include "core/chain.hpp"

#include "core/text.hpp"
#include "tests/support/catch.hpp"

#include <array>
#include <thread>

using namespace conduit;

namespace {

struct Kept final : ByteSink {
    std::string bytes;
    std::size_t limit = std::string::npos;
    Result<> write(std::string_view more) override
    {
        if (bytes.size() + more.size() > limit)
            return fail(ErrorKind::failed, "the disk is full");
        bytes += more;
        return {};
    }
};

Produce text(std::string_view bytes, int times = 1)
{
    return [=](ByteSink& to) -> Result<> {
        for (int i = 0; i < times; ++i)
            TRY(to.write(bytes));
        return {};
    };
}

const std::array k_there_and_back{ChildSpec{.argv = {"gzip", "-c"}, .env = {}},
                                  ChildSpec{.argv = {"gzip", "-dc"}, .env = {}}};

} // namespace

TEST_CASE("what passes a chain is counted and hashed on every way")
{
    Kept kept;
    const auto passed = run_chain(text("conduit ", 300'000), k_there_and_back, kept, nullptr);
    REQUIRE(passed);
    REQUIRE(passed->size() == 3);
    CHECK(kept.bytes.size() == 2'400'000);
    CHECK((*passed)[0].bytes == 2'400'000);
    CHECK((*passed)[0].sha256 == sha256_hex(kept.bytes));
    CHECK((*passed)[1].bytes < 100'000);
    CHECK((*passed)[2] == (*passed)[0]);
}

TEST_CASE("a chain without programs only counts")
{
    Kept kept;
    const auto passed = run_chain(text("abc"), {}, kept, nullptr);
    REQUIRE(passed);
    CHECK((*passed)[0].sha256 == sha256_hex("abc"));
    CHECK(kept.bytes == "abc");
}

TEST_CASE("a program that fails is named with its last words, wherever it stands")
{
    Kept kept;
    const std::array broken{ChildSpec{.argv = {"gzip", "-dc"}, .env = {}},
                            ChildSpec{.argv = {"cat"}, .env = {}}};
    const auto passed = run_chain(text("this is no archive ", 200'000), broken, kept, nullptr);
    REQUIRE_FALSE(passed);
    CHECK(passed.error().message == "gzip ended with 1");
    CHECK(passed.error().cause.contains("not in gzip format"));
    const std::array absent{ChildSpec{.argv = {"no-such-program"}, .env = {}}};
    CHECK(run_chain(text("a"), absent, kept, nullptr).error().kind == ErrorKind::not_found);
}

TEST_CASE("a producer that ends badly, and an end that takes no more, leave nobody waiting")
{
    Kept kept;
    const auto cut = run_chain(
        [](ByteSink& to) -> Result<> {
            TRY(to.write("half"));
            return fail(ErrorKind::unreachable, "the source went away");
        },
        k_there_and_back, kept, nullptr);
    REQUIRE_FALSE(cut);
    CHECK(cut.error().message == "the source went away");
    kept.limit = 1'000;
    const auto full = run_chain(text("conduit ", 3'000'000), k_there_and_back, kept, nullptr);
    REQUIRE_FALSE(full);
    CHECK(full.error().message == "the disk is full");
    const auto bad =
        run_chain(output_of({.argv = {"sh", "-c", "echo out; echo why >&2; exit 3"}, .env = {}}, nullptr),
                  k_there_and_back, kept, nullptr);
    REQUIRE_FALSE(bad);
    CHECK(bad.error().message == "sh ended with 3");
    CHECK(bad.error().cause == "why");
}

TEST_CASE("a chain that waits ends when it is asked to stop")
{
    Kept kept;
    Cancel stop;
    const std::array slow{ChildSpec{.argv = {"sleep", "1000"}, .env = {}}};
    const std::jthread asks([&] { stop.request(); });
    const auto passed = run_chain(text("a"), slow, kept, &stop);
    REQUIRE_FALSE(passed);
    CHECK(passed.error().kind == ErrorKind::interrupted);
}
