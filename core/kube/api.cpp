// SPDX-License-Identifier: Apache-2.0
#include "core/kube/api.hpp"

#include "core/json_items.hpp"
#include "core/text.hpp"
#include "core/url.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <future>
#include <nlohmann/json.hpp>

namespace conduit::kube {
namespace {

constexpr JsonLimits k_limits{256U << 20U, 128};
constexpr Duration k_retry_after{1000};
constexpr Duration k_slice{50};

std::string with_query(std::string path, const Query& query)
{
    return query.empty() ? path : std::move(path) + "?" + query_string(query);
}

bool has_cause(const Json& status, std::string_view reason)
{
    const auto* details = json_find(status, "details");
    const auto* causes = details != nullptr ? json_find(*details, "causes") : nullptr;
    if (causes == nullptr || !causes->is_array())
        return false;
    return std::ranges::any_of(
        *causes, [&](const Json& cause) { return json_string_or(cause, "reason", "") == reason; });
}

ErrorKind kind_of(int code, std::string_view reason, const std::string& message, const Json& status)
{
    if (code == 429)
        return has_cause(status, "DisruptionBudget") ? ErrorKind::refused : ErrorKind::unreachable;
    if (code == 403)
        return message.contains("exceeded quota") ? ErrorKind::refused : ErrorKind::auth;
    if (code == 409)
        return reason == "AlreadyExists" ? ErrorKind::failed : ErrorKind::stale;
    switch (code) {
    case 401:
        return ErrorKind::auth;
    case 404:
        return ErrorKind::not_found;
    case 410:
        return ErrorKind::stale;
    case 502:
    case 503:
        return ErrorKind::unreachable;
    case 504:
        return ErrorKind::unknown;
    default:
        return ErrorKind::failed;
    }
}

std::string hint_of(ErrorKind kind, int code, const std::string& message)
{
    if (code == 401)
        return "Log in again, or look at the kubeconfig's user.";
    if (kind == ErrorKind::auth && message.contains(" cannot "))
        return "Ask for a Role that allows it; see what you may: kubectl auth can-i --list";
    return {};
}

Duration retry_after(const Answer& answer)
{
    const auto text = answer.header("retry-after");
    int seconds = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    const bool good =
        ec == std::errc{} && end == text.data() + text.size() && seconds >= 0 && seconds <= 3600;
    return good ? Duration{seconds * 1000} : k_retry_after;
}

// The token of the page after this one, as far as it stands before the items.
std::string continue_of(std::string_view list)
{
    const auto items = list.find("\"items\":"); // within a text its quotes would be escaped
    if (items == std::string_view::npos)
        return {};
    const auto head = parse_json(std::string(list.substr(0, items)) + "\"items\":null}", k_limits);
    const auto* meta = head ? json_find(*head, "metadata") : nullptr;
    return meta == nullptr ? std::string() : json_string_or(*meta, "continue", "");
}

} // namespace

std::string Answer::header(std::string_view name) const
{
    for (const auto& [key, value] : headers)
        if (key == name)
            return value;
    return {};
}

std::string resource_path(const Resource& resource, std::string_view name_space, std::string_view name,
                          std::string_view subresource)
{
    auto path = resource.group.empty() ? "/api/" + resource.version
                                       : fmt::format("/apis/{}/{}", resource.group, resource.version);
    if (resource.namespaced && !name_space.empty())
        path += "/namespaces/" + percent_encode(name_space);
    path += "/" + resource.plural;
    if (!name.empty())
        path += "/" + percent_encode(name, ":");
    if (!subresource.empty())
        path += fmt::format("/{}", subresource);
    return path;
}

Error error_of(const Answer& answer, const Call& call, const std::string& server)
{
    Json status = Json::object();
    if (auto parsed = parse_json(answer.body, {1U << 20U, 32});
        parsed && json_string_or(*parsed, "kind", "") == "Status")
        status = *std::move(parsed);
    const auto reason = json_string_or(status, "reason", "");
    auto message = printable(json_string_or(status, "message", ""));
    if (message.empty())
        message = fmt::format("{} {}: HTTP {}", call.method, call.path.substr(0, call.path.find('?')),
                              answer.status);
    const auto kind = kind_of(answer.status, reason, message, status);
    Error error{kind, message, hint_of(kind, answer.status, message)};
    error.details["server"] = server;
    if (!reason.empty())
        error.details["reason"] = reason;
    return error;
}

bool is_expired(const Error& error)
{
    const auto reason = error.details.find("reason");
    return reason != error.details.end() && (reason->second == "Expired" || reason->second == "Gone");
}

Api::Api(std::unique_ptr<Transport> transport, Clock& clock, const Cancel* cancel)
    : transport_(std::move(transport)), clock_(clock), cancel_(cancel)
{
}

Result<Answer> Api::ask(const Call& call, Deadline deadline)
{
    bool repeated = false;
    for (;;) {
        auto answer = transport_->send(call, deadline);
        const bool lost = !answer && answer.error().kind == ErrorKind::unknown && call.method == "GET";
        if (lost && !repeated && !deadline.passed()) {
            repeated = true; // a kept connection had ended
            continue;
        }
        if (!answer || answer->status < 400)
            return answer;
        auto error = error_of(*answer, call, transport_->server());
        const auto pause = retry_after(*answer);
        // The server did not begin with it: asking again is safe for any method.
        const bool again =
            answer->status == 429 && error.kind != ErrorKind::refused && pause < deadline.left();
        if (!again)
            return error;
        for (const Deadline until(pause); !until.passed();) {
            if (cancel_ != nullptr && cancel_->requested() && !call.finish)
                return fail(ErrorKind::interrupted, "interrupted while the API server asked to wait");
            clock_.sleep(std::min(k_slice, until.left()));
        }
    }
}

Result<JsonBox> Api::get(const std::string& path, Deadline deadline, const Query& query)
{
    TRY_ASSIGN(const auto answer, ask({.path = with_query(path, query)}, deadline));
    TRY_ASSIGN(auto document, parse_json(answer.body, k_limits));
    return JsonBox(std::move(document));
}

Result<JsonBox> Api::write(std::string method, const std::string& path, std::string content_type,
                           const Json& body, Query query, const WriteOptions& options, Deadline deadline)
{
    if (!options.field_manager.empty() && method != "DELETE")
        query.emplace("fieldManager", options.field_manager);
    if (options.dry_run)
        query.emplace("dryRun", "All");
    const Call call{.method = std::move(method),
                    .path = with_query(path, query),
                    .body = dump_json(body),
                    .content_type = std::move(content_type),
                    .finish = !options.dry_run,
                    .on_sent = options.on_sent};
    TRY_ASSIGN(const auto answer, ask(call, deadline));
    TRY_ASSIGN(auto document, parse_json(answer.body, k_limits));
    return JsonBox(std::move(document));
}

Result<JsonBox> Api::create(const std::string& path, const Json& body, const WriteOptions& options,
                            Deadline deadline)
{
    return write("POST", path, "application/json", body, {}, options, deadline);
}

Result<JsonBox> Api::replace(const std::string& path, const Json& body, const WriteOptions& options,
                             Deadline deadline)
{
    return write("PUT", path, "application/json", body, {}, options, deadline);
}

Result<JsonBox> Api::patch(const std::string& path, PatchType type, const Json& body,
                           const WriteOptions& options, Deadline deadline)
{
    Query query;
    if (type == PatchType::apply && options.force)
        query.emplace("force", "true");
    const char* content_type = "application/apply-patch+yaml"; // JSON is YAML
    if (type == PatchType::merge)
        content_type = "application/merge-patch+json";
    else if (type == PatchType::strategic)
        content_type = "application/strategic-merge-patch+json";
    else if (type == PatchType::json)
        content_type = "application/json-patch+json";
    return write("PATCH", path, content_type, body, std::move(query), options, deadline);
}

Result<JsonBox> Api::remove(const std::string& path, const Json& options, Deadline deadline)
{
    return write("DELETE", path, "application/json", options, {}, {}, deadline);
}

Result<std::string> Api::list(const std::string& path, const Query& query,
                              const std::function<void(const Json& item)>& item,
                              const std::function<void()>& restart, Deadline deadline)
{
    const auto ask_page = [&](const std::string& token) {
        auto page_query = query;
        page_query.emplace("limit", "500");
        if (!token.empty())
            page_query.emplace("continue", token);
        return ask({.path = with_query(path, page_query)}, deadline);
    };
    std::string go_on;
    std::future<Result<Answer>> ahead; // the server makes the next page while this one is read
    for (bool first = true;; first = false) {
        const auto answer = ahead.valid() ? ahead.get() : ask_page(go_on);
        if (const auto next = answer ? continue_of(answer->body) : std::string(); !next.empty())
            ahead = std::async(std::launch::async, ask_page, next);
        auto page = answer ? parse_json_items(answer->body, "items", {"managedFields"}, item, k_limits)
                           : Result<Json>(answer.error());
        if (!page && is_expired(page.error()) && !first) {
            restart();
            go_on.clear();
            continue;
        }
        if (!page)
            return std::move(page).error();
        const auto* items = json_find(*page, "items");
        if (items == nullptr || !(items->is_array() || items->is_null()))
            return fail(ErrorKind::unknown, fmt::format("the answer to {} has no list of items", path));
        const auto* meta = json_find(*page, "metadata");
        go_on = meta == nullptr ? std::string() : json_string_or(*meta, "continue", "");
        if (go_on.empty())
            return meta == nullptr ? std::string() : json_string_or(*meta, "resourceVersion", "");
    }
}

} // namespace conduit::kube
