// SPDX-License-Identifier: Apache-2.0
// One connection to a Redis server, for one thread. Blocking calls with a deadline for whoever has a thread
// to spare, and the steps below them for whoever waits for several things at once.
#pragma once

#include "core/cancel.hpp"
#include "core/clock.hpp"
#include "core/redis/reply.hpp"
#include "core/redis/settings.hpp"

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace conduit::redis {

class Connection {
  public:
    // Connected, over TLS if so set, authenticated, in its database. With sentinels: to the server that they
    // name and that says itself that it is the master. unreachable, auth, failed.
    // `stop` ends every wait, now and later; names are looked up by the system, which nothing ends.
    static Result<std::unique_ptr<Connection>> open(const Settings& settings, Deadline deadline,
                                                    const Cancel* stop = nullptr);
    // One server, whatever its role.
    static Result<std::unique_ptr<Connection>> open_at(const Address& address, const Identity& identity,
                                                       const Settings& settings, Deadline deadline,
                                                       const Cancel* stop = nullptr);
    ~Connection();
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // An error reply is a reply; no reply in time is unknown, and the connection is of no more use then.
    Result<Reply> call(std::string_view command, Deadline deadline);
    Result<Reply> call(std::initializer_list<std::string_view> words, Deadline deadline)
    {
        return call(command(words), deadline);
    }
    // Several commands in one go, their replies in order.
    Result<std::vector<Reply>> pipeline(std::string_view commands, std::size_t count, Deadline deadline);

    // Without waiting: how much was taken of the bytes.
    Result<std::size_t> send_some(std::string_view bytes);
    // Without waiting: true when something came.
    Result<bool> receive_some();
    Result<std::optional<Reply>> next() { return reader_.next(); }
    int fd() const;
    short events(bool sending) const; // to poll for, unless there is something pending
    bool pending() const;             // bytes that came already, so that polling would not tell
    const Address& address() const { return address_; }

    struct Socket;

  private:
    Connection(std::unique_ptr<Socket> socket, Address address, const Cancel* stop);
    Result<> wait(bool sending, Deadline deadline);
    Result<> send_all(std::string_view bytes, Deadline deadline);
    Result<> log_in(const Identity& identity, unsigned database, Deadline deadline);
    std::unique_ptr<Socket> socket_;
    Address address_;
    const Cancel* stop_;
    ReplyReader reader_;
};

// Asks the sentinels in order who the master is now; it may have gone since.
Result<Address> find_master(const Settings& settings, Deadline deadline);

} // namespace conduit::redis
