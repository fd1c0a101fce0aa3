// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/adapter.hpp"

#include "agent/providers/adapters.hpp"
#include "agent/providers/support.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

std::optional<std::int64_t> integer(std::string_view text)
{
    std::int64_t value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || ec != std::errc{} || end != text.data() + text.size() || value < 0)
        return std::nullopt;
    return value;
}

} // namespace

const Adapter& adapter_for(ProviderKind kind)
{
    switch (kind) {
    case ProviderKind::google:
        return google_adapter();
    case ProviderKind::aws:
        return aws_adapter();
    case ProviderKind::openai:
        break;
    }
    return openai_adapter();
}

std::string openai_error(std::string_view message, std::string_view type, std::string_view code,
                         std::string_view param)
{
    const auto or_null = [](std::string_view text) { return text.empty() ? Json() : Json(text); };
    const Json body{
        {"error",
         {{"message", message}, {"type", type}, {"param", or_null(param)}, {"code", or_null(code)}}}};
    return dump_json(body);
}

StreamFailure stream_failure(const Error& error)
{
    StreamFailure failure;
    if (const auto it = error.details.find("exception"); it != error.details.end())
        failure.head.headers.emplace_back("x-amzn-errortype", it->second);
    if (const auto it = error.details.find("body"); it != error.details.end())
        failure.body = it->second;
    return failure;
}

QuotaHeaders quota_from_headers(const ResponseHead& head)
{
    QuotaHeaders quota;
    quota.limit_requests = integer(header(head, "x-ratelimit-limit-requests"));
    quota.remaining_requests = integer(header(head, "x-ratelimit-remaining-requests"));
    quota.limit_tokens = integer(header(head, "x-ratelimit-limit-tokens"));
    quota.remaining_tokens = integer(header(head, "x-ratelimit-remaining-tokens"));
    quota.reset_requests = parse_go_duration(header(head, "x-ratelimit-reset-requests"));
    quota.reset_tokens = parse_go_duration(header(head, "x-ratelimit-reset-tokens"));
    return quota;
}

} // namespace conduit::agent
