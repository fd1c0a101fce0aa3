// SPDX-License-Identifier: Apache-2.0
#include "core/kube/pod_proxy.hpp"

#include "core/json.hpp"
#include "core/kube/api.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::kube {
namespace {

bool is_status(const Answer& answer)
{
    if (answer.status < 400 || !answer.header("content-type").contains("json"))
        return false;
    const auto body = parse_json(answer.body, {1U << 20U, 32});
    return body && json_string_or(*body, "kind", "") == "Status" &&
           json_string_or(*body, "apiVersion", "") == "v1";
}

// "error trying to reach service: dial tcp 10.0.0.7:9091: connect: connection refused" was never sent;
// "... EOF" may have been.
Error proxy_error(const Answer& answer, const Call& call, const std::string& server)
{
    auto error = error_of(answer, call, server);
    const bool dialled = error.message.contains("dial ") || error.message.contains("no such host") ||
                         error.message.contains("address not allowed");
    if (answer.status == 404 || (answer.status >= 500 && dialled))
        error.kind = ErrorKind::unreachable;
    else if (answer.status >= 500 && error.message.contains("error trying to reach service"))
        error.kind = ErrorKind::unknown;
    return error;
}

class PodClient final : public HttpClient {
  public:
    PodClient(std::shared_ptr<Transport> transport, std::unique_ptr<HttpClient> other)
        : transport_(std::move(transport)), other_(std::move(other)), prefix_(transport_->server() + "/api/")
    {
    }

    Result<HttpResponse> send(const HttpRequest& request, Deadline deadline) override
    {
        if (!request.url.starts_with(prefix_)) {
            if (other_)
                return other_->send(request, deadline);
            return fail(ErrorKind::unreachable, fmt::format("nothing leads to {}", printable(request.url)));
        }
        Call call{.method = request.method, .path = request.url.substr(transport_->server().size())};
        call.body = request.body;
        call.accept = "*/*";
        call.finish = request.finish;
        call.on_sent = request.on_sent;
        for (const auto& [name, value] : request.headers)
            if (iequals(name, "content-type"))
                call.content_type = value;
            else
                call.headers.emplace_back(name, value);
        auto answer = request.on_data ? transport_->stream(call, request.on_data, deadline)
                                      : transport_->send(call, deadline);
        if (!answer)
            return std::move(answer).error();
        if (is_status(*answer))
            return proxy_error(*answer, call, transport_->server());
        if (answer->body.size() > request.max_body)
            return fail(ErrorKind::failed,
                        fmt::format("the answer of {} is larger than {}", printable(request.url),
                                    format_bytes(request.max_body)));
        return HttpResponse{answer->status, std::move(answer->headers), std::move(answer->body)};
    }

  private:
    const std::shared_ptr<Transport> transport_;
    const std::unique_ptr<HttpClient> other_;
    const std::string prefix_;
};

} // namespace

std::string pod_url(const std::string& server, std::string_view name_space, std::string_view pod,
                    std::string_view port, bool tls)
{
    const auto name = fmt::format("{}{}:{}", tls ? "https:" : "", pod, port);
    return server + resource_path({.plural = "pods"}, name_space, name, "proxy");
}

std::unique_ptr<HttpClient> make_pod_client(std::shared_ptr<Transport> transport,
                                            std::unique_ptr<HttpClient> other)
{
    return std::make_unique<PodClient>(std::move(transport), std::move(other));
}

} // namespace conduit::kube
