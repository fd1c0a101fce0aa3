// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/sim_faults.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::local {
namespace {

Result<Json> call(const SimTarget& sim, std::string_view method, const std::string& path,
                  const std::string& body, Deadline deadline)
{
    HttpRequest request;
    request.method = method;
    request.url = sim.control_url + path;
    request.body = body;
    if (!body.empty())
        request.headers = {{"content-type", "application/json"}};
    TRY_ASSIGN(const HttpResponse response, sim.http.send(request, deadline));
    auto document = parse_json(response.body);
    if (response.status < 400)
        return document;
    const auto kind = response.status == 404   ? ErrorKind::not_found
                      : response.status == 400 ? ErrorKind::usage
                                               : ErrorKind::failed;
    const auto* error = document ? json_find(*document, "error") : nullptr;
    return Error{kind,
                 error != nullptr ? printable(json_string_or(*error, "message", "the simulator said no"))
                                  : fmt::format("the simulator answered {}", response.status),
                 "See: conduitctl local sim"};
}

Result<Json> provider(const SimTarget& sim, const std::string& name, Deadline deadline)
{
    TRY_ASSIGN(Json document, call(sim, "GET", "/providers/" + percent_encode(name), {}, deadline));
    document["name"] = name;
    return document;
}

std::string fault_path(const std::string& name)
{
    return "/providers/" + percent_encode(name) + "/fault";
}

} // namespace

bool SimFault::any() const
{
    return down || throttle || hang || reset || quota_exhausted || bad_credentials || error_rate || latency ||
           first_byte || retry_after || status || cut_after_bytes || fail_next;
}

Json fault_patch(const SimFault& fault)
{
    Json patch = Json::object();
    const auto flag = [&](const char* key, bool value) {
        if (value)
            patch[key] = true;
    };
    flag("down", fault.down);
    flag("throttle", fault.throttle);
    flag("hang", fault.hang);
    flag("reset", fault.reset);
    flag("quota_exhausted", fault.quota_exhausted);
    flag("bad_credentials", fault.bad_credentials);
    if (fault.error_rate)
        patch["error_rate"] = *fault.error_rate;
    if (fault.latency)
        patch["latency_ms"] = fault.latency->count();
    if (fault.first_byte)
        patch["first_byte_ms"] = fault.first_byte->count();
    if (fault.retry_after)
        patch["retry_after_s"] = (fault.retry_after->count() + 999) / 1000;
    if (fault.status)
        patch["status"] = *fault.status;
    if (fault.cut_after_bytes)
        patch["cut_after_bytes"] = *fault.cut_after_bytes;
    if (fault.fail_next)
        patch["fail_next"] = *fault.fail_next;
    if (fault.expires)
        patch["expires_in_s"] = static_cast<double>(fault.expires->count()) / 1000;
    return patch;
}

Result<Json> set_fault(const SimTarget& sim, const std::string& name, const SimFault& fault,
                       Deadline deadline)
{
    TRY(call(sim, "PATCH", fault_path(name), dump_json(fault_patch(fault)), deadline));
    return provider(sim, name, deadline);
}

Result<Json> clear_fault(const SimTarget& sim, const std::string& name, Deadline deadline)
{
    TRY(call(sim, "DELETE", fault_path(name), {}, deadline));
    return provider(sim, name, deadline);
}

Result<Json> list_faults(const SimTarget& sim, Deadline deadline)
{
    TRY_ASSIGN(const Json document, call(sim, "GET", "/providers", {}, deadline));
    Json items = Json::array();
    if (const auto* providers = json_find(document, "providers");
        providers != nullptr && providers->is_object()) {
        for (const auto& [name, value] : providers->items()) {
            Json item{{"name", name}};
            if (value.is_object())
                item.update(value);
            items.push_back(std::move(item));
        }
    }
    return Json{{"items", items}};
}

} // namespace conduit::local
