#include "core/result.hpp"
#include "tests/support/catch.hpp"

#include <set>

using namespace conduit;

namespace {

Result<int> half(int n)
{
    if (n % 2 != 0)
        return fail(ErrorKind::usage, "odd", "Give an even number.");
    return n / 2;
}

Result<int> quarter(int n)
{
    TRY_ASSIGN(const int h, half(n));
    TRY(half(h));
    return half(h);
}

} // namespace

TEST_CASE("the exit-code table has each kind once, with the documented numbers")
{
    std::set<int> codes;
    for (const auto& row : exit_codes()) {
        CHECK(codes.insert(to_exit(row.kind)).second);
        CHECK_FALSE(row.name.empty());
    }
    CHECK(codes == std::set<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 70, 130});
    CHECK(kind_name(ErrorKind::rolled_back) == "rolled-back");
}

TEST_CASE("TRY and TRY_ASSIGN hand the error to the caller")
{
    CHECK(quarter(8) == 2);
    const auto bad = quarter(6);
    REQUIRE_FALSE(bad);
    CHECK(bad.error().kind == ErrorKind::usage);
    CHECK(Error(bad.error()).prefixed("while halving").message == "while halving: odd");
}
