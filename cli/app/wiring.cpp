// SPDX-License-Identifier: Apache-2.0
#include "cli/app/wiring.hpp"

#include "core/process.hpp"

namespace conduit {

void wire(App& app)
{
    app.module_slot.set([](App& a) { return load_backend_module(a.env_or("CONDUIT_BACKENDS", "")); });
    app.spawn_self = [&app](const std::vector<std::string>& words) {
        SpawnSpec spec{.argv = {app.program_path()}};
        spec.argv.insert(spec.argv.end(), words.begin(), words.end());
        (void)spawn_process(spec).has_value(); // completion goes on without
    };
    app.http_slot.set([](App& a) -> Result<std::unique_ptr<HttpClient>> {
        TRY_ASSIGN(BackendModule * backends, a.backends());
        return backends->http(&a.cancel());
    });
}

} // namespace conduit
