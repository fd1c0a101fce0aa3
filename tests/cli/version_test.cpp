// SPDX-License-Identifier: Apache-2.0
#include "tests/support/catch.hpp"
#include "tests/support/test_app.hpp"

using conduit::test::TestApp;

TEST_CASE("version prints the program's name and version")
{
    TestApp t;
    const auto r = t.run({"version"});
    CHECK(r.code == 0);
    CHECK(r.out == "conduitctl " CONDUIT_VERSION "\n");
    CHECK(r.err.empty());
}

TEST_CASE("a mistyped command is a usage error that names the nearest")
{
    TestApp t;
    const auto r = t.run({"verison"});
    CHECK(r.code == 2);
    CHECK(r.out.empty());
    CHECK(r.err ==
          "error: unknown command 'verison'; did you mean version?\nhint:  See: conduitctl --help\n");
}
