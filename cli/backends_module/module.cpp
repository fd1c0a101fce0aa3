// SPDX-License-Identifier: Apache-2.0
// The one entry of libconduit_backends.so. See cli/app/module.hpp.
#include "cli/app/module.hpp"
#include "core/http.hpp"
#include "core/kube/streams.hpp"
#include "core/kube/transport.hpp"

#include <string_view>

namespace conduit {
namespace {

class Backends final : public BackendModule {
  public:
    Result<std::unique_ptr<HttpClient>> http(const Cancel* cancel) override
    {
        return make_curl_client(cancel);
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
