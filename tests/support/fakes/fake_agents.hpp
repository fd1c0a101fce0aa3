// SPDX-License-Identifier: Apache-2.0
// Agents in memory: state with revisions, compare-and-set, idempotency and expiry, and the answers the
// commands read. tests/contract runs the same body against this and against the real conduit-agent.
#pragma once

#include "cli/backend/agent.hpp"
#include "core/cancel.hpp"
#include "core/fs.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace conduit::test {

class FakeAgents final : public Agents {
  public:
    explicit FakeAgents(Clock& clock, int replicas = 3);

    Result<std::vector<AgentEndpoint>> replicas(Deadline deadline) override;
    Result<JsonBox> ask(const AgentCall& call, Deadline deadline) override;
    std::vector<ReplicaAnswer> ask_all(const AgentCall& call, Deadline deadline) override;
    std::string identity() const override { return "fake"; }

    struct Provider {
        std::string name;
        int weight = 0;
        double health = 1.0;
        std::string circuit = "closed";
        std::uint64_t selected = 0;
        std::uint64_t in_flight = 0;
        std::uint64_t realtime = 0;
    };
    struct Override {
        JsonBox value;
        std::string actor, reason, operation;
        std::optional<WallTime> expires_at;
        std::uint64_t revision = 0;
        std::optional<WallTime> set_at; // now, when a test put it here
    };

    std::vector<Provider> providers{{"openai", 70}, {"google", 20}, {"aws", 10}};
    std::vector<std::string> keys{"team-a"};
    std::map<std::string, Override> overrides;
    std::uint64_t revision = 1;
    std::map<std::string, Error> faults;         // path, or "PATCH " and path -> what it answers; "*" for all
    std::map<std::string, JsonBox> answers;      // path -> what it answers instead of the model below
    std::map<std::string, JsonBox> cannot_apply; // path -> the value that the last replica leaves out
    fs::path config_file;                        // what the replicas read; empty: none
    std::string behind;                          // a replica that never follows
    std::vector<AgentCall> calls;
    const Cancel* cancel = nullptr; // cuts off calls that need not finish, as in the real client
    std::function<void(const AgentCall&)> before_call; // somebody else, in just that moment
    std::function<void(const AgentCall&)> after_call;
    bool lose_next_patch_reply = false; // it is applied, the caller gets `unknown`

    // The state lives in this file, so that several processes see the same agents.
    void keep_in(fs::path file);
    JsonBox effective(const std::string& path) const; // null: unknown path
    std::string dump() const; // the overrides, canonical, without revision, time and who wrote them
    void expire_due();

  private:
    Result<JsonBox> answer(const AgentCall& call, const std::string& replica);
    Result<JsonBox> patch(const Json& body);
    Result<> check_patch(const Json& body) const;
    Json provider_item(const Provider& provider) const;
    Json state_item(const std::string& path, const Override& o) const;
    Json state_json() const;
    Result<JsonBox> effective_json(const AgentCall& call) const;
    Json replica_json(const std::string& replica) const;
    Json limits_json() const;
    Json blocklist_json() const;
    void load();
    void save() const;
    Clock& clock_;
    std::vector<AgentEndpoint> endpoints_;
    std::map<std::string, std::uint64_t> operations_;
    fs::path file_;
};

// What the agents show beside their state, where nothing depends on it: usage, connections, summary, ...
Result<JsonBox> fake_figures(const AgentCall& call, const std::vector<FakeAgents::Provider>& providers);

} // namespace conduit::test
