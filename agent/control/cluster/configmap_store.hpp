// SPDX-License-Identifier: Apache-2.0
// The control store of a deployment in a cluster: a ConfigMap that every replica watches and writes with
// compare-and-set, a second one for the mirrored journal, and a Lease a replica as its heartbeat.
//
// Rights it needs in its namespace: ConfigMaps NAME and NAME-journal: get, list, watch, update; create where
// they may be missing. Leases: create, patch, get, list, delete.
#pragma once

#include "agent/control/state.hpp"
#include "core/kube/api.hpp"

#include <memory>
#include <string>

namespace conduit::agent {

struct ConfigMapStoreOptions {
    std::string name_space;
    std::string name = "conduit-control";
    Duration retry{1'000};  // a server that is away is asked again so often
    Duration watch{60'000}; // a connection that died without a word is not listened to for longer
};

// cancel: of the transport inside `api`; the store sets it at its end, so that its watch is cut. A ConfigMap
// that is not there is the empty state; one that was removed or emptied meanwhile is filled from what was
// known, by expire_due() or the next change. Never fails at the beginning: a server that is away is what
// revision() says.
std::unique_ptr<ControlStore> make_configmap_store(std::unique_ptr<kube::Api> api, Cancel& cancel,
                                                   ConfigMapStoreOptions options, const Clock& clock);

} // namespace conduit::agent
