// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/verify.hpp"

#include "cli/backup/scratch.hpp"
#include "cli/backup/tar_count.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::backup {
namespace {

struct Bench { // what a part is proved with
    Repository& repository;
    const std::string& backup;
    const VerifyRequest& request;
    Deadline deadline;
};

Error differs(const Part& part, std::string_view what, const Json& found, const Json& written)
{
    return {ErrorKind::breached, fmt::format("part {}: {} is {} after a restore, {} was backed up", part.name,
                                             what, dump_json(found), dump_json(written))};
}

// The first thing that is not as it was counted when the backup was made.
Result<> compare_invariants(const Part& part, const Json& found, const Json& written)
{
    if (!written.is_object() || written.empty())
        return fail(ErrorKind::breached, fmt::format("part {} has no counts to compare with", part.name));
    for (const auto& [key, value] : written.items()) {
        const auto* other = json_find(found, key);
        if (other == nullptr)
            return differs(part, key, Json(), value);
        if (value.is_object()) {
            for (const auto& [inner, count] : value.items()) {
                const auto* now = json_find(*other, inner);
                if (now == nullptr || *now != count)
                    return differs(part, inner, now == nullptr ? Json() : *now, count);
            }
            if (other->size() != value.size())
                return differs(part, key, other->size(), value.size());
        } else if (*other != value) {
            return differs(part, key, *other, value);
        }
    }
    return {};
}

// Plain bytes into a program, whose end is part of the proof.
Result<> load_into(const Bench& bench, const Part& part, const ChildSpec& program)
{
    TRY_ASSIGN(auto child, Child::start(program));
    struct Into final : ByteSink {
        Child& child;
        const Cancel* stop;
        Into(Child& c, const Cancel* s) : child(c), stop(s) {}
        Result<> write(std::string_view bytes) override { return child.write(bytes, stop); }
    } into(child, bench.request.stop);
    auto loaded =
        load_part(bench.repository, bench.backup, bench.request.keys, part, into, bench.request.stop);
    auto ended = child.finish(bench.request.stop);
    if (!ended) // its own words say more than "reads no more"
        return Error{ErrorKind::breached,
                     fmt::format("part {} cannot be restored: {}", part.name, ended.error().message)}
            .with_cause(ended.error().cause);
    return loaded;
}

Result<> prove_dump(const Bench& bench, const Part& part, Level& level)
{
    TRY(load_into(bench, part, {.argv = {"pg_restore", "--file=/dev/null"}, .env = {}}));
    level = Level::decoded;
    if (bench.request.level < Level::restored)
        return {};
    TRY_ASSIGN(const auto server,
               ScratchPostgres::start(bench.request.scratch, bench.deadline, bench.request.stop));
    TRY_ASSIGN(const auto program, postgres_program(server->place()));
    ChildSpec restore{.argv = {"pg_restore", "--exit-on-error", "--no-owner", "--no-privileges"},
                      .env = program.env};
    restore.argv.insert(restore.argv.end(), program.arguments.begin(), program.arguments.end());
    TRY(load_into(bench, part, restore));
    level = Level::restored;
    if (bench.request.level < Level::counted)
        return {};
    TRY_ASSIGN(const auto counted,
               count_database([&](const std::string& sql) { return server->ask(sql, bench.deadline); }));
    TRY(compare_invariants(part, counted, *part.invariants));
    level = Level::counted;
    return {};
}

Result<Json> count_folder(const fs::path& folder)
{
    std::uint64_t files = 0, bytes = 0;
    std::error_code error;
    for (fs::recursive_directory_iterator it(folder, error);
         !error && it != fs::recursive_directory_iterator(); it.increment(error))
        if (it->is_symlink(error))
            continue;
        else if (it->is_regular_file(error) && it->hard_link_count(error) == 1) {
            ++files;
            bytes += it->file_size(error);
        }
    if (error)
        return file_error("count", folder, error.value());
    return Json{{"files", files}, {"bytes", bytes}};
}

Result<> prove_tar(const Bench& bench, const Part& part, Level& level)
{
    struct Counter final : ByteSink {
        TarCounter tar;
        Result<> write(std::string_view bytes) override
        {
            tar.feed(bytes);
            return {};
        }
    } counter;
    TRY(load_part(bench.repository, bench.backup, bench.request.keys, part, counter, bench.request.stop));
    const auto& count = counter.tar.count();
    if (count.broken || !count.ended)
        return fail(ErrorKind::breached, fmt::format("part {} is no whole archive", part.name));
    level = Level::decoded;
    if (bench.request.level < Level::restored)
        return {};
    TRY_ASSIGN(const auto folder, TempDir::make(bench.request.scratch.empty()
                                                    ? "conduit-scratch"
                                                    : (bench.request.scratch / "conduit-scratch").string()));
    TRY(load_into(
        bench, part,
        {.argv = {"tar", "--extract", "--file=-", "--no-same-owner", "--directory=" + folder.path().string()},
         .env = {}}));
    level = Level::restored;
    if (bench.request.level < Level::counted)
        return {};
    TRY_ASSIGN(const auto found, count_folder(folder.path()));
    TRY(compare_invariants(part, found, *part.invariants));
    level = Level::counted;
    return {};
}

Result<> prove_kind(const Bench& bench, const Part& part, Level& level)
{
    if (part.kind == "pg_dump-custom")
        return prove_dump(bench, part, level);
    if (part.kind == "tar")
        return prove_tar(bench, part, level);
    return fail(ErrorKind::not_found,
                fmt::format("this conduitctl cannot decode a part of kind {}", part.kind),
                "Use the conduitctl that wrote it, or a newer one.");
}

Result<PartResult> prove_part(const Bench& bench, const Part& part)
{
    PartResult result{.proof = {.name = part.name, .level = Level::stored, .fault = {}}, .missing = {}};
    if (bench.request.level == Level::stored)
        return result;
    if (bench.request.progress)
        bench.request.progress(part.name, fmt::format("proving to {}", level_name(bench.request.level)));
    auto proved = check_stored(bench.repository, bench.backup, part, bench.request.stop);
    if (proved) {
        result.proof.level = Level::hashed;
        if (bench.request.level >= Level::decoded)
            proved = prove_kind(bench, part, result.proof.level);
    }
    if (proved)
        return result;
    const auto& error = proved.error();
    switch (error.kind) {
    case ErrorKind::breached:
        result.proof.fault =
            error.cause.empty() ? error.message : fmt::format("{}: {}", error.message, error.cause);
        return result;
    case ErrorKind::auth:
    case ErrorKind::not_found: // an identity, a program
        result.missing = error.message;
        return result;
    default:
        return error;
    }
}

} // namespace

