// SPDX-License-Identifier: Apache-2.0
#include "agent/control/snapshot.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <functional>

namespace conduit::agent {
namespace {

Result<Sha256Digest> read_digest(const YamlNode& entry)
{
    const auto node = entry.get("sha256");
    std::string_view text;
    const auto scalar = node.scalar();
    text = scalar;
    if (text.starts_with("sha256:"))
        text.remove_prefix(7);
    const auto bytes = hex_decode(text);
    Sha256Digest digest{};
    if (!bytes || bytes->size() != digest.size())
        return (node.exists() ? node : entry)
            .error("'sha256' must be the 64 hexadecimal digits of the key's SHA-256",
                   "Make it with: printf %s KEY | sha256sum");
    std::memcpy(digest.data(), bytes->data(), digest.size());
    return digest;
}

Result<std::string> read_name(const YamlNode& entry)
{
    const auto node = entry.get("name");
    if (!is_path_name(node.scalar()))
        return (node.exists() ? node : entry).error("'name' must be 1 to 128 letters, digits or ._:@-");
    return node.scalar();
}

// Walks a list of maps; the first fault is the error, the others are its cause.
template <class Entry>
Result<std::vector<Entry>> read_list(std::string_view yaml, const std::string& file,
                                     std::span<const std::string_view> known,
                                     const std::function<Result<Entry>(const YamlNode&)>& read)
{
    TRY_ASSIGN(const auto root, parse_yaml(yaml, file));
    if (!root.is_list() && !root.is_null())
        return root.error("a list of entries is expected here");
    std::vector<Entry> entries;
    std::vector<Error> faults;
    std::set<Sha256Digest> seen;
    for (const auto& item : root.items()) {
        if (!item.is_map()) {
            faults.push_back(item.error("an entry with name and sha256 is expected here"));
            continue;
        }
        std::ranges::move(item.unknown_keys(known), std::back_inserter(faults));
        auto entry = read(item);
        if (!entry)
            faults.push_back(std::move(entry).error());
        else if (!seen.insert(entry->digest).second)
            faults.push_back(item.error(
                fmt::format("'{}' has the sha256 of an earlier entry", item.get("name").scalar())));
        else
            entries.push_back(*std::move(entry));
    }
    if (faults.empty())
        return entries;
    std::string rest;
    for (std::size_t i = 1; i < faults.size(); ++i)
        rest += (i > 1 ? "; " : "") + faults[i].message;
    return std::move(faults.front()).with_cause(std::move(rest));
}

} // namespace

std::string digest_id(const Sha256Digest& digest)
{
    return "sha256:" + hex(digest);
}

Result<std::vector<ApiKey>> parse_keys(std::string_view yaml, const std::string& file)
{
    constexpr std::array<std::string_view, 4> known{"name", "sha256", "limit", "age_group"};
    return read_list<ApiKey>(yaml, file, known, [](const YamlNode& item) -> Result<ApiKey> {
        ApiKey key;
        TRY_ASSIGN(key.id, read_name(item));
        TRY_ASSIGN(key.digest, read_digest(item));
        if (const auto limit = item.get("limit"); limit.exists()) {
            TRY_ASSIGN(key.limit, limit.as_rate());
        }
        key.age_group = item.get("age_group").scalar();
        return key;
    });
}

Result<std::vector<AdminToken>> parse_tokens(std::string_view yaml, const std::string& file)
{
    constexpr std::array<std::string_view, 3> known{"name", "scope", "sha256"};
    return read_list<AdminToken>(yaml, file, known, [](const YamlNode& item) -> Result<AdminToken> {
        AdminToken token;
        TRY_ASSIGN(token.name, read_name(item));
        TRY_ASSIGN(token.digest, read_digest(item));
        const auto scope = item.get("scope");
        token.scope = scope.scalar();
        if (token.scope != "viewer" && token.scope != "operator")
            return (scope.exists() ? scope : item).error("'scope' must be viewer or operator");
        return token;
    });
}

const AdminToken* find_token(const std::vector<AdminToken>& tokens, std::string_view presented)
{
    const auto digest = sha256(presented);
    const AdminToken* found = nullptr;
    for (const auto& token : tokens)
        if (constant_time_equal(as_view(token.digest), as_view(digest)))
            found = &token;
    return found;
}

std::size_t KeyTable::DigestHash::operator()(const Sha256Digest& d) const noexcept
{
    std::size_t value = 0; // a digest is evenly spread already
    std::memcpy(&value, d.data(), sizeof value);
    return value;
}

const ApiKey* KeyTable::find(std::string_view presented) const
{
    return find(sha256(presented));
}

const ApiKey* KeyTable::find(const Sha256Digest& digest) const
{
    const auto it = by_digest_.find(digest);
    return it == by_digest_.end() ? nullptr : it->second;
}

const ApiKey* KeyTable::find_id(std::string_view id) const
{
    const auto it = std::ranges::find(keys_, id, [](const auto& key) -> std::string_view { return key->id; });
    return it == keys_.end() ? nullptr : it->get();
}

void KeyTable::add(ApiKey key)
{
    keys_.push_back(std::make_unique<ApiKey>(std::move(key)));
    by_digest_.emplace(keys_.back()->digest, keys_.back().get());
}

bool is_blocked(const Snapshot& snapshot, std::string_view presented)
{
    return !snapshot.blocklist.empty() && !presented.empty() && is_blocked(snapshot, sha256(presented));
}

bool is_blocked(const Snapshot& snapshot, const Sha256Digest& digest)
{
    if (snapshot.blocklist.empty())
        return false;
    const auto* key = snapshot.keys.find(digest);
    return (key != nullptr && key->blocked) || snapshot.blocklist.contains(digest_id(digest));
}

} // namespace conduit::agent
