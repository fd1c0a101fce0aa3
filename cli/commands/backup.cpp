// SPDX-License-Identifier: Apache-2.0
// `backup`: what there is, and what was proved of it.
#include "cli/commands/backup.hpp"

#include "cli/app/app.hpp"
#include "cli/backup/backups.hpp"
#include "cli/backup/verify.hpp"
#include "cli/commands/all.hpp"
#include "cli/commands/support.hpp"
#include "core/text.hpp"

#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace conduit::commands {
namespace {

constexpr Duration k_no_end = std::chrono::hours(24 * 7);

struct BackupOptions {
    std::string backup = "latest";
};

struct VerifyOptions : BackupOptions {
    std::string level = "L4";
    std::optional<Duration> rto;
    std::string scratch;
};

struct FetchOptions : BackupOptions {
    std::string part;
    std::string to;
};

Result<backup::Catalog> catalog_of(App& app)
{
    TRY_ASSIGN(Backups * backups, app.backup());
    TRY_ASSIGN(auto* repository, backups->repository());
    return backup::read_catalog(*repository);
}

void backup_argument(Flags& flags, BackupOptions& o)
{
    flags.arg("BACKUP", o.backup, "Its id, a unique beginning of it, or latest").complete(backup_completer());
}

Result<Report> ls(App& app)
{
    TRY_ASSIGN(const auto catalog, catalog_of(app));
    Json items = Json::array();
    for (auto it = catalog.entries.rbegin(); it != catalog.entries.rend(); ++it)
        items.push_back(backup_json(*it));
    using enum Column::Format;
    auto report = list_report(
        std::move(items), {{.head = "BACKUP", .field = "id"},
                           {.head = "AGE", .field = "finished", .format = age},
                           {.head = "PARTS", .field = "part_names"},
                           {.head = "SIZE", .field = "bytes", .format = bytes, .align = Column::Align::right},
                           {.head = "LEVEL", .field = "level"},
                           {.head = "PROVED", .field = "proved", .format = age},
                           {.head = "FAULT", .field = "fault"}});
    report.name_field = "id";
    const auto* proven = catalog.newest_proven();
    (*report.data)["newest_proven"] = proven == nullptr ? Json() : Json(proven->id);
    if (catalog.halves > 0)
        report.notes.push_back(
            fmt::format("{} folder{} without a manifest: under way, or left by a run that died",
                        catalog.halves, catalog.halves == 1 ? "" : "s"));
    if (!catalog.entries.empty() && proven == nullptr) {
        report.notes.emplace_back("none was ever restored");
        report.next = {"conduitctl backup verify latest"};
    }
    return report;
}

Json parts_json(const backup::Manifest& manifest)
{
    Json parts = Json::array();
    for (const auto& part : manifest.parts)
        parts.push_back({{"name", part.name},
                         {"kind", part.kind},
                         {"source", part.source},
                         {"file", part.file},
                         {"bytes", part.sizes.stored},
                         {"plain_bytes", part.sizes.plain},
                         {"sha256", part.sha256.stored},
                         {"encrypted", part.encrypted},
                         {"consistent_to", *part.consistent_to},
                         {"invariants", *part.invariants},
                         {"tools", part.tools}});
    return parts;
}

Result<Report> show(App& app, const BackupOptions& o)
{
    TRY_ASSIGN(const auto catalog, catalog_of(app));
    TRY_ASSIGN(const auto* entry, backup::find_backup(catalog, o.backup));
    Report report;
    report.data = backup_json(*entry);
    if (entry->manifest) {
        (*report.data)["system"] = entry->manifest->system;
        (*report.data)["tool"] = entry->manifest->tool;
        (*report.data)["operation"] = entry->manifest->operation;
        (*report.data)["parts"] = parts_json(*entry->manifest);
    }
    report.name_field = "id";
    report.verdict = entry->fault.empty() ? ErrorKind::ok : ErrorKind::breached;
    return report;
}

Report proof_report(const backup::VerifyResult& result, const std::string& id)
{
    Json rows = Json::array();
    for (const auto& part : result.parts)
        rows.push_back({{"name", part.proof.name},
                        {"level", backup::level_name(part.proof.level)},
                        {"fault", part.proof.fault},
                        {"missing", part.missing}});
    auto report = list_report(std::move(rows), {{.head = "PART", .field = "name"},
                                                {.head = "LEVEL", .field = "level"},
                                                {.head = "FAULT", .field = "fault"},
                                                {.head = "NOT-TRIED", .field = "missing"}});
    (*report.data)["backup"] = id;
    (*report.data)["level"] = backup::level_name(result.proof.level());
    (*report.data)["asked"] = backup::level_name(result.proof.asked);
    (*report.data)["took_ms"] = result.proof.took.count();
    report.notes.push_back(fmt::format(
        "backup {} {} {} in {}", id, result.reached() ? "is proved to" : "is proved no further than",
        backup::level_name(result.proof.level()), human_duration(result.proof.took)));
    report.verdict = result.reached() ? ErrorKind::ok : ErrorKind::breached;
    return report;
}

Result<Report> verify(App& app, const VerifyOptions& o)
{
    TRY_ASSIGN(const auto level, backup::parse_level(o.level));
    if (level == backup::Level::in_time && !o.rto)
        return fail(ErrorKind::usage, "L5 needs the time that a restore may take", "Add it: --rto 15m");
    TRY_ASSIGN(Backups * backups, app.backup());
    TRY_ASSIGN(auto* repository, backups->repository());
    TRY_ASSIGN(const auto catalog, backup::read_catalog(*repository));
    TRY_ASSIGN(const auto* entry, backup::find_backup(catalog, o.backup));
    if (!entry->manifest)
        return fail(ErrorKind::breached, entry->fault, "See the others: conduitctl backup ls");
    backup::VerifyRequest request{.level = level,
                                  .rto = o.rto,
                                  .scratch = o.scratch,
                                  .keys = backups->keys(),
                                  .clock = &app.clock(),
                                  .stop = &app.cancel(),
                                  .progress = {}};
    TRY_ASSIGN(const auto result,
               backup::verify_backup(*repository, *entry->manifest, request, app.deadline(k_no_end)));
    auto report = proof_report(result, entry->id);
    if (auto kept = backup::keep_proof(*repository, result.proof);
        !kept) { // who may only read may prove, too
        report.notes.push_back(
            fmt::format("the proof could not be kept beside it: {}", kept.error().message));
        (*report.data)["kept"] = false;
    } else {
        (*report.data)["kept"] = true;
    }
    return report;
}

class FileSink final : public ByteSink {
  public:
    FileSink(UniqueFd fd, fs::path path) : fd_(std::move(fd)), path_(std::move(path)) {}
    Result<> write(std::string_view bytes) override { return write_all(fd_.get(), bytes, path_); }

