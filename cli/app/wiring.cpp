// SPDX-License-Identifier: Apache-2.0
#include "cli/app/wiring.hpp"

namespace conduit {

void wire(App& app)
{
    app.module_slot.set([](App& a) { return load_backend_module(a.env_or("CONDUIT_BACKENDS", "")); });
    app.http_slot.set([](App& a) -> Result<std::unique_ptr<HttpClient>> {
        TRY_ASSIGN(BackendModule * backends, a.backends());
        return backends->http(&a.cancel());
    });
}

} // namespace conduit
