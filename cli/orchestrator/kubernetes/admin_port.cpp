// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/admin_port.hpp"

#include "cli/orchestrator/kubernetes/objects.hpp"
#include "core/kube/pod_proxy.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace conduit::kubernetes {
namespace {

bool is_number(std::string_view text)
{
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

} // namespace

std::string admin_url_of(const Json& pod, const std::string& server, std::string_view port)
{
    if (json_string_or(member(pod, "status"), "podIP", "").empty())
        return {};
    const auto space = json_string_or(member(pod, "metadata"), "namespace", "");
    const auto url = [&](std::string_view number, bool tls) {
        return kube::pod_url(server, space, name_of(pod), number, tls);
    };
    if (is_number(port))
        return url(port, false);
    for (const auto& container : list_of(member(pod, "spec"), "containers"))
        for (const auto& one : list_of(container, "ports")) {
            const auto name = json_string_or(one, "name", "");
            const bool tls = name == std::string(port) + "-tls" || name == "https-" + std::string(port);
            if (name == port || tls)
                return url(std::to_string(static_cast<int>(json_number_or(one, "containerPort", 0))), tls);
        }
    return {};
}

} // namespace conduit::kubernetes
