// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/scratch.hpp"
#include "core/process.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <poll.h>
#include <sys/types.h>
#include <unistd.h>

namespace conduit::backup {
namespace {

constexpr uid_t k_nobody = 65534;
constexpr Duration k_ask{600'000};
constexpr char k_field = '\x1f', k_record = '\x1e';

int version_in(const fs::path& folder)
{
    const auto name = folder.filename().string();
    int version = 0;
    return std::from_chars(name.data(), name.data() + name.size(), version).ec == std::errc() ? version : 0;
}

// Debian keeps the server's programs out of PATH, a folder a version.
Result<fs::path> server_programs()
{
    std::error_code error;
    fs::path newest;
    for (const auto& entry : fs::directory_iterator("/usr/lib/postgresql", error))
        if (fs::exists(entry.path() / "bin/postgres", error) && version_in(entry.path()) > version_in(newest))
            newest = entry.path();
    if (!newest.empty())
        return newest / "bin";
    if (run_process({.argv = {"postgres", "--version"}}, Deadline(Duration{10'000})))
        return fs::path();
    return fail(ErrorKind::not_found, "this host has no PostgreSQL server to restore into",
                "Install it: apt-get install postgresql; without it a backup can be proved to L2.");
}

// A server that runs as root refuses to start.
std::vector<std::string> as_nobody(std::vector<std::string> argv)
{
    if (::geteuid() != 0)
        return argv;
    std::vector<std::string> out{"setpriv", fmt::format("--reuid={}", k_nobody),
                                 fmt::format("--regid={}", k_nobody), "--clear-groups"};
    out.insert(out.end(), argv.begin(), argv.end());
    return out;
}

Result<> run_quietly(std::vector<std::string> argv, const fs::path& cwd, Deadline deadline)
{
    TRY_ASSIGN(const auto ran, run_process({.argv = std::move(argv), .cwd = cwd}, deadline));
    if (ran.exit_code != 0)
        return Error{ErrorKind::failed,
                     fmt::format("a scratch PostgreSQL cannot be made: initdb ended with {}", ran.exit_code)}
            .with_cause(printable(trim(ran.err)));
    return {};
}

} // namespace

Result<std::unique_ptr<ScratchPostgres>> ScratchPostgres::start(const fs::path& below, Deadline deadline,
                                                                const Cancel* stop)
{
    TRY_ASSIGN(const auto programs, server_programs());
    TRY_ASSIGN(auto folder,
               TempDir::make(below.empty() ? "conduit-scratch" : (below / "conduit-scratch").string()));
    const auto data = folder.path() / "data";
    if (::geteuid() == 0 && ::chown(folder.path().c_str(), k_nobody, k_nobody) != 0)
        return file_error("give away", folder.path(), errno);
    const auto program = [&](std::string_view name) {
        return programs.empty() ? std::string(name) : (programs / name).string();
    };
    TRY(run_quietly(
        as_nobody({program("initdb"), "--pgdata=" + data.string(), "--username=conduit", "--auth-local=trust",
                   "--auth-host=reject", "--encoding=UTF8", "--locale=C", "--no-sync"}),
        folder.path(), deadline));
    // It keeps nothing: what it loses in a crash is restored again.
    ChildSpec spec{
        .argv = as_nobody(
            {program("postgres"),         "-D", data.string(),       "-k", folder.path().string(), "-c",
             "listen_addresses=",         "-c", "fsync=off",         "-c", "full_page_writes=off", "-c",
             "synchronous_commit=off",    "-c", "max_wal_size=4GB",  "-c", "autovacuum=off",       "-c",
             "wal_level=minimal",         "-c", "max_wal_senders=0", "-c", "shared_buffers=64MB",  "-c",
             "maintenance_work_mem=128MB"}),
        .env = {},
        .fed = false};
    std::unique_ptr<ScratchPostgres> scratch(new ScratchPostgres(std::move(folder), {.host = {},
                                                                                     .port = 5432,
                                                                                     .database = "postgres",
                                                                                     .user = "conduit",
                                                                                     .password = {},
                                                                                     .ssl_mode = {},
                                                                                     .ca = {}}));
    scratch->place_.host = scratch->folder_.path().string();
    TRY_ASSIGN(auto server, Child::start(spec));
    scratch->server_ = std::make_unique<Child>(std::move(server));
    for (;;) {
        if (stop != nullptr && stop->requested())
            return fail(ErrorKind::interrupted, "interrupted");
        if (scratch->ask("SELECT 1", deadline))
            return scratch;
        if (deadline.passed())
            return fail(ErrorKind::failed, "a scratch PostgreSQL did not start in time");
        ::poll(nullptr, 0, 50);
    }
}

ScratchPostgres::~ScratchPostgres()
{
    if (server_)
        server_->kill();
}

Result<std::vector<std::vector<SqlValue>>> ScratchPostgres::ask(const std::string& sql,
                                                                Deadline deadline) const
{
    TRY_ASSIGN(const auto program, postgres_program(place_));
    ProcessSpec spec{.argv = {"psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-F",
                              std::string(1, k_field), "-R", std::string(1, k_record), "--command=" + sql},
                     .env = program.env};
    spec.env["PGOPTIONS"] = "-c search_path=pg_catalog";
    spec.argv.insert(spec.argv.end(), program.arguments.begin(), program.arguments.end());
    TRY_ASSIGN(const auto ran, run_process(spec, deadline.sooner(k_ask)));
    if (ran.exit_code != 0)
        return Error{ErrorKind::failed, "the scratch PostgreSQL does not answer"}.with_cause(
            printable(trim(ran.err)));
    std::vector<std::vector<SqlValue>> rows;
    std::string_view out = ran.out;
    if (out.ends_with('\n'))
        out.remove_suffix(1);
    if (out.empty())
        return rows;
    for (const auto& record : split(out, k_record)) {
        auto& row = rows.emplace_back();
        for (auto& field : split(record, k_field))
            row.emplace_back(std::move(field));
    }
    return rows;
}

} // namespace conduit::backup
