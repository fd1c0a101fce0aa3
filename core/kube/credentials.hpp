// SPDX-License-Identifier: Apache-2.0
// Who we are at an API server: tokens from files that are rotated, and from credential plugins until they
// expire.
#pragma once

#include "core/clock.hpp"
#include "core/kube/kubeconfig.hpp"
#include "core/process.hpp"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace conduit::kube {

struct Identity {
    std::vector<std::pair<std::string, std::string>> headers; // Authorization, Impersonate-*
    Pem certificate, key;
    bool operator==(const Identity&) const = default;
};

class Credentials { // thread-safe
  public:
    virtual ~Credentials() = default;
    // For the next request. refused: the server answered 401 to the last one, so that nothing kept is used
    // again. auth when there is nothing to show, with what the plugin or the file said.
    virtual Result<Identity> get(bool refused, Deadline deadline) = 0;
};

using RunProcess = std::function<Result<ProcessResult>(const ProcessSpec&, Deadline)>;

// run: how a plugin is started; a test has its own. The plugin gets KUBERNETES_EXEC_INFO and no secret in its
// argv.
std::unique_ptr<Credentials> make_credentials(const Access& access, const Clock& clock,
                                              RunProcess run = run_process);

} // namespace conduit::kube
