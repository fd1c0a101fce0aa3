// SPDX-License-Identifier: Apache-2.0
// libcurl easy handles. Redirects are not followed: an admin API that redirects is a misconfiguration to be
// seen.
#include "core/http.hpp"

#include "core/text.hpp"

#include <array>
#include <curl/curl.h>
#include <fmt/format.h>
#include <mutex>

namespace conduit {
namespace {

struct FreeEasy {
    void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct FreeList {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using HeaderLines = std::unique_ptr<curl_slist, FreeList>;

struct Sink {
    HttpResponse response;
    const HttpRequest* request = nullptr;
    const Cancel* cancel = nullptr;
    std::size_t sent = 0; // of the body
    bool told = false;    // on_sent was called
    bool too_large = false;
    bool stopped = false;
    std::array<char, CURL_ERROR_SIZE> reason{}; // why curl failed, in its words
};

std::size_t on_body(char* data, std::size_t size, std::size_t count, void* user)
{
    auto& sink = *static_cast<Sink*>(user);
    const std::string_view piece(data, size * count);
    if (sink.request->on_data) {
        sink.stopped = !sink.request->on_data(piece);
        return sink.stopped ? 0 : piece.size();
    }
    if (sink.response.body.size() + piece.size() > sink.request->max_body) {
        sink.too_large = true;
        return 0;
    }
    sink.response.body.append(piece);
    return piece.size();
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* user)
{
    auto& sink = *static_cast<Sink*>(user);
    const std::string_view line(data, size * count);
    if (line.starts_with("HTTP/"))
        sink.response.headers.clear(); // a 100 Continue came before
    const auto colon = line.find(':');
    if (colon != std::string_view::npos)
        sink.response.headers.emplace_back(to_lower(line.substr(0, colon)), trim(line.substr(colon + 1)));
    return line.size();
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t)
{
    const auto& sink = *static_cast<Sink*>(user);
    return sink.cancel != nullptr && sink.cancel->requested() ? 1 : 0;
}

// curl reports what it has just written to the socket, and nothing else does so before the answer is read.
int on_debug(CURL*, curl_infotype type, char*, std::size_t size, void* user)
{
    auto& sink = *static_cast<Sink*>(user);
    if (type == CURLINFO_DATA_OUT)
        sink.sent += size;
    const bool out = type == CURLINFO_DATA_OUT || type == CURLINFO_HEADER_OUT;
    if (out && !sink.told && sink.sent >= sink.request->body.size()) {
        sink.told = true;
        sink.request->on_sent();
    }
    return 0;
}

// The server ended the handshake because of our certificate, or because there was none. With TLS 1.3 this is
// read only after the request was sent, which the server has then thrown away.
bool wants_certificate(std::string_view reason)
{
    return reason.contains("alert certificate required") || reason.contains("alert bad certificate") ||
           reason.contains("alert unknown ca") || reason.contains("alert handshake failure");
}

// True when curl cannot have sent the request: repeating it is safe.
bool nothing_was_sent(CURLcode code)
{
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
        return true;
    default:
        return false;
    }
}

class CurlClient final : public HttpClient {
  public:
    explicit CurlClient(const Cancel* cancel) : cancel_(cancel), handle_(curl_easy_init()) {}

    Result<HttpResponse> send(const HttpRequest& request, Deadline deadline) override
    {
        if (!handle_)
            return fail(ErrorKind::internal, "libcurl could not be initialised");
        if (deadline.passed())
            return fail(ErrorKind::unreachable, fmt::format("no time left to reach {}", request.url));
        Sink sink;
        sink.request = &request;
        sink.cancel = request.finish ? nullptr : cancel_;
        const auto lines = prepare(request, deadline, sink);
        const CURLcode code = curl_easy_perform(handle_.get());
        if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && sink.stopped))
            return failure(request, code, sink);
        long status = 0;
        curl_easy_getinfo(handle_.get(), CURLINFO_RESPONSE_CODE, &status);
        sink.response.status = static_cast<int>(status);
        return std::move(sink.response);
    }

