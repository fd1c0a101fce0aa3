// SPDX-License-Identifier: Apache-2.0
// What the supervisor does with a request, and which requests still wait for their outcome.
#pragma once

#include "cli/orchestrator/local/channel.hpp"
#include "cli/orchestrator/local/done_keys.hpp"
#include "cli/orchestrator/local/fleet.hpp"
#include "cli/orchestrator/local/spec.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace conduit::local {

class Requests {
  public:
    Requests(const Layout& layout, LocalSpec& spec, Fleet& fleet, WallTime started_at);

    void set_channel(Channel& channel) { channel_ = &channel; }
    void handle(Channel::ClientId client, const Json& request);
    void note(std::string_view object, std::string_view reason, const std::string& message, WallTime at);
    void tick(); // answers those whose outcome is there
    bool waiting() const { return !waiting_.empty(); }
    bool stop_asked() const { return stop_asked_; }
    void ask_stop() { stop_asked_ = true; }

  private:
    using Outcome = std::optional<Result<Json>>; // nothing: not yet
    struct Waiting {
        Channel::ClientId client;
        std::uint64_t seen; // of the events
        std::function<Outcome()> poll;
    };
    Result<Json> status() const;
    Result<Json> events() const;
    Result<Json> find(const Json& request) const;
    Result<Json> reconfigure();
    void scale(Channel::ClientId client, const Json& request);
    void restart(Channel::ClientId client, const Json& request);
    void stop(Channel::ClientId client);
    Result<std::vector<std::string>> restarted_names(const Json& request) const;
    void answer(Channel::ClientId client, const Result<Json>& result);
    void wait(Channel::ClientId client, std::function<Outcome()> poll);
    Error crash_error(const std::string& name) const;

    const Layout& layout_;
    LocalSpec& spec_;
    Fleet& fleet_;
    WallTime started_at_;
    Channel* channel_ = nullptr;
    DoneKeys keys_;
    std::vector<Waiting> waiting_;
    std::deque<JsonBox> events_;
    std::uint64_t events_total_ = 0;
    bool stop_asked_ = false;
};

} // namespace conduit::local
