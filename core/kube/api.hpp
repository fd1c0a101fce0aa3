// SPDX-License-Identifier: Apache-2.0
// The Kubernetes API as documents and errors: paths, pages, patches, and what a Status means for an operator.
#pragma once

#include "core/json.hpp"
#include "core/kube/transport.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace conduit::kube {

struct Resource {
    std::string group; // "" is the core group
    std::string version = "v1";
    std::string plural;
    bool namespaced = true;
};
// "/apis/apps/v1/namespaces/audio/deployments/agent/scale"; no name: the collection; no namespace: of all.
std::string resource_path(const Resource& resource, std::string_view name_space, std::string_view name = {},
                          std::string_view subresource = {});

enum class PatchType : std::uint8_t { apply, merge, strategic, json };

struct WriteOptions {
    std::string field_manager = "conduitctl";
    bool force = false;   // apply: take fields over that another manager owns
    bool dry_run = false; // the server decides and writes nothing
    std::function<void()> on_sent;
};

using Query = std::multimap<std::string, std::string>;

// unreachable, unknown, interrupted: as the transport. Of an answer: auth (401; 403 names verb and resource),
// not_found (404), stale (409 Conflict, 410), refused (a disruption budget, a quota), failed (the rest, in
// the server's words).
class Api { // thread-safe
  public:
    Api(std::unique_ptr<Transport> transport, Clock& clock, const Cancel* cancel = nullptr);

    Result<JsonBox> get(const std::string& path, Deadline deadline, const Query& query = {});
    Result<JsonBox> create(const std::string& path, const Json& body, const WriteOptions& options,
                           Deadline deadline);
    Result<JsonBox> replace(const std::string& path, const Json& body, const WriteOptions& options,
                            Deadline deadline);
    Result<JsonBox> patch(const std::string& path, PatchType type, const Json& body,
                          const WriteOptions& options, Deadline deadline);
    Result<JsonBox> remove(const std::string& path, const Json& options, Deadline deadline);
    // Each item of a collection, page by page; the resourceVersion of the whole. A page that has expired on
    // the server begins the list anew, after `restart`.
    Result<std::string> list(const std::string& path, const Query& query,
                             const std::function<void(const Json& item)>& item,
                             const std::function<void()>& restart, Deadline deadline);
    // One call: waits out 429 with its Retry-After, repeats a read whose connection ended, and turns what is
    // not a success into an error.
    Result<Answer> ask(const Call& call, Deadline deadline);
    Transport& transport() { return *transport_; }
    Clock& clock() { return clock_; }
    const Cancel* cancel() const { return cancel_; }

  private:
    Result<JsonBox> write(std::string method, const std::string& path, std::string content_type,
                          const Json& body, Query query, const WriteOptions& options, Deadline deadline);

    std::unique_ptr<Transport> transport_;
    Clock& clock_;
    const Cancel* cancel_;
};

// What an answer of 400 and above says. Exposed for tests.
Error error_of(const Answer& answer, const Call& call, const std::string& server);
bool is_expired(const Error& error); // 410: this resourceVersion is no longer known

} // namespace conduit::kube
