// SPDX-License-Identifier: Apache-2.0
#include "agent/server/tls_listener.hpp"

#include "agent/net/stream.hpp"

namespace conduit::agent {

namespace {
constexpr auto k_look_every = 1s;
} // namespace

Result<std::unique_ptr<TlsListener>> TlsListener::open(TlsFiles files, Log& log)
{
    auto listener = std::unique_ptr<TlsListener>(new TlsListener(std::move(files), log));
    TRY(listener->read());
    return listener;
}

Result<> TlsListener::read()
{
    std::vector<fs::path> watched{files_.certificate, files_.key};
    if (!files_.client_ca.empty())
        watched.push_back(files_.client_ca);
    watch_.watch(watched); // first: what changes meanwhile is seen the next time
    TRY_ASSIGN(context_, make_server_context(files_.certificate.string(), files_.key.string(),
                                             files_.client_ca.string()));
    return {};
}

Result<> TlsListener::reload()
{
    const std::lock_guard lock(mutex_);
    auto read_again = read();
    if (read_again)
        log_.info("certificate read", {{"file", files_.certificate.string()}});
    else
        log_.error("certificate kept as it was", {{"reason", read_again.error().message}});
    return read_again;
}

std::shared_ptr<ssl_ctx_st> TlsListener::context()
{
    const SteadyTime now = std::chrono::steady_clock::now();
    bool changed = false;
    {
        const std::lock_guard lock(mutex_);
        if (now >= look_at_) {
            look_at_ = now + k_look_every;
            changed = !watch_.changed().empty();
        }
    }
    if (changed)
        (void)reload().has_value(); // said in the log
    const std::lock_guard lock(mutex_);
    return context_;
}

} // namespace conduit::agent
