// SPDX-License-Identifier: Apache-2.0
#include "cli/config/three_way.hpp"

#include "core/hash.hpp"

#include <set>

namespace conduit {
namespace {

std::optional<std::string> at(const Texts& texts, const std::string& key)
{
    const auto found = texts.find(key);
    return found == texts.end() ? std::nullopt : std::optional(found->second);
}

} // namespace

std::vector<KeyChange> three_way(const Texts& applied, const Texts& file, const Texts& live)
{
    std::set<std::string> keys;
    for (const auto* texts : {&applied, &file})
        for (const auto& [key, text] : *texts)
            keys.insert(key);
    std::vector<KeyChange> out;
    for (const auto& key : keys) {
        KeyChange change{.key = key, .before = at(live, key), .after = at(file, key)};
        if (change.before == change.after)
            continue;
        const auto base = at(applied, key);
        const auto now = change.before ? std::optional(sha256_hex(*change.before)) : std::nullopt;
        change.conflict = base != now;
        out.push_back(std::move(change));
    }
    return out;
}

} // namespace conduit
