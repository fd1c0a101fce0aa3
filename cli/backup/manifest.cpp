// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/manifest.hpp"

#include "core/hash.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::backup {
namespace {

constexpr std::size_t k_most_parts = 1'000;
constexpr std::size_t k_id_size = 21; // "20261122T020000Z-7f3a"

Error broken(std::string_view id, std::string_view why)
{
    return {ErrorKind::breached, fmt::format("the manifest of backup {} {}", printable(id), why),
            "Do not restore from it; see the others: conduitctl backup ls"};
}

bool is_hash(const std::string& text)
{
    return text.size() == 64 &&
           std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

// A file of the backup's own folder, and nothing else.
bool is_file_name(const std::string& text)
{
    return !text.empty() && text.size() <= 255 && !text.starts_with('.') &&
           text.find_first_of("/\\\n\r") == std::string::npos && text.find('\0') == std::string::npos;
}

std::string seal_of(Json document)
{
    document.erase("seal");
    return sha256_hex(dump_json(document));
}

Json part_json(const Part& part)
{
    return {
        {"name", part.name},
        {"kind", part.kind},
        {"file", part.file},
        {"source", part.source},
        {"bytes", part.sizes.stored},
        {"sizes",
         {{"plain", part.sizes.plain}, {"compressed", part.sizes.compressed}, {"stored", part.sizes.stored}}},
        {"sha256",
         {{"plain", part.sha256.plain},
          {"compressed", part.sha256.compressed},
          {"stored", part.sha256.stored}}},
        {"encrypted", part.encrypted},
        {"consistent_to", *part.consistent_to},
        {"invariants", *part.invariants},
        {"tools", part.tools}};
}

std::uint64_t size_in(const Json& sizes, const char* key)
{
    const auto* found = json_find(sizes, key);
    return found != nullptr && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

Result<Part> read_part(const Json& json, std::string_view id)
{
    Part part;
    part.name = json_string_or(json, "name", "");
    part.kind = json_string_or(json, "kind", "");
    part.file = json_string_or(json, "file", "");
    part.source = json_string_or(json, "source", "");
    part.encrypted = json_bool_or(json, "encrypted", false);
    const auto* sizes = json_find(json, "sizes");
    const auto* hashes = json_find(json, "sha256");
    if (sizes == nullptr || hashes == nullptr || !is_file_name(part.file) || part.name.empty())
        return broken(id, "has a part without a name, a file, sizes or hashes");
    part.sizes = {size_in(*sizes, "plain"), size_in(*sizes, "compressed"), size_in(*sizes, "stored")};
    part.sha256 = {json_string_or(*hashes, "plain", ""), json_string_or(*hashes, "compressed", ""),
                   json_string_or(*hashes, "stored", "")};
    for (const auto& hash : {part.sha256.plain, part.sha256.compressed, part.sha256.stored})
        if (!is_hash(hash))
            return broken(id, fmt::format("has no SHA-256 of part {}", printable(part.name)));
    if (const auto* point = json_find(json, "consistent_to"))
        part.consistent_to = *point;
    if (const auto* counted = json_find(json, "invariants"))
        part.invariants = *counted;
    if (const auto* tools = json_find(json, "tools"); tools != nullptr && tools->is_array())
        for (const auto& tool : *tools)
            if (tool.is_string())
                part.tools.push_back(tool.get<std::string>());
    return part;
}

Result<Json> read_sealed(std::string_view text, std::string_view id)
{
    auto document = parse_json(text);
    if (!document || !document->is_object())
        return broken(id, "is no JSON object");
    if (json_number_or(*document, "v", 0) != 1)
        return broken(id, "is of a version that this conduitctl does not know");
    if (json_string_or(*document, "seal", "") != seal_of(*document))
        return broken(id, "is not as it was written: its seal does not fit");
    return document;
}

} // namespace

std::string_view level_name(Level level)
{
    constexpr std::array<std::string_view, 6> names{"L0", "L1", "L2", "L3", "L4", "L5"};
    return names.at(static_cast<std::size_t>(level));
}

Result<Level> parse_level(std::string_view text)
{
    const auto digit = text.starts_with('L') || text.starts_with('l') ? text.substr(1) : text;
    if (digit.size() == 1 && digit[0] >= '0' && digit[0] <= '5')
        return static_cast<Level>(digit[0] - '0');
    return fail(ErrorKind::usage, fmt::format("'{}' is no level of a backup", printable(text)),
                "Levels are L0 to L5; see: conduitctl help backups");
}

const Part* Manifest::part(std::string_view name) const
{
    const auto found = std::ranges::find(parts, name, &Part::name);
    return found == parts.end() ? nullptr : &*found;
}

std::uint64_t Manifest::stored_bytes() const
{
    std::uint64_t sum = 0;
    for (const auto& part : parts)
        sum += part.sizes.stored;
    return sum;
}

std::string make_id(WallTime now)
{
    auto time = format_time(now); // 2026-11-22T14:04:11.532Z
    std::erase_if(time, [](char c) { return c == '-' || c == ':'; });
    return fmt::format("{}Z-{}", time.substr(0, 15), random_token(2));
}

bool is_id(std::string_view text)
{
    if (text.size() != k_id_size || text[8] != 'T' || text[15] != 'Z' || text[16] != '-')
        return false;
    for (std::size_t i = 0; i < text.size(); ++i)
        if (i != 8 && i < 15 && std::isdigit(static_cast<unsigned char>(text[i])) == 0)
            return false;
    return std::ranges::all_of(text.substr(17), [](unsigned char c) { return std::isxdigit(c) != 0; });
}

WallTime time_of(const std::string& id)
{
    const auto text = fmt::format("{}-{}-{}T{}:{}:{}Z", id.substr(0, 4), id.substr(4, 2), id.substr(6, 2),
                                  id.substr(9, 2), id.substr(11, 2), id.substr(13, 2));
    return parse_time(text).value_or(WallTime{});
}

std::string write_manifest(const Manifest& manifest)
{
    Json document{{"v", 1},
                  {"id", manifest.id},
                  {"system", manifest.system},
                  {"operation", manifest.operation},
                  {"started", format_time(manifest.started)},
                  {"finished", format_time(manifest.finished)},
                  {"tool", manifest.tool},
                  {"parts", Json::array()}};
    for (const auto& part : manifest.parts)
        document["parts"].push_back(part_json(part));
    document["seal"] = seal_of(document);
    return dump_json(document) + "\n";
}

Result<Manifest> read_manifest(std::string_view text, std::string_view id)
{
    TRY_ASSIGN(const auto document, read_sealed(text, id));
    Manifest manifest;
    manifest.id = json_string_or(document, "id", "");
    if (manifest.id != id)
        return broken(id, fmt::format("is that of another backup, {}", printable(manifest.id)));
    manifest.system = json_string_or(document, "system", "");
    manifest.operation = json_string_or(document, "operation", "");
    manifest.tool = json_string_or(document, "tool", "");
    manifest.started = parse_time(json_string_or(document, "started", "")).value_or(WallTime{});
    manifest.finished = parse_time(json_string_or(document, "finished", "")).value_or(WallTime{});
    const auto* parts = json_find(document, "parts");
    if (parts == nullptr || !parts->is_array() || parts->empty() || parts->size() > k_most_parts)
        return broken(id, "names no parts");
    for (const auto& json : *parts) {
        TRY_ASSIGN(auto part, read_part(json, id));
        if (manifest.part(part.name) != nullptr)
            return broken(id, fmt::format("names part {} twice", printable(part.name)));
        manifest.parts.push_back(std::move(part));
    }
    return manifest;
}

Level Proof::level() const
{
    auto lowest = parts.empty() ? Level::stored : Level::in_time;
    for (const auto& part : parts)
        lowest = std::min(lowest, part.level);
    return lowest;
}

bool Proof::sound() const
{
    return std::ranges::all_of(parts, [](const PartProof& part) { return part.fault.empty(); });
}

std::string write_proof(const Proof& proof)
{
    Json parts = Json::object();
    for (const auto& part : proof.parts)
        parts[part.name] = Json{{"level", level_name(part.level)}, {"fault", part.fault}};
    Json document{{"v", 1},
                  {"backup", proof.backup},
                  {"level", level_name(proof.level())},
                  {"asked", level_name(proof.asked)},
                  {"at", format_time(proof.at)},
                  {"took", format_duration(proof.took)},
                  {"parts", std::move(parts)}};
    document["seal"] = seal_of(document);
    return dump_json(document) + "\n";
}

Result<Proof> read_proof(std::string_view text, std::string_view id)
{
    TRY_ASSIGN(const auto document, read_sealed(text, id));
    Proof proof;
    proof.backup = json_string_or(document, "backup", "");
    if (proof.backup != id)
        return broken(id, fmt::format("has a proof of another backup, {}", printable(proof.backup)));
    TRY_ASSIGN(proof.at, parse_time(json_string_or(document, "at", "")));
    TRY_ASSIGN(proof.took, parse_duration(json_string_or(document, "took", "")));
    TRY_ASSIGN(proof.asked, parse_level(json_string_or(document, "asked", "")));
    if (const auto* parts = json_find(document, "parts"); parts != nullptr && parts->is_object())
        for (const auto& [name, part] : parts->items()) {
            TRY_ASSIGN(const auto level, parse_level(json_string_or(part, "level", "")));
            proof.parts.push_back({name, level, json_string_or(part, "fault", "")});
        }
    return proof;
}

} // namespace conduit::backup
