// SPDX-License-Identifier: Apache-2.0
// The one entry of libconduit_curl.so, which libconduit_backends.so loads when a URL is first asked: libcurl
// brings some thirty libraries, and a command that speaks to a cluster alone needs none of them.
#include "core/http.hpp"

#include <string_view>

extern "C" __attribute__((visibility("default"))) conduit::HttpClient*
conduit_curl_client(const char* version, const conduit::Cancel* cancel)
{
    if (std::string_view(version) != CONDUIT_VERSION)
        return nullptr;
    return conduit::make_curl_client(cancel).release(); // the caller owns it
}
