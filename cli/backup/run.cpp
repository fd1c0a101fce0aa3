// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/run.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit::backup {
namespace {

Result<> store_all(Repository& repository, std::span<const std::unique_ptr<Source>> sources,
                   const RunRequest& request, Deadline deadline, Manifest& manifest)
{
    for (const auto& source : sources) {
        Part part;
        part.name = source->name();
        part.kind = source->kind();
        part.source = source->where();
        part.file = stored_name(part.name + source->extension(), request.keys);
        if (request.progress)
            request.progress(part.name, source->where());
        TRY(store_part(
            repository, request.id, request.keys, [&](ByteSink& to) { return source->produce(to, deadline); },
            part, request.stop));
        source->describe(part);
        manifest.parts.push_back(std::move(part));
    }
    return {};
}

void take_away(Repository& repository, const std::string& id)
{
    const auto files = repository.list(id);
    for (const auto& file : files.value_or(std::vector<StoredFile>{}))
        (void)repository.remove(file.path).has_value(); // what stays is no backup and is never listed as one
}

} // namespace

Result<Manifest> run_backup(Repository& repository, std::span<const std::unique_ptr<Source>> sources,
                            const RunRequest& request, Deadline deadline)
{
    std::set<std::string> names;
    for (const auto& source : sources) {
        if (source->secret() && request.keys.recipients.empty())
            return fail(ErrorKind::refused,
                        fmt::format("{} holds secrets and would be stored unencrypted", source->where()),
                        "Name who may decrypt it: conduitctl context set backup.recipients '[\"age1…\"]'");
        if (!names.insert(source->name()).second)
            return fail(ErrorKind::usage, fmt::format("two parts would be called {}", source->name()),
                        "Leave one out of backup.parts.");
    }
    if (names.empty())
        return fail(ErrorKind::usage, "there is nothing to back up",
                    "Name the parts: conduitctl context set backup.parts '[\"postgres\"]'");
    Manifest manifest{.id = request.id,
                      .system = request.system,
                      .operation = request.operation,
                      .started = request.clock->now(),
                      .finished = {},
                      .tool = "conduitctl " CONDUIT_VERSION,
                      .parts = {}};
    if (auto stored = store_all(repository, sources, request, deadline, manifest); !stored) {
        take_away(repository, request.id);
        return std::move(stored).error();
    }
    manifest.finished = request.clock->now();
    if (request.sent)
        request.sent();
    TRY(repository.write_small(request.id + "/manifest.json", write_manifest(manifest)));
    // Read again: what the next reader gets is what counts.
    TRY_ASSIGN(const auto text, repository.read_small(request.id + "/manifest.json"));
    return read_manifest(text, request.id);
}

} // namespace conduit::backup
