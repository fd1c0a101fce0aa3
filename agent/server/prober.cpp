// SPDX-License-Identifier: Apache-2.0
// Active health: a cheap call to each enabled provider at its interval, spread by jitter.
#include "agent/server/in_process.hpp"

#include <map>
#include <random>

namespace conduit::agent {

namespace {

Task<void> probe_once(Worker& worker, std::string name, std::shared_ptr<std::map<std::string, bool>> busy)
{
    const auto snapshot = worker.snapshot;
    const auto& providers = snapshot->config.providers;
    for (std::size_t i = 0; i < providers.size(); ++i) {
        if (providers[i].name != name)
            continue;
        ProviderHealth& health = *worker.health[i];
        const DataPlane::TestResult result =
            co_await probe_provider(worker, i, snapshot->config.health.probe_timeout);
        worker.shared.health.report_probe(health, result.ok, result.took, worker.shared.clock.now(),
                                          snapshot->config.health);
        if (!result.ok)
            worker.shared.health.note_error(name, "probe: " + result.error);
        break;
    }
    (*busy)[name] = false;
}

} // namespace

Task<void> probe_forever(Worker& worker)
{
    std::mt19937 random(std::random_device{}());
    std::uniform_real_distribution<double> jitter(0.8, 1.2);
    std::map<std::string, SteadyTime> due;
    auto busy = std::make_shared<std::map<std::string, bool>>();
    for (;;) {
        const SteadyTime now = std::chrono::steady_clock::now();
        const auto snapshot = worker.snapshot;
        for (const ProviderConfig& provider : snapshot->config.providers) {
            if (!provider.enabled || (*busy)[provider.name])
                continue;
            SteadyTime& when = due[provider.name];
            if (when > now)
                continue;
            const double interval = static_cast<double>(snapshot->config.health.probe_interval.count());
            when = now + Duration(static_cast<std::int64_t>(interval * jitter(random)));
            (*busy)[provider.name] = true;
            spawn(worker.loop.tasks(), probe_once(worker, provider.name, busy));
        }
        Signal pause(worker.loop);
        co_await pause.wait(now + 100ms);
    }
}

} // namespace conduit::agent
