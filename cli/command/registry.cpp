// SPDX-License-Identifier: Apache-2.0
#include "cli/command/registry.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <set>
#include <utility>

namespace conduit {

Noun standalone_noun(Group group, Verb verb)
{
    Noun noun{.name = verb.doc.name, .summary = verb.doc.summary, .group = group, .hidden = verb.doc.hidden};
    verb.doc.name = {};
    noun.verbs.push_back(std::move(verb));
    return noun;
}

Registry::Registry(std::initializer_list<Noun> nouns)
{
    for (const Noun& noun : nouns)
        push_back(noun);
}

Registry::Registry(std::span<const Maker> makers)
{
    slots_.reserve(makers.size());
    for (const Maker& maker : makers)
        slots_.push_back({.name = maker.name, .make = maker.make, .noun = nullptr});
}

void Registry::push_back(Noun noun)
{
    const auto name = noun.name;
    slots_.push_back({.name = name, .make = nullptr, .noun = std::make_shared<const Noun>(std::move(noun))});
}

const Noun& Registry::noun(std::size_t at) const
{
    const Slot& slot = slots_[at];
    if (!slot.noun)
        slot.noun = std::make_shared<const Noun>(slot.make());
    return *slot.noun;
}

const Noun* Registry::find(std::string_view name) const
{
    const auto found = std::ranges::find(slots_, name, &Slot::name);
    return found == slots_.end() ? nullptr : &noun(static_cast<std::size_t>(found - slots_.begin()));
}

std::vector<std::string_view> Registry::names() const
{
    std::vector<std::string_view> names;
    names.reserve(slots_.size());
    for (const Slot& slot : slots_)
        names.push_back(slot.name);
    return names;
}

std::vector<ErrorKind> declared_codes(const VerbDoc& doc)
{
    using enum ErrorKind;
    std::set<ErrorKind> codes{ok, failed, usage, not_found, auth, unreachable, unknown, interrupted};
    if (doc.effect == Effect::change || doc.effect == Effect::destroy) {
        codes.insert({refused, stale, locked, unverified});
        if (doc.steps)
            codes.insert({rolled_back, partial});
    }
    codes.insert(doc.also.begin(), doc.also.end());
    for (const Omitted& omitted : doc.omitted)
        codes.erase(omitted.code);
    return {codes.begin(), codes.end()};
}

std::string command_path(const Noun& noun, const Verb& verb)
{
    return verb.doc.name.empty() ? std::string(noun.name) : fmt::format("{} {}", noun.name, verb.doc.name);
}

std::string_view effect_name(Effect effect)
{
    constexpr std::array<std::string_view, 4> names{"read", "change", "destroy", "local"};
    return names.at(static_cast<std::size_t>(std::to_underlying(effect)));
}

std::string_view tier_name(Tier tier)
{
    constexpr std::array<std::string_view, 3> names{"mild", "moderate", "severe"};
    return names.at(static_cast<std::size_t>(std::to_underlying(tier)));
}

std::string_view undo_name(Undo undo)
{
    constexpr std::array<std::string_view, 3> names{"exact", "backup", "none"};
    return names.at(static_cast<std::size_t>(std::to_underlying(undo)));
}

std::string_view group_title(Group group)
{
    constexpr std::array<std::string_view, 14> titles{
        "Where",       "Instances", "Capacity",   "Releases", "Routing",   "Data path", "Work",
        "Data stores", "Trust",     "Safety net", "Seeing",   "Procedure", "Record",    "Tool"};
    return titles.at(static_cast<std::size_t>(std::to_underlying(group)));
}

std::vector<Omitted> contacts_nothing()
{
    constexpr std::string_view k_reason = "looks at nothing but this machine's own files";
    return {{ErrorKind::unreachable, k_reason},
            {ErrorKind::unknown, k_reason},
            {ErrorKind::interrupted, "ends at once"}};
}

} // namespace conduit
