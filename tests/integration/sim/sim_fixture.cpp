// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/sim/sim_fixture.hpp"

#include "core/hash.hpp"
#include "core/url.hpp"
#include "tests/support/catch.hpp"

#include <nlohmann/json.hpp>
#include <thread>

namespace conduit::sim {

SimFixture::SimFixture(unsigned threads)
{
    SimOptions options;
    options.providers = {{"openai", ProviderKind::openai, {}},
                         {"google", ProviderKind::google, {}},
                         {"aws", ProviderKind::aws, {}},
                         {"local", ProviderKind::openai, {}}};
    options.threads = threads;
    options.bench_route = true;
    options.credentials = test_credentials();
    options.credentials.keys["local"] = {"local-key"};
    auto started = SimServer::start(std::move(options));
    REQUIRE(started);
    server_ = *std::move(started);
}

Result<HttpResponse> SimFixture::send(HttpRequest request, Duration within)
{
    return client->send(request, Deadline{within});
}

HttpResponse SimFixture::get(std::string url, HeaderList headers)
{
    auto response = send({.url = std::move(url), .headers = std::move(headers)});
    REQUIRE(response);
    return *std::move(response);
}

HttpResponse SimFixture::post(std::string url, std::string body, HeaderList headers)
{
    auto response = send(
        {.method = "POST", .url = std::move(url), .headers = std::move(headers), .body = std::move(body)});
    REQUIRE(response);
    return *std::move(response);
}

HttpResponse SimFixture::openai(std::string_view path, std::string body)
{
    return post(url("openai") + std::string(path), std::move(body),
                {{"Authorization", "Bearer " + k_openai_key}, {"Content-Type", "application/json"}});
}

HttpResponse SimFixture::transcribe(std::string_view audio, const HeaderList& fields, std::string filename,
                                    std::string_view route)
{
    std::string body;
    for (const auto& [name, value] : fields)
        body += "--xyz\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n";
    body += "--xyz\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + filename +
            "\"\r\nContent-Type: application/octet-stream\r\n\r\n";
    body += audio;
    body += "\r\n--xyz--\r\n";
    return post(
        url("openai") + std::string(route), std::move(body),
        {{"Authorization", "Bearer " + k_openai_key}, {"Content-Type", "multipart/form-data; boundary=xyz"}});
}

HttpResponse SimFixture::aws(std::string method, std::string_view path, std::string body,
                             std::string_view service, HeaderList headers, SigV4Credentials key)
{
    const auto target = parse_url(url("aws") + std::string(path));
    REQUIRE(target);
    headers.emplace_back("Host", target->authority());
    const auto now = system_clock().now();
    const auto result = sign_request(
        key, {"us-east-1", std::string(service)}, now,
        {method, target->path.empty() ? "/" : target->path, target->query, headers, sha256_hex(body)});
    headers.insert(headers.end(), result.headers.begin(), result.headers.end());
    auto response =
        send({.method = method, .url = target->str(), .headers = headers, .body = std::move(body)});
    REQUIRE(response);
    return *std::move(response);
}

HttpResponse SimFixture::fault(std::string_view provider, std::string_view json)
{
    auto response = send({.method = "PATCH",
                          .url = control() + "/providers/" + std::string(provider) + "/fault",
                          .headers = {{"Content-Type", "application/json"}},
                          .body = std::string(json)});
    REQUIRE(response);
    return *std::move(response);
}

void SimFixture::lift(std::string_view provider)
{
    const auto response =
        send({.method = "DELETE", .url = control() + "/providers/" + std::string(provider) + "/fault"});
    REQUIRE(response);
    REQUIRE(response->status == 200);
}

Json SimFixture::counters(std::string_view provider)
{
    return *parse_json(get(control() + "/providers/" + std::string(provider)).body);
}

HttpResponse SimFixture::speak()
{
    return openai("/v1/audio/speech", R"({"model":"tts-1","input":"Hello there.","voice":"alloy"})");
}

bool SimFixture::eventually(const std::function<bool()>& condition)
{
    const Deadline deadline{10s};
    while (!deadline.passed()) {
        if (condition())
            return true;
        std::this_thread::yield();
    }
    return false;
}

} // namespace conduit::sim
