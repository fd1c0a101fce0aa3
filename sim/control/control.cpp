// SPDX-License-Identifier: Apache-2.0
#include "sim/control/control.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::sim {
namespace {

WireResponse refuse(int status, const Error& error)
{
    return json_response(status, {{"error", {{"message", error.message}, {"hint", error.hint}}}});
}

WireResponse not_found(std::string message)
{
    return refuse(404,
                  Error{ErrorKind::not_found, std::move(message), "GET /providers lists the providers."});
}

WireResponse fault_route(const WireRequest& request, const std::string& name, SimState& state)
{
    const auto set = [&](const Fault& fault) {
        const auto done = state.set_fault(name, fault);
        return done ? json_response(200, fault_json(state.fault_of(name))) : refuse(500, done.error());
    };
    if (request.method == "GET")
        return json_response(200, fault_json(state.fault_of(name)));
    if (request.method == "DELETE")
        return set({});
    if (request.method != "PATCH" && request.method != "PUT")
        return refuse(405, Error{ErrorKind::usage, "a fault knows GET, PATCH, PUT and DELETE", {}});
    const auto body = parse_json(request.body, {.max_bytes = 65536});
    if (!body)
        return refuse(400, body.error());
    const auto fault = patch_fault(request.method == "PUT" ? Fault{} : state.fault_of(name), *body);
    return fault ? set(*fault) : refuse(400, fault.error());
}

WireResponse list(const SimState& state)
{
    Json providers = Json::object();
    for (const auto& name : state.provider_names())
        providers[name] = state.provider_json(name);
    return json_response(200, {{"providers", std::move(providers)}});
}

} // namespace

WireResponse answer_control(const WireRequest& request, SimState& state)
{
    if (request.path == "/health" && request.method == "GET")
        return json_response(200, {{"status", "ok"}});
    if (request.path == "/counters/reset" && request.method == "POST") {
        state.reset_counters();
        return json_response(200, Json::object());
    }
    const auto parts = split(request.path, '/'); // "", "providers", name, "fault"
    if (parts.size() < 2 || parts.size() > 4 || parts[1] != "providers")
        return not_found(fmt::format("no control route '{}'", printable(request.path)));
    if (parts.size() == 2)
        return list(state);
    const auto names = state.provider_names();
    if (std::ranges::find(names, parts[2]) == names.end())
        return not_found(unknown_name("provider", printable(parts[2]), names));
    if (parts.size() == 3)
        return json_response(200, state.provider_json(parts[2]));
    if (parts[3] == "fault")
        return fault_route(request, parts[2], state);
    return not_found(fmt::format("no control route '{}'", printable(request.path)));
}

} // namespace conduit::sim
