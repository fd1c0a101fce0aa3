// SPDX-License-Identifier: Apache-2.0
#include "agent/admin/admin.hpp"

#include "agent/admin/call.hpp"
#include "agent/admin/schema.hpp"
#include "core/text.hpp"
#include "core/url.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_body = 1U << 20U;
constexpr std::size_t k_max_depth = 32;

Result<AdminResponse> openapi(AdminServices& services, const Call&)
{
    return json_response(openapi_document(all_routes(), services.version));
}

using PathValues = std::map<std::string, std::string>;

std::vector<std::string> segments(std::string_view path)
{
    while (path.size() > 1 && path.ends_with('/'))
        path.remove_suffix(1);
    return split(path, '/');
}

std::optional<PathValues> match(std::string_view pattern, const std::vector<std::string>& parts)
{
    const auto wanted = split(pattern, '/');
    if (wanted.size() != parts.size())
        return std::nullopt;
    PathValues values;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (!wanted[i].starts_with('{')) {
            if (wanted[i] != parts[i])
                return std::nullopt;
            continue;
        }
        const auto decoded = percent_decode(parts[i]);
        if (!decoded || decoded->empty())
            return std::nullopt;
        values[wanted[i].substr(1, wanted[i].size() - 2)] = *decoded;
    }
    return values;
}

// A route's pattern with the request's own words in the places of its variables, to be compared with the
// path.
std::string worded(std::string_view pattern, const std::vector<std::string>& parts)
{
    auto words = split(pattern, '/');
    for (std::size_t i = 0; i < words.size() && i < parts.size(); ++i)
        if (words[i].starts_with('{'))
            words[i] = parts[i];
    return join(words, "/");
}

AdminResponse no_route(const AdminRequest& request, std::span<const Route> routes)
{
    const auto parts = segments(request.path);
    std::vector<std::string> candidates;
    for (const auto& route : routes)
        if (request.on_admin_port || route.data_port)
            candidates.push_back(worded(route.pattern, parts));
    std::ranges::sort(candidates);
    candidates.erase(std::ranges::unique(candidates).begin(), candidates.end());
    return error_response(Error{ErrorKind::not_found,
                                unknown_name("route", printable(request.path.substr(0, 200)), candidates),
                                "Every route is described in /admin/v1/openapi.json."});
}

AdminResponse wrong_method(const AdminRequest& request, const std::vector<std::string>& allowed)
{
    auto response =
        error_response(Error{ErrorKind::usage,
                             fmt::format("{} is not possible on {}", printable(request.method.substr(0, 20)),
                                         printable(request.path.substr(0, 200))),
                             fmt::format("Use {}.", join(allowed, " or "))});
    response.status = 405;
    response.headers.emplace_back("Allow", join(allowed, ", "));
    return response;
}

std::string presented_token(const AdminRequest& request)
{
    if (auto key = request.header("x-master-key"); !key.empty())
        return key;
    const auto authorization = request.header("authorization");
    constexpr std::string_view scheme = "bearer ";
    if (authorization.size() > scheme.size() && iequals(authorization.substr(0, scheme.size()), scheme))
        return std::string(trim(std::string_view(authorization).substr(scheme.size())));
    return {};
}

AdminResponse unauthorized(std::string message, std::string hint)
{
    auto response = error_response(Error{ErrorKind::auth, std::move(message), std::move(hint)});
    response.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"conduit-agent\"");
    return response;
}

// JSON whatever the Content-Type says: curl -d calls it a form.
Result<Json> read_body(const AdminRequest& request, const Route& route)
{
    if (trim(request.body).empty()) {
        if (!route.request.empty())
            TRY(check_schema(type_schema(route.request), Json::object(), "body"));
        return Json::object();
    }
    auto body = parse_json(request.body, {k_max_body, k_max_depth});
    if (!body)
        return Error{ErrorKind::usage, "the body: " + body.error().message, "Send a JSON object."};
    if (route.request.empty() && body->is_object() && body->empty())
        return body;
    if (route.request.empty())
        return fail(ErrorKind::usage, "this route takes no body");
    TRY(check_schema(type_schema(route.request), *body, "body"));
    return body;
}

} // namespace

std::vector<Route> all_routes()
{
    std::vector<Route> all;
    for (const auto group : {replica_routes(), provider_routes(), state_routes(), operate_routes(),
                             health_routes(), document_routes()})
        all.insert(all.end(), group.begin(), group.end());
    all.push_back(
        {"GET", "/admin/v1/openapi.json", Scope::viewer, "This description", "", "", "OpenApi", openapi});
    return all;
}

std::string AdminRequest::header(std::string_view name) const
{
    for (const auto& [key, value] : headers)
        if (iequals(key, name))
            return value;
    return {};
}

struct AdminApi::Impl {
    explicit Impl(AdminServices s) : services(std::move(s)), routes(all_routes()) {}

    AdminServices services;
    const std::vector<Route> routes;

    AdminResponse dispatch(const AdminRequest& request);
    AdminResponse run(const Route& route, const AdminRequest& request, PathValues values);
};

AdminResponse AdminApi::Impl::dispatch(const AdminRequest& request)
{
    const auto parts = segments(request.path);
    std::vector<std::string> allowed;
    for (const auto& route : routes) {
        if (!request.on_admin_port && !route.data_port)
            continue;
        auto values = match(route.pattern, parts);
        if (!values)
            continue;
        if (route.method == request.method)
            return run(route, request, *std::move(values));
        allowed.emplace_back(route.method);
    }
    return allowed.empty() ? no_route(request, routes) : wrong_method(request, allowed);
}

AdminResponse AdminApi::Impl::run(const Route& route, const AdminRequest& request, PathValues values)
{
    std::string actor;
    if (route.scope != Scope::open) {
        const auto tokens = services.controller.tokens();
        if (tokens.empty())
            return unauthorized(
                "the admin API is off, because no tokens are configured",
                "Name a token file under admin: {tokens: PATH} in the agent's configuration.");
        const auto* token = find_token(tokens, presented_token(request));
        if (token == nullptr)
            return unauthorized("no valid admin token was sent",
                                "Send Authorization: Bearer TOKEN or X-Master-Key: TOKEN.");
        if (route.scope == Scope::operator_ && token->scope != "operator") {
            auto response = error_response(
                Error{ErrorKind::auth,
                      fmt::format("token {} is a viewer's and cannot change anything", token->name),
                      "Use a token with scope operator."});
            response.status = 403;
            return response;
        }
        const auto named = token->scope == "operator" ? request.header("x-conduit-actor") : std::string();
        actor = named.empty() ? token->name : printable(named.substr(0, 200));
    }
    if (request.body.size() > k_max_body) {
        auto response = error_response(
            Error{ErrorKind::usage, fmt::format("the body is larger than {}", format_bytes(k_max_body))});
        response.status = 413;
        return response;
    }
    auto body = read_body(request, route);
    if (!body)
        return error_response(body.error());
    const Call call{request,          std::move(values), parse_query(request.query),
                    *std::move(body), std::move(actor),  services.controller.snapshot()};
    auto answer = route.handler(services, call);
    return answer ? *std::move(answer) : error_response(answer.error());
}

AdminApi::AdminApi(AdminServices services) : impl_(std::make_unique<Impl>(std::move(services))) {}
AdminApi::~AdminApi() = default;

AdminResponse AdminApi::handle(const AdminRequest& request)
{
    if (request.method != "HEAD")
        return impl_->dispatch(request);
    auto get = request;
    get.method = "GET";
    auto response = impl_->dispatch(get);
    response.body.clear();
    return response;
}

} // namespace conduit::agent
