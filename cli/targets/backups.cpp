// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/backups.hpp"

#include "cli/backup/catalog.hpp"
#include "cli/backup/run.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

constexpr std::string_view k_field = "backups/";

std::string id_of(const std::string& path)
{
    return path.substr(k_field.size());
}

Result<std::optional<backup::Manifest>> manifest_of(backup::Repository& repository, const std::string& id)
{
    const auto text = repository.read_small(id + "/manifest.json");
    if (!text && text.error().kind == ErrorKind::not_found)
        return std::optional<backup::Manifest>{};
    TRY_ASSIGN(const auto said, text);
    TRY_ASSIGN(auto manifest, backup::read_manifest(said, id));
    return std::optional(std::move(manifest));
}

Result<> remove_all(backup::Repository& repository, const std::string& id)
{
    TRY_ASSIGN(const auto files, repository.list(id));
    for (const auto& file : files)
        TRY(repository.remove(file.path));
    return {};
}

Applied made(const backup::Manifest& manifest)
{
    return {.observed =
                fmt::format("{}, {} part{}, {}", manifest.id, manifest.parts.size(),
                            manifest.parts.size() == 1 ? "" : "s", human_bytes(manifest.stored_bytes())),
            .data = Json{{"backup", manifest.id},
                         {"bytes", manifest.stored_bytes()},
                         {"started", format_time(manifest.started)},
                         {"finished", format_time(manifest.finished)}}};
}

} // namespace

Result<FieldMap> BackupTarget::observe(std::span<const std::string> paths, Deadline)
{
    TRY_ASSIGN(auto* repository, backups_.repository());
    FieldMap fields;
    for (const auto& path : paths) {
        if (!path.starts_with(k_field) || !backup::is_id(id_of(path)))
            return fail(ErrorKind::internal, fmt::format("backups have no field '{}'", path));
        // One whose manifest cannot be read is there, too.
        const auto text = repository->read_small(id_of(path) + "/manifest.json");
        if (text)
            fields[path].value = Json(sha256_hex(*text));
        else if (text.error().kind == ErrorKind::not_found)
            fields[path].value = Json();
        else
            return text.error();
    }
    return fields;
}

Result<Applied> BackupTarget::apply(const WriteContext& context, const Step& step)
{
    return step.action == k_make_backup ? make(context, step) : remove(context, step);
}

Result<Applied> BackupTarget::make(const WriteContext& context, const Step& step)
{
    TRY_ASSIGN(auto* repository, backups_.repository());
    TRY_ASSIGN(const auto before, find(context.key, step, context.deadline));
    if (before)
        return *before;
    std::vector<std::string> parts;
    if (const auto* named = json_find(*step.arguments, "parts"); named != nullptr && named->is_array())
        for (const auto& part : *named)
            parts.push_back(part.is_string() ? part.get<std::string>() : "");
    TRY_ASSIGN(const auto sources, backups_.sources(parts));
    const backup::RunRequest request{.id = json_string_or(*step.arguments, "id", ""),
                                     .system = backups_.system(),
                                     .operation = context.key.text(),
                                     .keys = backups_.keys(),
                                     .clock = &clock_,
                                     .stop = stop_,
                                     .progress = {},
                                     .sent = context.sent};
    TRY_ASSIGN(const auto manifest, backup::run_backup(*repository, sources, request, context.deadline));
    return made(manifest);
}

Result<Applied> BackupTarget::remove(const WriteContext& context, const Step& step)
{
    TRY_ASSIGN(auto* repository, backups_.repository());
    // Asked again: since the plan one may have been proved, or the proven one may have gone.
    TRY_ASSIGN(const auto catalog, backup::read_catalog(*repository));
    const auto* proven = catalog.newest_proven();
    for (const auto& field : step.fields)
        if (proven != nullptr && proven->id == id_of(field.path))
            return Error{ErrorKind::stale, fmt::format("{} is the newest proven backup by now", proven->id),
                         "Look again: conduitctl backup prune --dry-run"};
    if (context.sent)
        context.sent();
    for (const auto& field : step.fields) {
        const auto id = id_of(field.path);
        TRY(repository->remove(id + "/manifest.json")); // first: what is left is no backup any more
        if (auto emptied = remove_all(*repository, id); !emptied)
            return Error{ErrorKind::partial,
                         fmt::format("backup {} is no more, but files of it are left", id),
                         "Run the command again, or remove the folder by hand."}
                .with_cause(emptied.error().message);
    }
    return Applied{.observed = fmt::format("{} removed", step.fields.size()), .data = Json::object()};
}

