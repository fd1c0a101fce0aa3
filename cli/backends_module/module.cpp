// SPDX-License-Identifier: Apache-2.0
// The one entry of libconduit_backends.so. See cli/app/module.hpp.
#include "cli/app/module.hpp"
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

// From the folder of this module.
Result<std::unique_ptr<HttpClient>> load_curl(const Cancel* cancel)
{
    Dl_info self{};
    static const char k_here = 0;
    if (::dladdr(&k_here, &self) == 0)
        return fail(ErrorKind::internal, "a module that does not know where it lies");
    const auto file = std::filesystem::path(self.dli_fname).parent_path() / "libconduit_curl.so";
    void* handle = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL); // once: later calls find it
    using Entry = HttpClient* (*)(const char*, const Cancel*);
    const auto entry = // POSIX promises that dlsym's answer can be called
        handle == nullptr ? nullptr
                          : reinterpret_cast<Entry>(::dlsym(handle, "conduit_curl_client")); // NOLINT
    std::unique_ptr<HttpClient> client(entry == nullptr ? nullptr : entry(CONDUIT_VERSION, cancel));
    if (client)
        return client;
    const char* why = handle == nullptr ? ::dlerror() : nullptr; // NOLINT(concurrency-mt-unsafe): per thread
    return Error{ErrorKind::failed, fmt::format("cannot load {}", file.string()), "Install conduitctl again."}
        .with_cause(why == nullptr ? "it belongs to another version" : why);
}

class Backends final : public BackendModule {
  public:
    Result<std::unique_ptr<HttpClient>> http(const Cancel* cancel) override { return load_curl(cancel); }
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
