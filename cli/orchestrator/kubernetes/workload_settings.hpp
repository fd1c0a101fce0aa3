// SPDX-License-Identifier: Apache-2.0
// Settings as places in the objects of the API. Pure: documents in, documents out.
#pragma once

#include "cli/orchestrator/kubernetes/objects.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::kubernetes {

struct SettingPath {
    enum class Kind : std::uint8_t { image, resource, strategy, paused, pods, autoscaler, bound };
    Kind kind = Kind::image;
    std::string object; // "agent"
    std::string part;   // the container, or "min", "max", "cpu", "type", "max_surge"
    std::string key;    // of a resource: "limits.memory"
    bool of_autoscaler() const { return kind == Kind::autoscaler || kind == Kind::bound; }
};
Result<SettingPath> parse_setting(const std::string& path);

// The value at a place of a workload or an autoscaler; not_found names the containers that there are.
// Not for Kind::pods, which is a name among the revisions.
Result<Json> read_setting(const Json& object, const SettingPath& path);
// The same object with another value there.
Result<> edit_setting(Json& object, const SettingPath& path, const Json& value);

// What a merge patch must say to make `to` of `from`; an empty object when they are the same.
Json merge_diff(const Json& from, const Json& to);

// An autoscaler without what the server adds: labels, annotations and spec; what makes it anew.
Json kept_autoscaler(const Json& object);
std::vector<std::pair<std::string, std::string>> images_of(const Json& pod_template); // by container

} // namespace conduit::kubernetes
