// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/support.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr Duration k_longest_wait = std::chrono::hours{24};

std::optional<double> number(std::string_view text)
{
    double value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (ec != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
        return std::nullopt;
    return value;
}

Duration milliseconds(double value)
{
    const auto longest = static_cast<double>(k_longest_wait.count());
    return Duration{static_cast<std::int64_t>(std::ceil(std::clamp(value, 0.0, longest)))};
}

std::optional<std::time_t> http_date(std::string_view text)
{
    std::tm parts{};
    const std::string copy(text);
    const char* end = ::strptime(copy.c_str(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    if (end == nullptr || *end != '\0')
        return std::nullopt;
    return ::timegm(&parts);
}

bool key_character(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '-' ||
           c == '_' || c == '*' || c == '.';
}

// Providers quote parts of a refused key ("sk-0oJ1K****cMnE").
void mask_keys(std::string& text)
{
    constexpr std::array<std::string_view, 7> marks{"sk-", "AIza", "ya29.", "AKIA", "ASIA", "ek_", "Bearer "};
    for (const auto mark : marks) {
        for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at + 3)) {
            if (at > 0 && key_character(text[at - 1]) && mark != "Bearer ")
                continue;
            auto end = at + mark.size();
            while (end < text.size() && key_character(text[end]))
                ++end;
            if (end - at > mark.size())
                text.replace(at, end - at, "***");
        }
    }
}

} // namespace

Result<Url> base_url(const ProviderConfig& provider, std::string_view service, std::string_view otherwise)
{
    std::string_view text = otherwise;
    if (const auto own = provider.endpoints.find(std::string(service)); own != provider.endpoints.end())
        text = own->second;
    else if (!provider.endpoint.empty())
        text = provider.endpoint;
    else if (const auto region = provider.regions.find(provider.region); region != provider.regions.end())
        text = region->second;
    TRY_ASSIGN(auto url, parse_url(text));
    while (url.path.ends_with('/'))
        url.path.pop_back();
    return url;
}

std::string_view header(const ResponseHead& head, std::string_view name)
{
    for (const auto& [key, value] : head.headers)
        if (key == name)
            return value;
    return {};
}

std::string model_for(const ProviderConfig& provider, Operation operation, std::string_view asked)
{
    const auto it = provider.models.find(operation);
    if (it != provider.models.end() && !it->second.empty() && (provider.rewrite_model || asked.empty()))
        return it->second;
    return std::string(asked);
}

std::optional<Duration> parse_go_duration(std::string_view text)
{
    constexpr std::array<std::pair<std::string_view, double>, 4> units{
        {{"ms", 1.0}, {"h", 3'600'000.0}, {"m", 60'000.0}, {"s", 1000.0}}};
    double sum = 0;
    if (text.empty())
        return std::nullopt;
    while (!text.empty()) {
        const auto digits = std::min(text.find_first_not_of("0123456789."), text.size());
        const auto value = number(text.substr(0, digits));
        text.remove_prefix(digits);
        const auto unit =
            std::ranges::find_if(units, [&](const auto& u) { return text.starts_with(u.first); });
        if (!value || unit == units.end())
            return std::nullopt;
        sum += *value * unit->second;
        text.remove_prefix(unit->first.size());
    }
    return milliseconds(sum);
}

std::optional<double> proto_seconds(std::string_view text)
{
    if (!text.ends_with('s'))
        return std::nullopt;
    text.remove_suffix(1);
    return number(text);
}

std::optional<Duration> parse_proto_duration(std::string_view text)
{
    const auto seconds = proto_seconds(text);
    if (!seconds)
        return std::nullopt;
    return milliseconds(*seconds * 1000);
}

Duration retry_after(const ResponseHead& head)
{
    if (const auto ms = number(header(head, "retry-after-ms")); ms && *ms > 0)
        return milliseconds(*ms);
    const auto text = header(head, "retry-after");
    if (const auto seconds = number(text); seconds && *seconds > 0)
        return milliseconds(*seconds * 1000);
    const auto at = http_date(text);
    const auto sent = http_date(header(head, "date"));
    if (at && sent && *at > *sent)
        return milliseconds(static_cast<double>(*at - *sent) * 1000);
    return Duration{0};
}

std::string safe_text(std::string_view text)
{
    constexpr std::size_t longest = 500;
    auto out = sanitize_utf8(text.substr(0, longest));
    for (auto& c : out)
        if (static_cast<unsigned char>(c) < 0x20 || c == '\x7F')
            c = ' ';
    mask_keys(out);
    return std::string(trim(out));
}

Outcome outcome_of_status(int status)
{
    if (status >= 200 && status < 300)
        return Outcome::ok;
    if (status == 101)
        return Outcome::ok;
    switch (status) {
    case 401:
    case 403:
        return Outcome::credential;
    case 402:
        return Outcome::quota;
    case 429:
        return Outcome::throttled;
    case 408:
    case 409:
        return Outcome::transient;
    case 404:
    case 405:
    case 501:
        return Outcome::unsupported;
    default:
        return status >= 400 && status < 500 ? Outcome::client_error : Outcome::transient;
    }
}

void conceal(Classified& classified)
{
    switch (classified.outcome) {
    case Outcome::credential:
        classified.message = "the provider refused its credential";
        break;
    case Outcome::quota:
        classified.message = "the provider's account is out of quota";
        break;
    case Outcome::throttled:
        classified.message = "the provider limits its requests";
        break;
    default:
        break;
    }
}

std::string refuse_operation(std::string_view provider, const ClientRequest& request)
{
    if (request.operation != Operation::transcription)
        return fmt::format("{} is not offered by {}", operation_name(request.operation), provider);
    if (request.stt.response_format == "diarized_json")
        return fmt::format("diarized_json is not offered by {}", provider);
    return {};
}

Error no_realtime(std::string_view provider)
{
    return {ErrorKind::refused, fmt::format("realtime is not offered by {}", provider)};
}

std::vector<std::string> with_models(std::vector<std::string> own, const ProviderConfig& provider)
{
    for (const auto& [operation, model] : provider.models)
        if (!model.empty() && std::ranges::find(own, model) == own.end())
            own.push_back(model);
    return own;
}

std::vector<std::string> with_voices(std::vector<std::string> own, const ProviderConfig& provider)
{
    for (const auto& [voice, theirs] : provider.voices)
        if (std::ranges::find(own, voice) == own.end())
            own.push_back(voice);
    return own;
}

} // namespace conduit::agent