  private:
    UniqueFd fd_;
    fs::path path_;
};

std::string plain_name(const backup::Part& part)
{
    auto name = part.file;
    for (const auto* end : {".age", ".zst"})
        if (name.ends_with(end))
            name.resize(name.size() - std::string_view(end).size());
    return name;
}

Result<Report> fetch(App& app, const FetchOptions& o)
{
    TRY_ASSIGN(Backups * backups, app.backup());
    TRY_ASSIGN(auto* repository, backups->repository());
    TRY_ASSIGN(const auto catalog, backup::read_catalog(*repository));
    TRY_ASSIGN(const auto* entry, backup::find_backup(catalog, o.backup));
    if (!entry->manifest)
        return fail(ErrorKind::breached, entry->fault, "See the others: conduitctl backup ls");
    if (!o.part.empty() && entry->manifest->part(o.part) == nullptr)
        return fail(ErrorKind::not_found,
                    fmt::format("backup {} has no part {}", entry->id, printable(o.part)),
                    fmt::format("See what it has: conduitctl backup show {}", entry->id));
    TRY(make_dirs(o.to));
    Json items = Json::array();
    for (const auto& part : entry->manifest->parts) {
        if (!o.part.empty() && part.name != o.part)
            continue;
        TRY_ASSIGN(auto folder, TempDir::make((fs::path(o.to) / ".conduit-fetch").string()));
        const auto half = folder.path() / plain_name(part);
        UniqueFd fd(::open(half.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
        if (!fd)
            return file_error("create", half, errno);
        FileSink sink(std::move(fd), half);
        TRY(backup::load_part(*repository, entry->id, backups->keys(), part, sink, &app.cancel()));
        const auto whole = fs::path(o.to) / plain_name(part);
        if (::link(half.c_str(), whole.c_str()) != 0)
            return file_error("keep", whole, errno); // never over a file that is there
        items.push_back({{"name", part.name},
                         {"file", whole.string()},
                         {"bytes", part.sizes.plain},
                         {"sha256", part.sha256.plain}});
    }
    using enum Column::Format;
    return list_report(std::move(items), {{.head = "PART", .field = "name"},
                                          {.head = "FILE", .field = "file"},
                                          {.head = "SIZE", .field = "bytes", .format = bytes},
                                          {.head = "SHA256", .field = "sha256", .wide_only = true}});
}

} // namespace

Completer backup_completer()
{
    return {.key = "backups",
            .fetch = [](App& app, std::span<const std::string>) -> Result<std::vector<Candidate>> {
                TRY_ASSIGN(const auto catalog, catalog_of(app));
                std::vector<Candidate> out{{"latest", "the newest"}};
                for (auto it = catalog.entries.rbegin(); it != catalog.entries.rend(); ++it)
                    out.push_back({it->id, std::string(backup::level_name(it->level))});
                return out;
            }};
}

Json backup_json(const backup::Entry& entry)
{
    Json item{{"id", entry.id},
              {"bytes", entry.bytes},
              {"level", backup::level_name(entry.level)},
              {"fault", entry.fault}};
    item["proved"] = entry.proved ? Json(format_time(*entry.proved)) : Json();
    item["restored_in_ms"] = entry.restored_in ? Json(entry.restored_in->count()) : Json();
    item["finished"] = entry.manifest ? Json(format_time(entry.manifest->finished)) : Json();
    std::vector<std::string> names;
    if (entry.manifest)
        for (const auto& part : entry.manifest->parts)
            names.push_back(part.name);
    item["part_names"] = join(names, ",");
    return item;
}

std::vector<Verb> backup_read_verbs()
{
    const std::vector<ErrorKind> breached{ErrorKind::breached};
    std::vector<Verb> verbs;
    verbs.push_back(
        verb({.name = "ls",
              .summary = "List backups, newest first, and what was proved of each",
              .text = "LEVEL is the highest that was proved while the newest proof found no fault: L0 "
                      "stored, L1 every byte hashed again, L2 decoded, L3 restored into a scratch place, "
                      "L4 counted there as in the manifest, L5 within the time that a restore may take.",
              .examples = {"conduitctl backup ls", "conduitctl backup ls -o json"},
              .covers = {"E-dr-bk-1"},
              .backends = {"s3"}},
             ls));
    verbs.push_back(verb<BackupOptions>({.name = "show",
                                         .summary = "Show one backup: parts, hashes, counts",
                                         .examples = {"conduitctl backup show latest"},
                                         .also = breached,
                                         .backends = {"s3"}},
                                        backup_argument, show));
    verbs.push_back(verb<VerifyOptions>(
        {.name = "verify",
         .summary = "Prove a backup by reading, decoding, restoring, counting",
         .text =
             "Every part is read back and compared with the manifest, restored into a scratch place that is "
             "gone afterwards (PostgreSQL into a server of its own, as nobody when run by root), and "
             "counted. "
             "The proof is kept beside the backup. Without an identity a host can prove L1. Exit 13 when the "
             "level is not reached, with the part and what is wrong with it.",
         .examples = {"conduitctl backup verify latest", "conduitctl backup verify latest --level L1",
                      "conduitctl backup verify latest --level L5 --rto 15m"},
         .also = breached,
         .backends = {"s3", "postgres"}},
        [](Flags& flags, VerifyOptions& o) {
            backup_argument(flags, o);
            flags.opt("--level", o.level, "How far: L1 to L5").value("LEVEL");
            flags.opt("--rto", o.rto, "How long a restore may take, for L5");
            flags.opt("--scratch", o.scratch, "Where restores are tried; needs the room of the data")
                .value("FOLDER");
        },
        verify));
    verbs.push_back(verb<FetchOptions>(
        {.name = "fetch",
         .summary = "Bring the plain files of a backup here",
         .effect = Effect::local,
         .text =
             "Decrypted, decompressed and compared with the manifest before they get their name. A file that "
             "is there is never written over.",
         .examples = {"conduitctl backup fetch latest --to restore",
                      "conduitctl backup fetch latest --part postgres-conduit --to restore"},
         .also = breached,
         .covers = {"E-dr-bk-2"},
         .backends = {"s3"}},
        [](Flags& flags, FetchOptions& o) {
            backup_argument(flags, o);
            flags.opt("--part", o.part, "Only this one").value("PART");
            flags.opt("--to", o.to, "Folder here; made when it is missing").value("FOLDER").required();
        },
        fetch));
    return verbs;
}

Noun backup()
{
    auto verbs = backup_change_verbs();
    for (auto& verb : backup_read_verbs())
        verbs.push_back(std::move(verb));
    return {.name = "backup",
            .summary = "Backups that were restored",
            .group = Group::safety_net,
            .verbs = std::move(verbs)};
}

} // namespace conduit::commands
