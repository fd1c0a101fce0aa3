// SPDX-License-Identifier: Apache-2.0
// The one entry of libconduit_backends.so. See cli/app/module.hpp.
#include "cli/app/module.hpp"
#include "cli/backend/postgres/connection.hpp"
#include "cli/backend/redis/servers.hpp"
#include "core/http.hpp"
#include "core/kube/streams.hpp"
#include "core/kube/transport.hpp"
#include "core/tls_peer.hpp"

#include <dlfcn.h>
#include <filesystem>
#include <fmt/format.h>
#include <string_view>

namespace conduit {
namespace {

// The entry of another module in the folder of this one.
Result<void*> find_entry(const char* file_name, const char* name)
{
    Dl_info self{};
    static const char k_here = 0;
    if (::dladdr(&k_here, &self) == 0)
        return fail(ErrorKind::internal, "a module that does not know where it lies");
    const auto file = std::filesystem::path(self.dli_fname).parent_path() / file_name;
    void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL); // once: later calls find it
    void* entry = handle == nullptr ? nullptr : ::dlsym(handle, name);
    if (entry != nullptr)
        return entry;
    const char* why = ::dlerror(); // NOLINT(concurrency-mt-unsafe): per thread
    return Error{ErrorKind::failed, fmt::format("cannot load {}", file.string()), "Install conduitctl again."}
        .with_cause(why == nullptr ? "it has no entry" : why);
}

template <class T> Result<std::unique_ptr<T>> of_this_version(T* made, const char* file_name)
{
    if (made != nullptr)
        return std::unique_ptr<T>(made);
    return Error{ErrorKind::failed, fmt::format("cannot load {}", file_name), "Install conduitctl again."}
        .with_cause("it belongs to another version");
}

class Backends final : public BackendModule {
  public:
    // POSIX promises that dlsym's answer can be called.
    Result<std::unique_ptr<HttpClient>> http(const Cancel* cancel) override
    {
        using Entry = HttpClient* (*)(const char*, const Cancel*);
        TRY_ASSIGN(void* entry, find_entry("libconduit_curl.so", "conduit_curl_client"));
        return of_this_version(reinterpret_cast<Entry>(entry)(CONDUIT_VERSION, cancel), // NOLINT
                               "libconduit_curl.so");
    }
    Result<std::unique_ptr<Database>> postgres(const postgres::Settings& settings,
                                               const std::function<Result<postgres::Late>(Deadline)>& late,
                                               const Cancel* cancel) override
    {
        using Entry = Database* (*)(const char*, const postgres::Settings*,
                                    const std::function<Result<postgres::Late>(Deadline)>*, const Cancel*);
        TRY_ASSIGN(void* entry, find_entry("libconduit_postgres.so", "conduit_postgres_database"));
        return of_this_version(
            reinterpret_cast<Entry>(entry)(CONDUIT_VERSION, &settings, &late, cancel), // NOLINT
            "libconduit_postgres.so");
    }
    std::unique_ptr<kube::Transport> kube(const kube::Access& access,
                                          std::unique_ptr<kube::Credentials> credentials,
                                          const Cancel* cancel) override
    {
        return kube::make_transport(access, std::move(credentials), cancel);
    }
    std::unique_ptr<kube::Streams> kube_streams(const kube::Access& access,
                                                std::unique_ptr<kube::Credentials> credentials) override
    {
        return kube::make_streams(access, std::move(credentials));
    }
    Result<std::vector<CertificateInfo>> served_certificates(const TlsEndpoint& endpoint,
                                                             Deadline deadline) override
    {
        return conduit::served_certificates(endpoint, deadline);
    }
    std::unique_ptr<RedisServers> redis(RedisAccess access, const Cancel* cancel) override
    {
        return make_redis_servers(std::move(access), cancel);
    }
};

} // namespace
} // namespace conduit

extern "C" __attribute__((visibility("default"))) conduit::BackendModule*
conduit_backend_module(const char* version)
{
    // Plain classes cross this border, so both sides must come from one build.
    if (std::string_view(version) != CONDUIT_VERSION)
        return nullptr;
    return new conduit::Backends(); // NOLINT(cppcoreguidelines-owning-memory): the loader owns it
}
