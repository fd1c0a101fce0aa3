// SPDX-License-Identifier: Apache-2.0
// The admin API's handlers, without sockets: a request in, an answer out. Handlers run on an admin thread and
// may wait.
#pragma once

#include "agent/cache/cache.hpp"
#include "agent/cache/shared_cache.hpp"
#include "agent/control/controller.hpp"
#include "agent/control/snapshot.hpp"
#include "agent/health/health.hpp"
#include "agent/metrics/metrics.hpp"
#include "agent/records/record.hpp"
#include "core/http.hpp"

#include <memory>
#include <string>

namespace conduit::agent {

struct AdminRequest {
    std::string method; // upper case
    std::string path;   // without the query
    std::string query;
    HeaderList headers;
    std::string body;
    bool on_admin_port = true; // health and metrics also answer on the data port
    std::string header(std::string_view name) const;
};

struct AdminResponse {
    int status = 200;
    std::string content_type = "application/json";
    std::string body;
    HeaderList headers;
};

struct ConnectionInfo { // for /admin/diagnostics/connections
    std::string side;   // "client" or provider name
    std::string peer;
    std::string state; // idle, in_use, draining
    std::uint64_t age_ms = 0, requests = 0, bytes_in = 0, bytes_out = 0;
};

// What only the data plane can do or tell. Called from admin threads; each call may block up to its deadline.
class DataPlane {
  public:
    virtual ~DataPlane() = default;
    struct TestResult {
        bool ok = false;
        int status = 0;
        Duration took{0};
        std::string error; // "" when ok
        Outcome outcome = Outcome::ok;
    };
    // The unbilled probe; `billed` sends a real one-word speech request where the provider supports it.
    virtual Result<TestResult> test_provider(const std::string& provider, bool billed, Deadline deadline) = 0;
    // Fills the cache through the ordinary request path. body: a /v1/audio/speech JSON.
    virtual Result<bool> warm_speech(const std::string& body,
                                     Deadline deadline) = 0; // true: it was already there
    virtual std::vector<PoolStats> pool_stats() = 0;
    virtual std::vector<ConnectionInfo> connections(std::size_t limit) = 0;
    virtual std::uint64_t in_flight() = 0; // client requests and realtime sessions
    virtual std::map<std::string, std::uint64_t> in_flight_by_provider() = 0;
};

struct AdminServices {
    Controller& controller;
    HealthBoard& health;
    Metrics& metrics;
    Records& records;
    Cache& cache;
    Limiter& limiter;
    DataPlane& data_plane;
    const GaugeSource& gauges;
    const Clock& clock;
    std::string version;
    WallTime started_at{};
    SharedCache* shared_cache = nullptr; // null: this agent shares nothing
};

class AdminApi {
  public:
    explicit AdminApi(AdminServices services);
    ~AdminApi();
    // Authenticates, authorises (viewer, operator), dispatches. Unknown route: 404 with the nearest routes.
    AdminResponse handle(const AdminRequest& request);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace conduit::agent
