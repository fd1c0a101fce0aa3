// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/catalog.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

namespace conduit::backup {
namespace {

constexpr std::string_view k_manifest = "manifest.json";

void take_proof(Entry& entry, const Proof& proof, std::optional<WallTime>& newest)
{
    if (!newest || proof.at >= *newest) {
        newest = proof.at;
        // Bytes that are as written keep what was proved of them: a wrong identity is no damage.
        const auto bad = std::ranges::find_if(proof.parts, [](const PartProof& part) {
            return !part.fault.empty() && part.level < Level::hashed;
        });
        entry.fault = bad == proof.parts.end() ? "" : bad->fault;
    }
    if (!proof.sound() || proof.level() < entry.level || proof.level() == Level::stored)
        return;
    entry.level = proof.level();
    entry.proved = std::max(entry.proved.value_or(proof.at), proof.at);
    if (proof.level() >= Level::restored)
        entry.restored_in = proof.took;
}

Result<Entry> read_entry(Repository& repository, const std::string& id, const std::vector<StoredFile>& files)
{
    Entry entry{.id = id};
    for (const auto& file : files)
        entry.bytes += file.bytes;
    TRY_ASSIGN(const auto text, repository.read_small(fmt::format("{}/{}", id, k_manifest)));
    auto manifest = read_manifest(text, id);
    if (!manifest) {
        entry.fault = manifest.error().message;
        return entry;
    }
    entry.manifest = *std::move(manifest);
    std::optional<WallTime> newest;
    for (const auto& file : files) {
        if (!file.path.substr(id.size() + 1).starts_with("verify-"))
            continue;
        TRY_ASSIGN(const auto said, repository.read_small(file.path));
        if (const auto proof = read_proof(said, id)) // one that cannot be read proves nothing
            take_proof(entry, *proof, newest);
    }
    if (!entry.fault.empty())
        entry.level = Level::stored;
    return entry;
}

} // namespace

const Entry* Catalog::find(std::string_view id) const
{
    if (id == "latest")
        return entries.empty() ? nullptr : &entries.back();
    const Entry* found = nullptr;
    for (const auto& entry : entries) {
        if (entry.id == id)
            return &entry;
        if (entry.id.starts_with(id)) {
            if (found != nullptr)
                return nullptr;
            found = &entry;
        }
    }
    return found;
}

const Entry* Catalog::newest_proven() const
{
    const Entry* found = nullptr;
    for (const auto& entry : entries)
        if (entry.fault.empty() && entry.level >= Level::restored)
            found = &entry;
    return found;
}

Result<Catalog> read_catalog(Repository& repository)
{
    TRY_ASSIGN(const auto files, repository.list(""));
    std::map<std::string, std::vector<StoredFile>> folders;
    for (const auto& file : files)
        if (const auto slash = file.path.find('/');
            slash != std::string::npos && is_id(file.path.substr(0, slash)))
            folders[file.path.substr(0, slash)].push_back(file);
    Catalog catalog;
    for (const auto& [id, inside] : folders) {
        const auto whole = fmt::format("{}/{}", id, k_manifest);
        if (std::ranges::find(inside, whole, &StoredFile::path) == inside.end()) {
            ++catalog.halves;
            continue;
        }
        TRY_ASSIGN(auto entry, read_entry(repository, id, inside));
        catalog.entries.push_back(std::move(entry));
    }
    return catalog;
}

Result<const Entry*> find_backup(const Catalog& catalog, std::string_view id)
{
    if (const auto* found = catalog.find(id); found != nullptr)
        return found;
    const auto many =
        std::ranges::count_if(catalog.entries, [&](const Entry& entry) { return entry.id.starts_with(id); });
    if (many > 1 && !id.empty())
        return fail(ErrorKind::usage, fmt::format("{} backups begin with {}", many, printable(id)),
                    "Write more of the id: conduitctl backup ls");
    return fail(ErrorKind::not_found, fmt::format("there is no backup {}", printable(id)),
                "See what there is: conduitctl backup ls");
}

} // namespace conduit::backup
