// SPDX-License-Identifier: Apache-2.0
// A Report as text: one function a format. All foreign text passes printable() on its way to people.
#pragma once

#include "cli/command/globals.hpp"
#include "cli/command/report.hpp"
#include "core/clock.hpp"

#include <string>
#include <string_view>

namespace conduit {

struct RenderOptions {
    OutputFormat format = OutputFormat::table;
    std::string_view jsonpath;
    WallTime now{}; // ages are counted from here
    bool colour = false;
    bool quiet = false;
};

struct Rendered {
    std::string out;
    std::string err; // notes and next, for people
};
Result<Rendered> render_report(const Report& report, const RenderOptions& options);

// "error:", "cause:", "hint:" lines; under json one object {"error": {...}}.
std::string render_error(const Error& error, OutputFormat format, bool colour);

// One value as a table shows it; "-" when absent.
std::string render_cell(const Json& item, const Column& column, WallTime now);

// The useful part of kubectl's JSONPath: .a.b, ['a'], [0], [-1], [1:3], [*], .*, [?(@.x=="y")], {range
// EXPR}...{end}, text between braces, "\n" and "\t" in {"..."}. A bare ".a.b" is taken as {.a.b}. Results are
// joined by blanks.
Result<std::string> eval_jsonpath(std::string_view expression, const Json& document);

} // namespace conduit
