// SPDX-License-Identifier: Apache-2.0
// libconduit_backends.so: the adapters with their libraries (libcurl, libpq, ...), loaded when a verb first
// asks for a backend. libcurl alone brings some thirty shared libraries, which would cost every start more
// than all else.
//
// To add a backend: a virtual function in BackendModule, its body in cli/backends_module/module.cpp, and a
// Slot in App whose factory in cli/app/wiring.cpp calls it.
#pragma once

#include "core/cancel.hpp"
#include "core/clock.hpp"
#include "core/result.hpp"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace conduit {

class Database;
class HttpClient;
class RedisServers;
struct CertificateInfo;
struct RedisAccess;
struct TlsEndpoint;
namespace kube {
class Credentials;
class Streams;
class Transport;
struct Access;
} // namespace kube
namespace postgres {
struct Late;
struct Settings;
} // namespace postgres

class BackendModule {
  public:
    virtual ~BackendModule() = default;
    virtual Result<std::unique_ptr<HttpClient>> http(const Cancel* cancel) = 0;
    virtual std::unique_ptr<kube::Transport> kube(const kube::Access& access,
                                                  std::unique_ptr<kube::Credentials> credentials,
                                                  const Cancel* cancel) = 0;
    virtual std::unique_ptr<kube::Streams> kube_streams(const kube::Access& access,
                                                        std::unique_ptr<kube::Credentials> credentials) = 0;
    // late: asked before the first connection; see cli/backend/postgres/connection.hpp.
    virtual Result<std::unique_ptr<Database>>
    postgres(const postgres::Settings& settings, const std::function<Result<postgres::Late>(Deadline)>& late,
             const Cancel* cancel) = 0;
    // What a TLS server shows, its own certificate first; see core/tls_peer.hpp.
    virtual Result<std::vector<CertificateInfo>> served_certificates(const TlsEndpoint& endpoint,
                                                                     Deadline deadline) = 0;
    virtual std::unique_ptr<RedisServers> redis(RedisAccess access, const Cancel* cancel) = 0;
};

inline constexpr const char* k_module_file = "libconduit_backends.so";
inline constexpr const char* k_module_entry =
    "conduit_backend_module"; // BackendModule* (*)(const char* version)

// The module in memory; it is never unloaded, since what it made may outlive this.
class LoadedModule {
  public:
    explicit LoadedModule(BackendModule* backends) : backends_(backends) {}
    BackendModule& backends() { return *backends_; }

  private:
    std::unique_ptr<BackendModule> backends_;
};

// Looks beside the program: ../lib/conduit (installed), ../lib (build folder); or only at override_path.
Result<std::unique_ptr<LoadedModule>> load_backend_module(const std::string& override_path = {});

} // namespace conduit
