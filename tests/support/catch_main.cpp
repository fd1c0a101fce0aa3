// SPDX-License-Identifier: Apache-2.0
// Our programs ignore SIGPIPE: a peer that went away is an error of that write. So do the tests.
#define CATCH_CONFIG_RUNNER
#include "tests/support/catch.hpp"

#include <csignal>

int main(int argc, char** argv)
{
    std::signal(SIGPIPE, SIG_IGN);
    return Catch::Session().run(argc, argv);
}
