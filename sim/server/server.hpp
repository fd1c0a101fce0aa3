// SPDX-License-Identifier: Apache-2.0
// The simulator's sockets: a port for each provider and one for control. Beast stays inside this folder.
#pragma once

#include "core/result.hpp"
#include "core/url.hpp"
#include "sim/wire/message.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::sim {

struct ListenSpec {
    HostPort address{"127.0.0.1", 0};
    int fd = -1; // an inherited listening socket; then the address does not matter
};

struct ProviderSpec {
    std::string name;
    ProviderKind kind = ProviderKind::openai;
    ListenSpec listen;
};

struct SimOptions {
    std::vector<ProviderSpec> providers;
    ListenSpec control;
    unsigned threads = 1;
    bool bench_route = false; // answer /bench/N
    SimCredentials credentials;
};

class SimServer {
  public:
    // Listens when it returns, and serves on threads of its own until destroyed.
    static Result<std::unique_ptr<SimServer>> start(SimOptions options);
    ~SimServer();
    SimServer(const SimServer&) = delete;
    SimServer& operator=(const SimServer&) = delete;

    std::string provider_url(std::string_view name) const; // "http://127.0.0.1:PORT"; "" when unknown
    std::string control_url() const;
    std::string ready_json() const; // {"pid":...,"providers":{...},"control":...}

  private:
    struct Impl;
    explicit SimServer(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace conduit::sim
