// SPDX-License-Identifier: Apache-2.0
#include "cli/app/signals.hpp"

#include "core/error.hpp"

#include <atomic>
#include <csignal>
#include <string_view>
#include <unistd.h>

namespace conduit {
namespace {

std::atomic<Cancel*> current{nullptr};

void on_signal(int)
{
    Cancel* cancel = current.load(std::memory_order_relaxed);
    if (cancel == nullptr || cancel->requested()) {
        if (cancel == nullptr || !cancel->standing())
            _exit(to_exit(ErrorKind::interrupted));
        constexpr std::string_view k_said = "\nerror: partial: stopped in the middle of a change\n"
                                            "hint:  See what stands: conduitctl history pending\n";
        [[maybe_unused]] const auto written = write(STDERR_FILENO, k_said.data(), k_said.size());
        _exit(to_exit(ErrorKind::partial));
    }
    cancel->request();
}

} // namespace

void handle_signals(Cancel& cancel)
{
    current.store(&cancel);
    struct sigaction action{};
    action.sa_handler = on_signal;
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, nullptr); // no SA_RESTART: a prompt that waits must return
    sigaction(SIGTERM, &action, nullptr);
    struct sigaction ignore{};
    ignore.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &ignore, nullptr);
}

} // namespace conduit