  private:
    HeaderLines prepare(const HttpRequest& request, Deadline deadline, Sink& sink)
    {
        auto* h = handle_.get();
        curl_easy_reset(h);
        curl_easy_setopt(h, CURLOPT_URL, request.url.c_str());
        curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https");
        curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(h, CURLOPT_TIMEOUT_MS,
                         static_cast<long>(std::min<std::int64_t>(deadline.left().count(), 86'400'000)));
        curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, request.method.c_str());
        if (request.method == "HEAD")
            curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
        if (!request.body.empty() || request.method == "POST" || request.method == "PUT" ||
            request.method == "PATCH") {
            curl_easy_setopt(h, CURLOPT_POSTFIELDS, request.body.data());
            curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        }
        if (!request.unix_socket.empty())
            curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
        if (!request.ca_file.empty())
            curl_easy_setopt(h, CURLOPT_CAINFO, request.ca_file.c_str());
        if (!request.certificate_file.empty()) {
            curl_easy_setopt(h, CURLOPT_SSLCERT, request.certificate_file.c_str());
            curl_easy_setopt(h, CURLOPT_SSLKEY, request.key_file.c_str());
        }
        sink.reason[0] = '\0';
        curl_easy_setopt(h, CURLOPT_ERRORBUFFER, sink.reason.data());
        curl_slist* list = curl_slist_append(nullptr, "Expect:");
        for (const auto& [name, value] : request.headers)
            list = curl_slist_append(list, fmt::format("{}: {}", name, value).c_str());
        curl_easy_setopt(h, CURLOPT_HTTPHEADER, list);
        curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
        curl_easy_setopt(h, CURLOPT_WRITEDATA, &sink);
        curl_easy_setopt(h, CURLOPT_HEADERFUNCTION, on_header);
        curl_easy_setopt(h, CURLOPT_HEADERDATA, &sink);
        if (request.on_sent) {
            curl_easy_setopt(h, CURLOPT_VERBOSE, 1L);
            curl_easy_setopt(h, CURLOPT_DEBUGFUNCTION, on_debug);
            curl_easy_setopt(h, CURLOPT_DEBUGDATA, &sink);
        }
        curl_easy_setopt(h, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(h, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(h, CURLOPT_XFERINFODATA, &sink);
        return HeaderLines(list);
    }

    static Error failure(const HttpRequest& request, CURLcode code, const Sink& sink)
    {
        if (sink.cancel != nullptr && sink.cancel->requested())
            return {ErrorKind::interrupted, fmt::format("interrupted while talking to {}", request.url)};
        if (sink.too_large)
            return {ErrorKind::failed,
                    fmt::format("the answer of {} is larger than {} bytes", request.url, request.max_body)};
        if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
            return {ErrorKind::usage, fmt::format("'{}' is not a usable URL", printable(request.url))};
        if (code == CURLE_SSL_CERTPROBLEM)
            return Error{ErrorKind::auth,
                         fmt::format("cannot use the client certificate {}", request.certificate_file)}
                .with_cause(sink.reason.data());
        if (wants_certificate(sink.reason.data()))
            return Error{ErrorKind::auth,
                         fmt::format("{} serves only clients with a certificate it knows", request.url)}
                .with_cause(sink.reason.data());
        if (nothing_was_sent(code))
            return Error{ErrorKind::unreachable, fmt::format("cannot reach {}", request.url)}.with_cause(
                curl_easy_strerror(code));
        return Error{ErrorKind::unknown, fmt::format("no whole answer from {}", request.url)}.with_cause(
            curl_easy_strerror(code));
    }

    const Cancel* cancel_;
    std::unique_ptr<CURL, FreeEasy> handle_;
};

} // namespace

std::unique_ptr<HttpClient> make_curl_client(const Cancel* cancel)
{
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    return std::make_unique<CurlClient>(cancel);
}

} // namespace conduit
