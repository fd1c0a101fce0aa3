// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/aws_error.hpp"

#include "agent/providers/support.hpp"
#include "core/event_stream.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

struct Named {
    std::string_view name;
    Outcome outcome;
};

constexpr std::array k_names{
    Named{"Throttling", Outcome::throttled},
    Named{"ThrottlingException", Outcome::throttled},
    Named{"ThrottledException", Outcome::throttled},
    Named{"RequestThrottledException", Outcome::throttled},
    Named{"RequestThrottled", Outcome::throttled},
    Named{"TooManyRequestsException", Outcome::throttled},
    Named{"ProvisionedThroughputExceededException", Outcome::throttled},
    Named{"TransactionInProgressException", Outcome::throttled},
    Named{"RequestLimitExceeded", Outcome::throttled},
    Named{"BandwidthLimitExceeded", Outcome::throttled},
    Named{"LimitExceededException", Outcome::throttled},
    Named{"SlowDown", Outcome::throttled},
    Named{"PriorRequestNotComplete", Outcome::throttled},
    Named{"EC2ThrottledException", Outcome::throttled},
    Named{"UnrecognizedClientException", Outcome::credential},
    Named{"InvalidSignatureException", Outcome::credential},
    Named{"SignatureDoesNotMatch", Outcome::credential},
    Named{"ExpiredTokenException", Outcome::credential},
    Named{"ExpiredToken", Outcome::credential},
    Named{"MissingAuthenticationTokenException", Outcome::credential},
    Named{"MissingAuthenticationToken", Outcome::credential},
    Named{"IncompleteSignatureException", Outcome::credential},
    Named{"IncompleteSignature", Outcome::credential},
    Named{"InvalidClientTokenId", Outcome::credential},
    Named{"InvalidAccessKeyId", Outcome::credential},
    Named{"AccessDeniedException", Outcome::credential},
    Named{"AccessDenied", Outcome::credential},
    Named{"OptInRequired", Outcome::credential},
    Named{"ServiceQuotaExceededException", Outcome::quota},
    Named{"TextLengthExceededException", Outcome::unsupported},
    Named{"EngineNotSupportedException", Outcome::unsupported},
    Named{"LanguageNotSupportedException", Outcome::unsupported},
    Named{"InvalidSampleRateException", Outcome::unsupported},
    Named{"InvalidSsmlException", Outcome::client_error},
    Named{"RequestTimeout", Outcome::transient},
    Named{"RequestTimeoutException", Outcome::transient},
    Named{"ServiceFailureException", Outcome::transient},
    Named{"InternalFailureException", Outcome::transient},
    Named{"InternalFailure", Outcome::transient},
    Named{"InternalServerException", Outcome::transient},
    Named{"ServiceUnavailableException", Outcome::transient},
    Named{"ServiceUnavailable", Outcome::transient},
    Named{"ConflictException", Outcome::transient},
};

// As the SDKs do: what follows '#', up to the first ':'.
std::string_view bare_name(std::string_view text)
{
    text = text.substr(0, text.find(':'));
    const auto hash = text.find('#');
    return hash == std::string_view::npos ? text : text.substr(hash + 1);
}

struct Refusal {
    std::string name, body;
};

// The body may also be the whole event-stream message that ended a WebSocket.
std::optional<Refusal> refusal_frame(const ResponseHead& head, std::string_view body)
{
    if (head.status != 0 || !header(head, "x-amzn-errortype").empty())
        return std::nullopt;
    EventDecoder frames;
    frames.feed(body);
    const auto message = frames.next();
    if (!message || !message->has_value())
        return std::nullopt;
    std::string name((*message)->text(":exception-type"));
    if (name.empty())
        name = (*message)->text(":error-code");
    if (name.empty())
        return std::nullopt;
    return Refusal{std::move(name), (*message)->payload};
}

Outcome outcome_of(int status, std::string_view name, std::string_view message)
{
    const auto known = std::ranges::find(k_names, name, &Named::name);
    if (known != k_names.end())
        return known->outcome;
    if (name == "BadRequestException")
        return message.contains("timed out") ? Outcome::transient : Outcome::client_error;
    if (name == "ValidationException")
        return message.contains("oice") ? Outcome::unsupported : Outcome::client_error;
    return outcome_of_status(status);
}

} // namespace

Classified classify_aws(const ResponseHead& head, std::string_view body)
{
    Classified out;
    out.outcome = outcome_of_status(head.status);
    if (out.outcome == Outcome::ok)
        return out;
    if (const auto frame = refusal_frame(head, body))
        return classify_aws({0, {{"x-amzn-errortype", frame->name}}}, frame->body);
    std::string name(bare_name(header(head, "x-amzn-errortype")));
    if (const auto parsed = parse_json(body)) {
        if (name.empty())
            name = bare_name(json_string_or(*parsed, "code", json_string_or(*parsed, "__type", "")));
        out.message = json_string_or(*parsed, "message", json_string_or(*parsed, "Message", ""));
    }
    out.outcome = outcome_of(head.status, name, out.message);
    out.code = safe_text(name);
    out.message = safe_text(out.message);
    const auto own = header(head, "x-amz-retry-after"); // milliseconds
    out.retry_after =
        own.empty() ? retry_after(head) : retry_after({0, {{"retry-after-ms", std::string(own)}}});
    if (out.message.empty())
        out.message = head.status == 0 ? "the provider ended the stream"
                                       : fmt::format("the provider answered HTTP {}", head.status);
    conceal(out);
    return out;
}

} // namespace conduit::agent