bool VerifyResult::reached() const
{
    return proof.sound() && proof.level() >= proof.asked;
}

Result<VerifyResult> verify_backup(Repository& repository, const Manifest& manifest,
                                   const VerifyRequest& request, Deadline deadline)
{
    const auto started = request.clock->steady();
    const Bench bench{repository, manifest.id, request, deadline};
    VerifyResult result;
    result.proof = {
        .backup = manifest.id, .at = request.clock->now(), .took = {}, .asked = request.level, .parts = {}};
    for (const auto& part : manifest.parts) {
        TRY_ASSIGN(auto proved, prove_part(bench, part));
        result.parts.push_back(std::move(proved));
    }
    result.proof.took = std::chrono::duration_cast<Duration>(request.clock->steady() - started);
    const bool in_time = request.rto && result.proof.took <= *request.rto;
    for (auto& part : result.parts) {
        if (in_time && part.proof.level == Level::counted && request.level == Level::in_time)
            part.proof.level = Level::in_time;
        result.proof.parts.push_back(part.proof);
    }
    return result;
}

Result<> keep_proof(Repository& repository, const Proof& proof)
{
    auto time = format_time(proof.at);
    std::erase_if(time, [](char c) { return c == '-' || c == ':' || c == '.'; });
    return repository.write_small(fmt::format("{}/verify-{}.json", proof.backup, time), write_proof(proof));
}

} // namespace conduit::backup
