// SPDX-License-Identifier: Apache-2.0
// A simulator in this process and a client for it.
#pragma once

#include "core/http.hpp"
#include "core/json.hpp"
#include "core/sigv4.hpp"
#include "sim/server/server.hpp"

#include <functional>
#include <memory>
#include <string>

namespace conduit::sim {

inline const std::string k_openai_key = "sk-sim-openai-test-key";
inline const std::string k_google_key = "AIzaSimGoogleTestKey";

class SimFixture {
  public:
    explicit SimFixture(unsigned threads = 1);

    std::string url(std::string_view provider) const { return server_->provider_url(provider); }
    std::string control() const { return server_->control_url(); }
    Result<HttpResponse> send(HttpRequest request, Duration within = 10s);
    HttpResponse get(std::string url, HeaderList headers = {});
    HttpResponse post(std::string url, std::string body, HeaderList headers);
    HttpResponse openai(std::string_view path, std::string body); // with the right key
    HttpResponse transcribe(std::string_view audio, const HeaderList& fields, std::string filename = "a.wav",
                            std::string_view route = "/v1/audio/transcriptions");
    HttpResponse aws(std::string method, std::string_view path, std::string body, std::string_view service,
                     HeaderList headers = {}, SigV4Credentials key = test_credentials().aws.front());
    HttpResponse fault(std::string_view provider, std::string_view json);
    void lift(std::string_view provider);
    Json counters(std::string_view provider);
    HttpResponse speak(); // a short request for speech to openai
    bool eventually(const std::function<bool()>& condition);

    std::unique_ptr<HttpClient> client = make_curl_client();

  private:
    std::unique_ptr<SimServer> server_;
};

} // namespace conduit::sim
