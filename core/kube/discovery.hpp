// SPDX-License-Identifier: Apache-2.0
// Which groups, versions and resources this API server serves: asked, never assumed, since they come and go
// between 1.20 and today. Kept for a short while in a file for each cluster.
#pragma once

#include "core/fs.hpp"
#include "core/kube/api.hpp"

#include <array>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::kube {

// Newest first.
inline constexpr std::array<std::string_view, 4> k_autoscaling{"autoscaling/v2", "autoscaling/v2beta2",
                                                               "autoscaling/v2beta1", "autoscaling/v1"};
inline constexpr std::array<std::string_view, 2> k_policy{"policy/v1", "policy/v1beta1"};
inline constexpr std::array<std::string_view, 2> k_endpoint_slices{"discovery.k8s.io/v1",
                                                                   "discovery.k8s.io/v1beta1"};
inline constexpr std::array<std::string_view, 2> k_events{"events.k8s.io/v1", "events.k8s.io/v1beta1"};

struct Served {
    std::string group, version, kind; // of what is read and written there: of "pods/eviction" policy's
    bool namespaced = true;
};

class Discovery { // thread-safe
  public:
    // cache: a folder; empty: nothing is kept. What is missing in a kept answer is asked for anew.
    explicit Discovery(Api& api, fs::path cache = {}, Duration life = Duration{600'000})
        : api_(api), cache_(std::move(cache)), life_(life)
    {
    }
    // group_version "apps/v1", or "v1" of the core group; name "deployments" or "pods/eviction". nullopt: not
    // served.
    Result<std::optional<Served>> find(std::string_view group_version, std::string_view name,
                                       Deadline deadline);
    // The first of these versions that serves the resource. not_found names all of them.
    Result<Resource> prefer(std::span<const std::string_view> group_versions, std::string_view plural,
                            Deadline deadline);

  private:
    using Resources = std::map<std::string, Served, std::less<>>; // by name
    struct Known {
        std::optional<std::vector<std::string>> versions;        // nullopt: not asked yet
        std::map<std::string, Resources, std::less<>> resources; // by version, of those that were asked for
        WallTime since{};
    };
    Result<std::optional<Served>> look(std::string_view group_version, std::string_view name,
                                       Deadline deadline);
    Result<std::optional<Resource>> first_of(std::span<const std::string_view> group_versions,
                                             std::string_view plural, Deadline deadline);
    bool forget(); // what came from the file; true: there was something
    Result<const Resources*> resources(std::string_view group_version, Deadline deadline);
    Result<> ask_versions(Deadline deadline);
    void take_aggregated(const Json& list);
    fs::path file() const;
    void load();
    void save() const;

    Api& api_;
    fs::path cache_;
    Duration life_;
    std::mutex mutex_;
    bool loaded_ = false;
    bool from_file_ = false; // some of it may be out of date
    Known known_;
};

} // namespace conduit::kube
