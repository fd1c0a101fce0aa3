// SPDX-License-Identifier: Apache-2.0
// The agents' admin API as the CLI sees it: one deployment, several replicas. Reads may ask any replica or
// all of them at once; a write goes to one (they share their control state) and is proved at all.
#pragma once

#include "core/clock.hpp"
#include "core/http.hpp"
#include "core/json.hpp"
#include "core/result.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace conduit {

struct AgentEndpoint {
    std::string name; // "agent-1"
    std::string url;  // "http://127.0.0.1:41001"
};

struct AgentCall {
    std::string method = "GET";
    std::string path; // "/admin/v1/providers"
    std::multimap<std::string, std::string> query;
    JsonBox body; // null: none
    HeaderList headers;
    bool finish = false;           // not cut off by a stop
    std::function<void()> on_sent; // it has left, and no answer was read yet
};

struct ReplicaAnswer {
    AgentEndpoint replica;
    Result<JsonBox> body;
    Duration took{0};
};

class Agents {
  public:
    virtual ~Agents() = default;
    // Who is there now. unreachable when nobody can be asked.
    virtual Result<std::vector<AgentEndpoint>> replicas(Deadline deadline) = 0;
    // The first replica that answers. A connection that failed before anything was sent tries the next one;
    // an answer lost after sending is `unknown` for anything but GET.
    virtual Result<JsonBox> ask(const AgentCall& call, Deadline deadline) = 0;
    // Every replica, at once; in the order of replicas(). Each has its own outcome.
    virtual std::vector<ReplicaAnswer> ask_all(const AgentCall& call, Deadline deadline) = 0;
    // Names the deployment for locks and messages: "local /home/x/.local/share/conduit".
    virtual std::string identity() const = 0;
};

struct AgentsOptions {
    std::string identity;
    std::string start_hint = "Start one: conduitctl local up"; // when nobody runs
    // Asked anew for each command: replicas come and go.
    std::function<Result<std::vector<AgentEndpoint>>(Deadline)> discover;
    std::function<Result<std::string>()> token; // read when first needed
    std::function<std::unique_ptr<HttpClient>()> client;
    std::string actor; // sent as X-Conduit-Actor
    std::string ca_file, certificate_file,
        key_file; // PEM; empty: the system's authorities, no certificate of ours
};
std::unique_ptr<Agents> make_agents(AgentsOptions options);

// An answer of the admin API as a value or an Error: {"error": {"code", "message", "hint", "details"}}
// becomes the kind of that name. Exposed for tests.
Result<JsonBox> read_answer(const HttpResponse& response, const std::string& url);

// Have all replicas applied this revision? One row a replica.
struct Convergence {
    struct Row {
        AgentEndpoint replica;
        std::uint64_t applied_revision = 0;
        bool store_ok = true;
        bool agreed = false;
        std::vector<std::string> skipped; // overrides it cannot apply, with the reason
        std::string error;                // why it could not be asked
    };
    std::vector<Row> rows;
    std::size_t agreed = 0;
    bool complete() const { return !rows.empty() && agreed == rows.size(); }
    std::string missing() const; // "agent-3 (at revision 41), agent-4 (cannot be reached)"
};
Convergence read_convergence(Agents& agents, std::uint64_t revision, Deadline deadline);
// Polls until complete, the deadline passes or a stop is asked for; the last reading either way.
Convergence wait_converged(Agents& agents, std::uint64_t revision, Deadline deadline, Clock& clock,
                           const Cancel* cancel = nullptr);

} // namespace conduit
