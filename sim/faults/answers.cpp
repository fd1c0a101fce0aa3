// SPDX-License-Identifier: Apache-2.0
// Which fault strikes a request, and each provider's own words for it.
#include "sim/faults/fault.hpp"
#include "sim/wire/providers.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::sim {
namespace {

bool json_protocol(const Route& route)
{
    return route.name == "transcribe.list";
}

WireResponse with_retry_after(WireResponse response, int seconds, bool milliseconds_too)
{
    if (seconds >= 0) {
        response.headers.emplace_back("retry-after", fmt::to_string(seconds));
        if (milliseconds_too)
            response.headers.emplace_back("retry-after-ms", fmt::to_string(seconds * 1000));
    }
    return response;
}

WireResponse throttled(ProviderKind provider, const Route& route, int seconds)
{
    switch (provider) {
    case ProviderKind::openai: {
        auto response =
            openai_error({429,
                          "requests",
                          fmt::format("Rate limit reached in organization org-sim on requests per min "
                                      "(RPM): Limit 3, Used 3, Requested 1. Please try again in {}s. Visit "
                                      "https://platform.openai.com/account/rate-limits to learn more.",
                                      seconds < 0 ? 20 : seconds),
                          {},
                          "rate_limit_exceeded"});
        response.headers.emplace_back("x-ratelimit-limit-requests", "3");
        response.headers.emplace_back("x-ratelimit-remaining-requests", "0");
        response.headers.emplace_back("x-ratelimit-reset-requests",
                                      fmt::format("{}s", seconds < 0 ? 20 : seconds));
        return with_retry_after(std::move(response), seconds, true);
    }
    case ProviderKind::google:
        return with_retry_after(
            google_error(
                {429, "RESOURCE_EXHAUSTED",
                 "Quota exceeded for quota metric 'Requests' and limit 'Requests per minute' of service "
                 "'speech.googleapis.com' for consumer 'project_number:123456789012'.",
                 "RATE_LIMIT_EXCEEDED", seconds}),
            seconds, false);
    case ProviderKind::aws:
        if (route.name == "transcribe.stream")
            return with_retry_after(aws_error(429, "LimitExceededException",
                                              "You have reached your account's concurrent stream limit.",
                                              false),
                                    seconds, false);
        return with_retry_after(aws_error(400, "ThrottlingException", "Rate exceeded", json_protocol(route)),
                                seconds, false);
    }
    return {};
}

WireResponse out_of_quota(ProviderKind provider, const Route& route)
{
    switch (provider) {
    case ProviderKind::openai:
        return openai_error(
            {429,
             "insufficient_quota",
             "You exceeded your current quota, please check your plan and billing details. For more "
             "information on this error, read the docs: "
             "https://platform.openai.com/docs/guides/error-codes/api-errors.",
             {},
             "insufficient_quota"});
    case ProviderKind::google:
        return google_error(
            {429, "RESOURCE_EXHAUSTED", "Quota exceeded for the project.", "RESOURCE_QUOTA_EXCEEDED"});
    case ProviderKind::aws:
        return aws_error(402, "ServiceQuotaExceededException", "You have exceeded a service quota.",
                         json_protocol(route));
    }
    return {};
}

WireResponse refused_credentials(ProviderKind provider, const Route& route)
{
    switch (provider) {
    case ProviderKind::openai:
        return openai_error({401,
                             "invalid_request_error",
                             "Incorrect API key provided: sk-sim****. You can find your API key at "
                             "https://platform.openai.com/account/api-keys.",
                             {},
                             "invalid_api_key"});
    case ProviderKind::google:
        return google_error(
            {400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.", "API_KEY_INVALID"});
    case ProviderKind::aws:
        return aws_error(403, "UnrecognizedClientException",
                         "The security token included in the request is invalid.", json_protocol(route));
    }
    return {};
}

std::string_view google_status(int status)
{
    switch (status) {
    case 400:
        return "INVALID_ARGUMENT";
    case 401:
        return "UNAUTHENTICATED";
    case 403:
        return "PERMISSION_DENIED";
    case 404:
        return "NOT_FOUND";
    case 409:
        return "ABORTED";
    case 429:
        return "RESOURCE_EXHAUSTED";
    case 501:
        return "UNIMPLEMENTED";
    case 503:
        return "UNAVAILABLE";
    case 504:
        return "DEADLINE_EXCEEDED";
    default:
        return status < 500 ? "FAILED_PRECONDITION" : "INTERNAL";
    }
}

} // namespace

WireResponse failure_answer(ProviderKind provider, const Route& route, int status)
{
    switch (provider) {
    case ProviderKind::openai:
        if (status == 503)
            return openai_error(
                {503, "server_error", "The engine is currently overloaded, please try again later", {}, {}});
        if (status < 500)
            return openai_error({status, "invalid_request_error", "The request was refused.", {}, {}});
        return openai_error({status,
                             "server_error",
                             "The server had an error while processing your request. Sorry about that!",
                             {},
                             {}});
    case ProviderKind::google:
        return google_error(
            {status,
             google_status(status),
             status == 503 ? "The service is currently unavailable." : "Internal error encountered.",
             {}});
    case ProviderKind::aws:
        return aws_error(status,
                         status == 503   ? "ServiceUnavailableException"
                         : status >= 500 ? "ServiceFailureException"
                                         : "ValidationException",
                         "The service cannot complete the request.", json_protocol(route));
    }
    return {};
}

Verdict judge(const Fault& fault, ProviderKind provider, const Route& route, double dice,
              bool counted_failure)
{
    Verdict verdict;
    verdict.hang = fault.hang;
    verdict.reset = fault.reset == ResetAt::request;
    const bool client = route.kind == RouteClass::client;
    const auto status = fault.status != 0 ? fault.status : 503;
    const bool always =
        fault.status != 0 && fault.error_rate == 0 && fault.fail_next == 0 && !counted_failure;
    if (fault.bad_credentials) {
        verdict.answer = refused_credentials(provider, route);
    } else if (fault.html_502) {
        verdict.answer =
            WireResponse{502,
                         {{"Content-Type", "text/html; charset=UTF-8"}},
                         "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 "
                         "Bad Gateway</h1></center>\r\n</body>\r\n</html>\r\n",
                         false,
                         {}};
    } else if (counted_failure || always || (fault.error_rate > 0 && dice < fault.error_rate)) {
        verdict.answer = failure_answer(provider, route, status);
    } else if (client && fault.quota_exhausted) {
        verdict.answer = out_of_quota(provider, route);
    } else if (client && fault.throttle) {
        verdict.answer = throttled(provider, route, fault.retry_after_s);
    } else if (client && fault.garbage) {
        verdict.answer = WireResponse{
            200, {{"Content-Type", "application/json"}}, "{\"text\": \"Hel\xff\xfe{[", false, {}};
    }
    return verdict;
}

} // namespace conduit::sim
