// SPDX-License-Identifier: Apache-2.0
#include "cli/app/signals.hpp"
#include "cli/app/wiring.hpp"
#include "cli/commands/all.hpp"

#include <cstdio>
#include <exception>

int main(int argc, char** argv)
{
    using namespace conduit;
    try {
        Cancel cancel;
        handle_signals(cancel);
        const auto console = make_terminal_console();
        const Registry registry = commands::all();
        App app({*console, system_clock(), cancel, current_environment(), registry});
        wire(app);
        return run_cli(app, {argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::fprintf(stderr,
                     "error: internal: %s\nhint:  This is a bug; please report it with the command line.\n",
                     error.what());
        return to_exit(ErrorKind::internal);
    }
}
