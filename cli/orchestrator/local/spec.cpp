// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/spec.hpp"

#include "core/json.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::local {
namespace {

std::uint16_t port_of(const Json& ports, std::string_view name)
{
    const double value = json_number_or(ports, name, 0);
    return value >= 0 && value <= 65'535 ? static_cast<std::uint16_t>(value) : std::uint16_t{0};
}

} // namespace

Result<LocalSpec> load_spec(const Layout& layout)
{
    TRY_ASSIGN(const std::string text, read_file(layout.spec(), 65'536));
    const auto document = parse_json(text);
    if (!document || !document->is_object())
        return Error{ErrorKind::failed, fmt::format("{} is damaged", layout.spec().string())}
            .with_cause(document ? "not an object" : document.error().message)
            .with_hint(fmt::format("Remove {} and run `conduitctl local up` again.", layout.spec().string()));
    LocalSpec spec;
    const double replicas = json_number_or(*document, "replicas", spec.replicas);
    spec.replicas = replicas >= 0 && replicas <= k_max_replicas ? static_cast<int>(replicas) : spec.replicas;
    spec.sim = json_bool_or(*document, "sim", spec.sim);
    if (const auto* ports = json_find(*document, "ports")) {
        spec.data_port = port_of(*ports, "data");
        spec.openai_port = port_of(*ports, "openai");
        spec.google_port = port_of(*ports, "google");
        spec.aws_port = port_of(*ports, "aws");
        spec.control_port = port_of(*ports, "control");
    }
    if (const auto* args = json_find(*document, "sim_args"); args != nullptr && args->is_array())
        for (const auto& arg : *args)
            if (arg.is_string())
                spec.sim_args.push_back(arg.get<std::string>());
    return spec;
}

Result<> save_spec(const Layout& layout, const LocalSpec& spec)
{
    const Json document{{"v", 1},
                        {"replicas", spec.replicas},
                        {"sim", spec.sim},
                        {"ports",
                         {{"data", spec.data_port},
                          {"openai", spec.openai_port},
                          {"google", spec.google_port},
                          {"aws", spec.aws_port},
                          {"control", spec.control_port}}},
                        {"sim_args", spec.sim_args}};
    return write_file(layout.spec(), dump_json(document, 2) + "\n");
}

} // namespace conduit::local