Result<std::optional<Applied>> BackupTarget::find(const StepKey& key, const Step& step, Deadline deadline)
{
    if (step.action != k_make_backup) {
        TRY_ASSIGN(const auto now, observe(paths_of(step), deadline));
        const bool gone =
            std::ranges::all_of(now, [](const auto& field) { return field.second.value->is_null(); });
        return gone ? std::optional(Applied{.observed = fmt::format("{} removed", step.fields.size()),
                                            .data = Json::object()})
                    : std::nullopt;
    }
    TRY_ASSIGN(auto* repository, backups_.repository());
    TRY_ASSIGN(const auto manifest, manifest_of(*repository, json_string_or(*step.arguments, "id", "")));
    if (!manifest || manifest->operation != key.text())
        return std::optional<Applied>{};
    return std::optional(made(*manifest));
}

// L0: every file is there with its size. What the bytes are worth is for `backup verify`.
Result<> BackupTarget::verify(const Step& step, const Applied&, Deadline deadline, Progress&)
{
    if (step.action != k_make_backup) {
        TRY_ASSIGN(const auto now, observe(paths_of(step), deadline));
        for (const auto& [path, field] : now)
            if (!field.value->is_null())
                return fail(ErrorKind::failed, fmt::format("backup {} is still there", id_of(path)));
        return {};
    }
    TRY_ASSIGN(auto* repository, backups_.repository());
    const auto id = json_string_or(*step.arguments, "id", "");
    TRY_ASSIGN(const auto manifest, manifest_of(*repository, id));
    if (!manifest)
        return fail(ErrorKind::failed, fmt::format("backup {} has no manifest", id));
    TRY_ASSIGN(const auto files, repository->list(id));
    for (const auto& part : manifest->parts) {
        const auto found =
            std::ranges::find(files, fmt::format("{}/{}", id, part.file), &backup::StoredFile::path);
        if (found == files.end() || found->bytes != part.sizes.stored)
            return fail(ErrorKind::failed, fmt::format("part {} of backup {} is not whole", part.name, id));
    }
    return {};
}

Intent make_backup_intent(BackupTarget& target, const Backups& backups, const std::string& id,
                          const std::vector<std::string>& parts)
{
    Step step;
    step.resource = "backup/" + id;
    step.action = k_make_backup;
    step.arguments = Json{{"id", id}, {"parts", parts}};
    step.summary = join(parts, ", ");
    step.verify = "every part is stored with its size, and the manifest is read back";
    step.undo = "none is needed: backup prune takes old ones away";
    step.reversible = false;
    Intent intent;
    intent.target = &target;
    intent.verb = "backup run";
    intent.scope = "backup/" + backups.identity();
    intent.summary = fmt::format("back up {} to {}", join(parts, ", "), backups.identity());
    intent.confirm_name = backups.identity();
    intent.tier = Tier::mild;
    intent.undo = UndoKind::none;
    intent.rollback = false;
    intent.steps.push_back(std::move(step));
    intent.watch = "conduitctl backup ls";
    return intent;
}

Intent prune_intent(BackupTarget& target, const backup::Catalog& catalog,
                    const std::vector<backup::Verdict>& verdicts)
{
    Intent intent;
    intent.target = &target;
    intent.verb = "backup prune";
    intent.scope = "backup/" + target.identity();
    intent.confirm_name = target.identity();
    intent.tier = Tier::severe;
    intent.undo = UndoKind::none;
    intent.rollback = false;
    std::uint64_t bytes = 0;
    std::size_t kept = 0;
    for (const auto& verdict : verdicts) {
        if (verdict.keep) {
            ++kept;
            continue;
        }
        const auto* entry = catalog.find(verdict.id);
        bytes += entry == nullptr ? 0 : entry->bytes;
        Step step;
        step.n = static_cast<int>(intent.steps.size()) + 1;
        step.resource = "backup/" + verdict.id;
        step.fields.push_back({.path = std::string(k_field) + verdict.id, .after = Json()});
        step.summary =
            fmt::format("{} → gone: {}", entry == nullptr ? "" : human_bytes(entry->bytes), verdict.why);
        step.verify = "it is no longer listed";
        step.undo = "none: what is removed is gone";
        step.reversible = false;
        intent.steps.push_back(std::move(step));
    }
    intent.summary =
        fmt::format("remove {} of {} backups of {}", intent.steps.size(), verdicts.size(), target.identity());
    intent.lines = {{"frees", human_bytes(bytes)}, {"keeps", fmt::format("{} backups", kept)}};
    intent.watch = "conduitctl backup ls";
    return intent;
}

} // namespace conduit::ops
