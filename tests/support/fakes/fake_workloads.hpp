// SPDX-License-Identifier: Apache-2.0
// The controllers of a fake cluster: whenever a client asks, what is wanted has become what is.
#pragma once

#include "tests/support/fakes/fake_cluster.hpp"

#include <string>
#include <vector>

namespace conduit::test {

class FakeWorkloads {
  public:
    FakeWorkloads(FakeCluster& cluster, std::string name_space);
    // pod: the template's spec, as JSON; "": an empty one.
    void deploy(const std::string& name, int replicas, std::string_view pod = {});
    std::string path(const std::string& name) const; // of the Deployment
    int wanted(const std::string& name) const;
    void set_wanted(const std::string& name, int replicas); // as another client would
    void touch(const std::string& name);                    // a status write: only the version moves
    std::vector<std::string> pods(const std::string& name) const;

    std::string new_pods; // the status of pods made from now on; "": ready
    bool budget_allows = true;

  private:
    kube::Answer evict(const std::string& pod_path);
    void settle();
    void settle(const std::string& name);
    FakeCluster& cluster_;
    std::string name_space_;
    std::vector<std::string> names_;
    int serial_ = 0;
};

} // namespace conduit::test
