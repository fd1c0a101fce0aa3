// SPDX-License-Identifier: Apache-2.0
#include "core/sigv4.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <map>
#include <optional>

namespace conduit {
namespace {

constexpr std::string_view k_algorithm = "AWS4-HMAC-SHA256";
using Pairs = std::vector<std::pair<std::string, std::string>>;

std::string amz_time(WallTime time)
{
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{std::chrono::floor<std::chrono::seconds>(time - day)};
    return fmt::format("{:04}{:02}{:02}T{:02}{:02}{:02}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                       clock.hours().count(), clock.minutes().count(), clock.seconds().count());
}

std::optional<WallTime> parse_amz_time(std::string_view text)
{
    if (text.size() != 16 || text[8] != 'T' || text[15] != 'Z')
        return std::nullopt;
    const auto number = [&](std::size_t at, std::size_t length) {
        int value = -1;
        const auto* end = text.data() + at + length;
        const auto parsed = std::from_chars(text.data() + at, end, value);
        return parsed.ptr == end ? value : -1;
    };
    const int parts[] = {number(0, 4), number(4, 2),  number(6, 2),
                         number(9, 2), number(11, 2), number(13, 2)};
    if (std::ranges::any_of(parts, [](int part) { return part < 0; }))
        return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{parts[0]},
                                           std::chrono::month{static_cast<unsigned>(parts[1])},
                                           std::chrono::day{static_cast<unsigned>(parts[2])}};
    if (!date.ok() || parts[3] > 23 || parts[4] > 59 || parts[5] > 60)
        return std::nullopt;
    return std::chrono::sys_days{date} + std::chrono::hours{parts[3]} + std::chrono::minutes{parts[4]} +
           std::chrono::seconds{parts[5]};
}

std::string collapse(std::string_view value)
{
    std::string out;
    for (const char c : trim(value)) {
        if (c != ' ' || out.empty() || out.back() != ' ')
            out += c;
    }
    return out;
}

// Name and value re-encoded the one way SigV4 knows; the signature itself is left out.
Pairs query_pairs(std::string_view query)
{
    Pairs pairs;
    for (const auto& part : split(query, '&')) {
        const auto equals = part.find('=');
        const auto raw_value = equals == std::string::npos ? std::string{} : part.substr(equals + 1);
        const auto name = percent_decode(part.substr(0, equals));
        const auto value = percent_decode(raw_value);
        if (name && !name->empty())
            pairs.emplace_back(percent_encode(*name), percent_encode(value ? *value : raw_value));
    }
    std::ranges::sort(pairs);
    return pairs;
}

std::string query_text(const Pairs& pairs)
{
    std::string out;
    for (const auto& [name, value] : pairs) {
        if (name != "X-Amz-Signature")
            out += fmt::format("{}{}={}", out.empty() ? "" : "&", name, value);
    }
    return out;
}

struct Canonical {
    std::string signed_headers;
    std::string hash;
};

Canonical canonicalise(const SigV4Request& request, std::string_view service)
{
    std::map<std::string, std::string> headers;
    for (const auto& [name, value] : request.headers) {
        auto& slot = headers[to_lower(name)];
        slot += (slot.empty() ? "" : ",") + collapse(value);
    }
    std::string lines;
    std::string names;
    for (const auto& [name, value] : headers) {
        lines += name + ":" + value + "\n";
        names += (names.empty() ? "" : ";") + name;
    }
    const std::string path = request.path.empty() ? "/" : request.path;
    const auto text = fmt::format("{}\n{}\n{}\n{}\n{}\n{}", request.method,
                                  service == "s3" ? path : percent_encode(path, "/"),
                                  query_text(query_pairs(request.query)), lines, names, request.payload_hash);
    return {names, sha256_hex(text)};
}

Sha256Digest signing_key(std::string_view secret, std::string_view date, const SigV4Scope& scope)
{
    auto key = hmac_sha256("AWS4" + std::string(secret), date);
    key = hmac_sha256(as_view(key), scope.region);
    key = hmac_sha256(as_view(key), scope.service);
    return hmac_sha256(as_view(key), "aws4_request");
}

std::string scope_text(std::string_view date, const SigV4Scope& scope)
{
    return fmt::format("{}/{}/{}/aws4_request", date, scope.region, scope.service);
}

std::string signature_of(std::string_view secret, std::string_view time, std::string_view date,
                         const SigV4Scope& scope, std::string_view canonical_hash)
{
    const auto text =
        fmt::format("{}\n{}\n{}\n{}", k_algorithm, time, scope_text(date, scope), canonical_hash);
    return hex(hmac_sha256(as_view(signing_key(secret, date, scope)), text));
}

Error refusal(std::string_view code, std::string message)
{
    return Error{ErrorKind::auth, std::move(message)}.with_detail("code", std::string(code));
}

std::string first_header(const HeaderList& headers, std::string_view name)
{
    const auto found =
        std::ranges::find_if(headers, [&](const auto& one) { return iequals(one.first, name); });
    return found == headers.end() ? "" : found->second;
}

bool set_credential(std::string_view text, SigV4Claim& claim)
{
    const auto parts = split(text, '/');
    if (parts.size() != 5 || parts[0].empty() || parts[1].size() != 8 || parts[4] != "aws4_request")
        return false;
    claim.access_key = parts[0];
    claim.date = parts[1];
    claim.scope = {parts[2], parts[3]};
    return true;
}

Result<SigV4Claim> read_header_claim(std::string_view authorization, std::string time)
{
    SigV4Claim claim;
    const auto incomplete = [](std::string_view what) {
        return refusal("IncompleteSignatureException",
                       fmt::format("the Authorization header has no {}", what));
    };
    if (!authorization.starts_with(k_algorithm))
        return incomplete("AWS4-HMAC-SHA256 signature");
    bool has_credential = false;
    for (const auto& part : split(authorization.substr(k_algorithm.size()), ',')) {
        const auto field = trim(part);
        const auto equals = field.find('=');
        if (equals == std::string_view::npos)
            continue;
        const auto value = field.substr(equals + 1);
        if (field.starts_with("Credential="))
            has_credential = set_credential(value, claim);
        else if (field.starts_with("SignedHeaders="))
            claim.signed_headers = value;
        else if (field.starts_with("Signature="))
            claim.signature = value;
    }
    if (!has_credential)
        return incomplete("complete Credential");
    if (claim.signed_headers.empty())
        return incomplete("SignedHeaders");
    if (claim.signature.empty())
        return incomplete("Signature");
    claim.time = std::move(time);
    return claim;
}

Result<SigV4Claim> read_query_claim(const std::multimap<std::string, std::string>& query)
{
    const auto value = [&](const char* name) {
        const auto found = query.find(name);
        return found == query.end() ? std::string{} : found->second;
    };
    SigV4Claim claim;
    claim.presigned = true;
    if (value("X-Amz-Algorithm") != k_algorithm || !set_credential(value("X-Amz-Credential"), claim))
        return refusal("IncompleteSignatureException",
                       "the presigned query has no complete X-Amz-Credential");
    claim.time = value("X-Amz-Date");
    claim.signed_headers = value("X-Amz-SignedHeaders");
    claim.signature = value("X-Amz-Signature");
    const auto expires = value("X-Amz-Expires");
    int seconds = 0;
    const auto parsed = std::from_chars(expires.data(), expires.data() + expires.size(), seconds);
    if (expires.empty() || parsed.ptr != expires.data() + expires.size() || seconds < 1 || seconds > 604800)
        return refusal("IncompleteSignatureException", "X-Amz-Expires is not a number from 1 to 604800");
    claim.expires = std::chrono::seconds{seconds};
    return claim;
}

Result<> check_time(const SigV4Claim& claim, WallTime now, Duration max_skew)
{
    const auto time = parse_amz_time(claim.time);
    if (!time || !claim.time.starts_with(claim.date))
        return refusal("IncompleteSignatureException",
                       "the signing time is missing, malformed or of another day");
    if (*time - now > max_skew)
        return refusal("InvalidSignatureException", "Signature not yet current: " + claim.time);
    if (now - *time > (claim.presigned ? claim.expires : max_skew))
        return refusal("InvalidSignatureException", "Signature expired: " + claim.time);
    return {};
}

} // namespace

SigV4Signed sign_request(const SigV4Credentials& credentials, const SigV4Scope& scope, WallTime now,
                         const SigV4Request& request)
{
    SigV4Signed out;
    const auto time = amz_time(now);
    const auto date = time.substr(0, 8);
    out.headers.emplace_back("x-amz-date", time);
    if (!credentials.session_token.empty())
        out.headers.emplace_back("x-amz-security-token", credentials.session_token);
    auto whole = request;
    whole.headers.insert(whole.headers.end(), out.headers.begin(), out.headers.end());
    const auto canonical = canonicalise(whole, scope.service);
    out.canonical_hash = canonical.hash;
    out.signature = signature_of(credentials.secret_key, time, date, scope, canonical.hash);
    out.headers.emplace_back("authorization",
                             fmt::format("{} Credential={}/{}, SignedHeaders={}, Signature={}", k_algorithm,
                                         credentials.access_key, scope_text(date, scope),
                                         canonical.signed_headers, out.signature));
    return out;
}

SigV4Presigned presign(const SigV4Credentials& credentials, const SigV4Scope& scope, WallTime now,
                       Duration expires, const Url& url, std::string_view method,
                       std::string_view payload_hash)
{
    const auto time = amz_time(now);
    const auto date = time.substr(0, 8);
    auto pairs = query_pairs(url.query);
    pairs.emplace_back("X-Amz-Algorithm", k_algorithm);
    pairs.emplace_back("X-Amz-Credential",
                       percent_encode(credentials.access_key + "/" + scope_text(date, scope)));
    pairs.emplace_back("X-Amz-Date", time);
    pairs.emplace_back("X-Amz-Expires",
                       fmt::to_string(std::chrono::duration_cast<std::chrono::seconds>(expires).count()));
    if (!credentials.session_token.empty())
        pairs.emplace_back("X-Amz-Security-Token", percent_encode(credentials.session_token));
    pairs.emplace_back("X-Amz-SignedHeaders", "host");
    std::ranges::sort(pairs);
    const SigV4Request request{std::string(method),
                               url.path,
                               query_text(pairs),
                               {{"host", url.authority()}},
                               std::string(payload_hash)};
    const auto canonical = canonicalise(request, scope.service);
    const auto signature = signature_of(credentials.secret_key, time, date, scope, canonical.hash);
    return {request.query + "&X-Amz-Signature=" + signature, canonical.hash};
}

std::string presign_url(const SigV4Credentials& credentials, const SigV4Scope& scope, WallTime now,
                        Duration expires, const Url& url)
{
    auto with_query = url;
    with_query.query = presign(credentials, scope, now, expires, url).query;
    return with_query.str();
}

Sha256Digest sign_event_chunk(const SigV4Credentials& credentials, const SigV4Scope& scope, WallTime now,
                              std::string_view prior, std::string_view date_header, std::string_view payload)
{
    const auto time = amz_time(now);
    const auto date = time.substr(0, 8);
    const auto prior_hex = hex_encode({reinterpret_cast<const std::uint8_t*>(prior.data()), prior.size()});
    const auto text =
        fmt::format("{}-PAYLOAD\n{}\n{}\n{}\n{}\n{}", k_algorithm, time, scope_text(date, scope), prior_hex,
                    sha256_hex(date_header), sha256_hex(payload));
    return hmac_sha256(as_view(signing_key(credentials.secret_key, date, scope)), text);
}

Result<SigV4Claim> read_sigv4_claim(const SigV4Request& request)
{
    const auto authorization = first_header(request.headers, "authorization");
    if (!authorization.empty())
        return read_header_claim(authorization, first_header(request.headers, "x-amz-date"));
    const auto query = parse_query(request.query);
    if (query.contains("X-Amz-Signature"))
        return read_query_claim(query);
    return refusal("MissingAuthenticationTokenException", "Missing Authentication Token");
}

Result<> verify_sigv4(const SigV4Request& request, const SigV4Claim& claim,
                      const SigV4Credentials& credentials, WallTime now, Duration max_skew)
{
    TRY(check_time(claim, now, max_skew));
    auto part = request;
    part.headers.clear();
    const auto names = split(claim.signed_headers, ';');
    for (const auto& [name, value] : request.headers) {
        if (std::ranges::find(names, to_lower(name)) != names.end())
            part.headers.emplace_back(name, value);
    }
    const auto canonical = canonicalise(part, claim.scope.service);
    const auto must_sign_date = !claim.presigned && std::ranges::find(names, "x-amz-date") == names.end();
    if (canonical.signed_headers != claim.signed_headers || must_sign_date ||
        std::ranges::find(names, "host") == names.end())
        return refusal("InvalidSignatureException", "the signed headers are missing, unsorted or too few");
    const auto expected =
        signature_of(credentials.secret_key, claim.time, claim.date, claim.scope, canonical.hash);
    if (!constant_time_equal(expected, claim.signature))
        return refusal("InvalidSignatureException",
                       "The request signature we calculated does not match the signature you provided. Check "
                       "your AWS Secret Access Key and signing method. Consult the service documentation for "
                       "details.");
    return {};
}

} // namespace conduit
