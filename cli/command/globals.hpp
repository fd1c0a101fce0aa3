// SPDX-License-Identifier: Apache-2.0
// The flags every command has, wherever they stand on the line.
#pragma once

#include "cli/command/flags.hpp"

#include <optional>
#include <string>

namespace conduit {

enum class OutputFormat { table, wide, json, yaml, name, jsonpath };
enum class ProgressMode { automatic, plain, json, none };

struct GlobalOptions {
    std::string context;    // -C; "" means the environment's, then the configuration's
    std::string name_space; // -n; "" means the context's
    std::string config;     // --config; "" means CONDUIT_CONFIG, then the XDG place
    OutputFormat output = OutputFormat::table;
    std::string jsonpath; // the expression of -o jsonpath=EXPR
    bool quiet = false;
    bool verbose = false;
    bool no_color = false;
    bool no_input = false;
    bool context_from_flag = false; // protected contexts demand an explicit -C off a terminal
    std::optional<Duration> timeout;
    ProgressMode progress = ProgressMode::automatic;

    bool machine_output() const { return output == OutputFormat::json || output == OutputFormat::yaml; }
};

// output_text receives the raw -o value; parse_output turns it into output and jsonpath.
void global_flags(Flags& flags, GlobalOptions& global, std::string& output_text);
Result<>
check_jsonpath(std::string_view expression); // before anything runs: a fault must not follow a change
Result<> parse_output(std::string_view text, GlobalOptions& global);

} // namespace conduit
