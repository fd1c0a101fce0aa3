// SPDX-License-Identifier: Apache-2.0
// A small API server in memory: objects with versions, compare-and-set, merge patches, lists, watches, dry
// runs. It knows no controllers; a test moves the world itself. Held to the real one by tests/contract.
#pragma once

#include "core/json.hpp"
#include "core/kube/transport.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace conduit::test {

class FakeCluster {
  public:
    // A client's way to it; any number of them, each of its own thread.
    std::unique_ptr<kube::Transport> transport();
    kube::Answer handle(const kube::Call& call); // everything but watches

    void put(const std::string& path, Json object); // as a controller would; the version rises
    Json at(const std::string& path) const;         // null when it is not there
    void remove(const std::string& path);
    std::size_t objects() const;

    // Asked before each call; an answer of its own takes the place of the server's.
    std::function<std::optional<Result<kube::Answer>>(const kube::Call&)> before;
    // For paths that are no objects: evictions, logs, groups.
    std::function<std::optional<kube::Answer>(const kube::Call&)> special;
    std::function<void()> controllers; // run after each write of a client
    std::vector<std::string> calls;    // "PATCH /api/v1/..."
    // What discovery says, as a server of 1.20: by version, resources with the version of their own kind.
    std::map<std::string, std::map<std::string, std::string>> served{
        {"v1", {{"pods/eviction", "policy/v1beta1"}}},
        {"autoscaling/v1", {{"horizontalpodautoscalers", ""}}},
        {"autoscaling/v2beta2", {{"horizontalpodautoscalers", ""}}},
        {"discovery.k8s.io/v1beta1", {{"endpointslices", ""}}},
        {"events.k8s.io/v1", {{"events", ""}}},
        {"policy/v1beta1", {{"poddisruptionbudgets", ""}}}};
    Duration clock_ahead{0}; // of ours

  private:
    friend class FakeClusterTransport;
    struct Change {
        std::uint64_t version;
        std::string type, path;
        JsonBox object;
    };
    kube::Answer object_call(const kube::Call& call);
    std::optional<kube::Answer> discovery(const std::string& path) const;
    kube::Answer get(const std::string& path) const;
    kube::Answer list(const std::string& path, const std::string& only) const; // only: of that name
    kube::Answer create(const std::string& path, Json object, bool dry_run, const std::string& manager = {});
    void manage(Json& object, const Json& was_before, const std::string& manager, bool apply);
    kube::Answer replace(const std::string& path, Json object, bool dry_run);
    kube::Answer patch(const std::string& path, const kube::Call& call, bool dry_run);
    kube::Answer erase(const std::string& path);
    kube::Answer store(const std::string& path, Json object, const std::string& type, int status,
                       bool dry_run);
    void record(const std::string& type, const std::string& path, const Json& object);
    kube::Answer watch(const std::string& path, std::uint64_t since, const kube::OnPiece& piece) const;

    mutable std::recursive_mutex mutex_;
    std::map<std::string, JsonBox> objects_;
    std::vector<Change> changes_;
    std::uint64_t version_ = 1;
    WallTime now_ = *parse_time("2026-11-22T14:00:00Z"); // a second for each write
};

} // namespace conduit::test
