// SPDX-License-Identifier: Apache-2.0
#include "agent/open_store.hpp"

#include "agent/control/cluster/configmap_store.hpp"
#include "core/kube/credentials.hpp"
#include "core/kube/kubeconfig.hpp"
#include "core/kube/transport.hpp"

#include <cstdlib>

namespace conduit::agent {
namespace {

std::string env(const char* name)
{
    const char* value = std::getenv(name);
    return value == nullptr ? "" : value;
}

} // namespace

Result<std::unique_ptr<ControlStore>> open_store(const StoreConfig& config, Cancel& ends, Clock& clock)
{
    if (config.store != "configmap")
        return make_sqlite_store(config.path.string(), clock);
    const kube::Places places{.only = config.kubeconfig,
                              .kubeconfig = {}, // an agent is nobody's shell: a file is named or it is a pod
                              .home = {},
                              .service_host = env("KUBERNETES_SERVICE_HOST"),
                              .service_port = env("KUBERNETES_SERVICE_PORT")};
    TRY_ASSIGN(const auto access, kube::find_access(places, ""));
    auto api = std::make_unique<kube::Api>(
        kube::make_transport(access, kube::make_credentials(access, clock), &ends), clock, &ends);
    const ConfigMapStoreOptions options{
        .name_space = config.name_space.empty() ? access.name_space : config.name_space, .name = config.name};
    return make_configmap_store(std::move(api), ends, options, clock);
}

} // namespace conduit::agent
