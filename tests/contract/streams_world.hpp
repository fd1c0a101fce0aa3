// SPDX-License-Identifier: Apache-2.0
// A namespace of the real cluster with a pod "box": an echo on port 9000, a page on 8080, room in /t.
#pragma once

#include "cli/orchestrator/kubernetes/streams.hpp"
#include "core/hash.hpp"
#include "core/kube/api.hpp"
#include "core/process.hpp"
#include "tests/support/wait.hpp"

#include <optional>
#include <string>
#include <vector>

namespace conduit::test {

class StreamsWorld {
  public:
    static bool available(); // CONDUIT_TEST_KUBECONFIG is set
    static StreamsWorld& get();

    std::unique_ptr<InstanceStreams> streams;
    StreamPlace box;
    std::string space;
    std::string kubeconfig;

    const kube::Access& access() const { return access_; }
    std::unique_ptr<InstanceStreams> as(const std::string& user) const; // impersonated
    void make_pod(const std::string& name);                             // ready when it returns
    void remove_pod(const std::string& name);
    void make_deployment(const std::string& name); // one replica
    // nullopt: no kubectl here.
    std::optional<ProcessResult> kubectl(std::vector<std::string> words) const;

    StreamsWorld(const StreamsWorld&) = delete;
    StreamsWorld& operator=(const StreamsWorld&) = delete;
    ~StreamsWorld();

  private:
    StreamsWorld();
    bool ready(const std::string& name);
    kube::Access access_;
    std::unique_ptr<kube::Api> api_;
};

#define CONDUIT_NEEDS_CLUSTER                                                                                \
    if (!StreamsWorld::available())                                                                          \
        return;                                                                                              \
    [[maybe_unused]] auto& w = StreamsWorld::get()

} // namespace conduit::test
