// SPDX-License-Identifier: Apache-2.0
// The admin listener: whole requests in, whole answers out, handlers on two threads that may wait.
#pragma once

#include "agent/admin/admin.hpp"
#include "agent/net/loop.hpp"

#include <functional>
#include <memory>

namespace conduit::agent {

class TlsListener;
using AdminHandler = std::function<AdminResponse(const AdminRequest&)>; // null: no admin API

class AdminPort {
  public:
    // fd: a listening socket, or -1 for none; the handler threads serve the data port's health too.
    // tls: null for plain; outlives this.
    AdminPort(AdminHandler handler, int fd, TlsListener* tls = nullptr);
    ~AdminPort();
    // Runs a handler and comes back to the caller's loop.
    Task<AdminResponse> run(Loop& loop, AdminRequest request);
    void stop();

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace conduit::agent
