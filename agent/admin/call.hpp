// SPDX-License-Identifier: Apache-2.0
// What every handler works with. Internal to this folder and its tests.
#pragma once

#include "agent/admin/admin.hpp"
#include "core/json.hpp"

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::agent {

enum class Scope : std::uint8_t { open, viewer, operator_ };

struct Call {
    const AdminRequest& request;
    std::map<std::string, std::string> path; // "provider" -> "openai"
    std::multimap<std::string, std::string> query;
    JsonBox body; // an object
    std::string actor;
    std::shared_ptr<const Snapshot> snapshot; // one for the whole call

    std::string param(std::string_view name) const { return path.at(std::string(name)); }
    std::string text(const std::string& name, const std::string& otherwise = {}) const; // of the query
    Result<std::size_t> number(const std::string& name, std::size_t otherwise, std::size_t most) const;
};

using Handler = Result<AdminResponse> (*)(AdminServices&, const Call&);

// One row is the route, its documentation and its permission; the OpenAPI document is made of the same rows.
struct Route {
    std::string_view method;
    std::string_view pattern; // "/admin/v1/providers/{provider}"
    Scope scope = Scope::viewer;
    std::string_view summary;
    std::string_view query;    // "limit:integer, operation:string"
    std::string_view request;  // name of a component, or empty
    std::string_view response; // name of a component; "text": Prometheus text
    Handler handler = nullptr;
    bool data_port = false;
};

std::span<const Route> replica_routes();
std::span<const Route> provider_routes();
std::span<const Route> state_routes();
std::span<const Route> operate_routes();
std::span<const Route> health_routes();
std::span<const Route> document_routes();
std::vector<Route> all_routes(); // and the OpenAPI document's own

Json openapi_document(std::span<const Route> routes, const std::string& version);

AdminResponse json_response(const Json& body, int status = 200);
AdminResponse error_response(const Error& error);
Json control_json(const ControlStatus& status);

// not_found with the nearest names.
Result<const ProviderConfig*> known_provider(const Call& call);

// A change as a document route makes it: reason, force and for come from the body or the query.
Result<Json> change(AdminServices& services, const Call& call, std::map<std::string, JsonBox> set,
                    std::vector<std::string> unset = {});

} // namespace conduit::agent
