// SPDX-License-Identifier: Apache-2.0
// A namespace of a real cluster, conduitctl as a process, and kubectl beside it. Where
// CONDUIT_TEST_KUBECONFIG names no cluster the tests say so and do nothing.
#pragma once

#include "core/fs.hpp"
#include "core/json.hpp"
#include "core/kube/api.hpp"
#include "core/process.hpp"

#include <memory>
#include <string>
#include <vector>

namespace conduit::test {

bool has_cluster();

struct Ran {
    int code = -1;
    std::string out, err;
    Json json() const;  // of stdout; null when it is none
    Json error() const; // of stderr under -o json
};

using Words = std::vector<std::string>;

class ClusterWorld {
  public:
    ClusterWorld();
    ~ClusterWorld();
    ClusterWorld(const ClusterWorld&) = delete;

    Ran run(Words words) const;     // conduitctl, in this namespace
    Ran kubectl(Words words) const; // REQUIREs that it ends well
    bool has_kubectl() const { return !kubectl_.empty(); }

    // A Deployment of one container "main". What busybox is told by the arguments, the pause image does not
    // hear: with it the pod only waits.
    void deploy(const std::string& name, int replicas, const std::string& image,
                const std::string& script = "sleep 3600", bool sidecar = false) const;
    void settled(const std::string& name) const; // waits until it is complete
    void create(const std::string& path, const std::string& yaml_or_json) const;
    Json get(const std::string& path) const; // null when it is not there
    Json deployment(const std::string& name) const;
    std::string image_of(const std::string& name) const;
    std::string spec_of(const std::string& name) const; // canonical, with the name taken out

    // Whoever uses the context "weak" from now on may read everything here and hold leases, nothing else.
    void make_weak_context() const;

    std::unique_ptr<kube::Api> api;
    std::string space;

  private:
    TempDir home_;
    std::string kubectl_;
    std::string kubeconfig_;
};

// The first line of each test: no cluster, no test.
#define CONDUIT_CLUSTER                                                                                      \
    if (!conduit::test::has_cluster())                                                                       \
        return;                                                                                              \
    const conduit::test::ClusterWorld w

inline constexpr auto k_busybox = "conduit.test/busybox:1";
inline constexpr auto k_pause = "conduit.test/pause:1";

} // namespace conduit::test
