// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/tools.hpp"

#include "core/process.hpp"
#include "core/text.hpp"

#include <fmt/format.h>

namespace conduit::backup {
namespace {

constexpr Duration k_limit{10'000};

std::string package_of(const std::string& program)
{
    if (program.starts_with("pg_") || program == "psql")
        return "postgresql-client";
    return program.starts_with("redis") ? "redis-tools" : program;
}

} // namespace

Result<std::string> tool_version(const std::string& program)
{
    const auto ran = run_process({.argv = {program, "--version"}}, Deadline(k_limit));
    if (!ran)
        return Error(ran.error())
            .with_hint(fmt::format("Install it: apt-get install {}", package_of(program)));
    const auto text = ran->out.empty() ? ran->err : ran->out; // age says it on stderr
    return printable(trim(text.substr(0, text.find('\n'))));
}

} // namespace conduit::backup
