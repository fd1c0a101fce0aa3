// SPDX-License-Identifier: Apache-2.0
// Agents in memory: state with revisions, compare-and-set, idempotency and expiry, and the answers the
// commands read. tests/contract runs the same body against this and against the real conduit-agent.
#pragma once

#include "cli/backend/agent.hpp"

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
    };

    std::vector<Provider> providers{{"openai", 70}, {"google", 20}, {"aws", 10}};
    std::map<std::string, Override> overrides;
    std::uint64_t revision = 1;
    std::map<std::string, Error> faults; // path -> what every call of it answers; "*" for all
    std::map<std::string, JsonBox>
        answers;        // GET path -> what it answers, where the model below does not speak
    std::string behind; // a replica that never follows
    std::vector<AgentCall> calls;
    bool lose_next_patch_reply = false; // it is applied, the caller gets `unknown`

    JsonBox effective(const std::string& path) const; // null: unknown path
    void expire_due();

  private:
    Result<JsonBox> answer(const AgentCall& call, const std::string& replica);
    Result<JsonBox> patch(const Json& body);
    Json provider_item(const Provider& provider) const;
    Json state_item(const std::string& path, const Override& o) const;
    Clock& clock_;
    std::vector<AgentEndpoint> endpoints_;
    std::map<std::string, std::uint64_t> operations_;
};

} // namespace conduit::test
