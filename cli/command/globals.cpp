// SPDX-License-Identifier: Apache-2.0
#include "cli/command/globals.hpp"

#include "core/text.hpp"

#include <array>
#include <fmt/format.h>

namespace conduit {
namespace {

Result<std::vector<Candidate>> output_formats(App&, std::span<const std::string>)
{
    return std::vector<Candidate>{{"table", "columns for people"},
                                  {"wide", "more columns"},
                                  {"json", "one object"},
                                  {"yaml", "the same as YAML"},
                                  {"name", "names only, a line each"},
                                  {"jsonpath=", "an expression as kubectl's"}};
}

} // namespace

void global_flags(Flags& flags, GlobalOptions& global, std::string& output_text)
{
    flags.opt("--context,-C", global.context, "Context to act in").value("NAME").from_env("CONDUIT_CONTEXT");
    flags.opt("--namespace,-n", global.name_space, "Namespace, instead of the context's").value("NAME");
    flags.opt("--config", global.config, "Configuration file").value("FILE").from_env("CONDUIT_CONFIG");
    flags.opt("--output,-o", output_text, "table, wide, json, yaml, name or jsonpath=EXPR")
        .value("FORMAT")
        .from_env("CONDUIT_OUTPUT")
        .complete({.key = "output", .fetch = output_formats, .live = false});
    flags.flag("--quiet,-q", global.quiet, "Nothing but data and errors");
    flags.flag("--verbose,-v", global.verbose, "Say more on stderr");
    flags.flag("--no-color", global.no_color, "No colour");
    flags.flag("--no-input", global.no_input, "Never ask; fail instead");
    flags.opt("--timeout", global.timeout, "Give up after this long");
    flags.choice("--progress", global.progress,
                 {{"auto", ProgressMode::automatic},
                  {"plain", ProgressMode::plain},
                  {"json", ProgressMode::json},
                  {"none", ProgressMode::none}},
                 "How progress is shown");
}

Result<> parse_output(std::string_view text, GlobalOptions& global)
{
    static constexpr std::array<std::pair<std::string_view, OutputFormat>, 5> k_formats{{
        {"table", OutputFormat::table},
        {"wide", OutputFormat::wide},
        {"json", OutputFormat::json},
        {"yaml", OutputFormat::yaml},
        {"name", OutputFormat::name},
    }};
    for (const auto& [name, format] : k_formats)
        if (text == name) {
            global.output = format;
            return {};
        }
    constexpr std::string_view k_jsonpath = "jsonpath=";
    if (text.starts_with(k_jsonpath)) {
        global.output = OutputFormat::jsonpath;
        global.jsonpath = text.substr(k_jsonpath.size());
        return check_jsonpath(global.jsonpath);
    }
    const std::vector<std::string> names{"table", "wide", "json", "yaml", "name", "jsonpath=EXPR"};
    return fail(ErrorKind::usage, unknown_name("output format", text, names),
                fmt::format("One of: {}.", join(names, ", ")));
}

} // namespace conduit
