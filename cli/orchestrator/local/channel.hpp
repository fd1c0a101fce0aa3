// SPDX-License-Identifier: Apache-2.0
// The supervisor's end of run/supervisor.sock: requests and answers are JSON objects, one a line. Everything
// that comes in is bounded: clients, the length of a line, the time a line may take.
#pragma once

#include "core/clock.hpp"
#include "core/fs.hpp"
#include "core/json.hpp"

#include <cstdint>
#include <functional>
#include <poll.h>
#include <string>
#include <vector>

namespace conduit::local {

struct ChannelLimits {
    std::size_t clients = 32;
    std::size_t line = 65'536;
    std::size_t unsent = 4U << 20U;
    Duration idle{10'000}; // for a whole request to arrive
};

class Channel {
  public:
    using ClientId = std::uint64_t;
    using OnRequest = std::function<void(ClientId client, const Json& request)>;

    Channel(UniqueFd listener, OnRequest on_request, ChannelLimits limits = {});

    void add_polls(std::vector<pollfd>& polls) const;
    void handle(const std::vector<pollfd>& polls, SteadyTime now);
    void send(ClientId client, const Json& line);
    // After this line the conversation is over for that request; the client may ask again.
    void answer(ClientId client, const Json& line);
    void answer(ClientId client, const Error& error);
    bool connected(ClientId client) const;
    void flush(); // last words, before the program ends

  private:
    struct Client {
        ClientId id = 0;
        UniqueFd fd;
        std::string in;
        std::string out;
        bool busy = false; // its request is being worked on
        bool closing = false;
        SteadyTime since{};
    };
    Client* find(ClientId id);
    void accept_all(SteadyTime now);
    void receive(Client& client);
    void take_line(Client& client);
    static void transmit(Client& client);

    UniqueFd listener_;
    OnRequest on_request_;
    ChannelLimits limits_;
    std::vector<Client> clients_;
    ClientId next_ = 1;
};

Json error_json(const Error& error);
Error error_from_json(const Json& document);

} // namespace conduit::local
