// SPDX-License-Identifier: Apache-2.0
#include "cli/command/globals.hpp"
#include "cli/command/help.hpp"
#include "cli/command/reference.hpp"

#include <nlohmann/json.hpp>

namespace conduit {
namespace {

Json texts(const std::vector<std::string_view>& values)
{
    Json list = Json::array();
    for (const std::string_view value : values)
        list.push_back(value);
    return list;
}

Json describe_flag(const Flag& flag)
{
    Json json{{"name", flag.name}};
    if (!flag.short_name.empty())
        json["short"] = flag.short_name;
    json["type"] = flag.kind == Flag::Kind::flag ? "switch" : type_name(flag);
    if (flag.takes_value())
        json["value"] = flag.value_name;
    json["help"] = flag.help;
    json["required"] = flag.is_required;
    json["repeatable"] = flag.many();
    if (!flag.implied.empty())
        json["implied"] = flag.implied;
    if (!flag.default_text.empty())
        json["default"] = flag.default_text;
    if (const auto listed = choices(flag); !listed.empty())
        json["choices"] = listed;
    if (flag.range)
        json["range"] = {flag.range->first, flag.range->second};
    if (!flag.env.empty())
        json["env"] = flag.env;
    if (flag.completer.fetch != nullptr)
        json["completes"] = flag.completer.key;
    return json;
}

Json describe_flags(const Flags& flags, bool positional)
{
    Json list = Json::array();
    for (const Flag& flag : flags.all()) {
        const bool argument = flag.kind == Flag::Kind::argument || flag.kind == Flag::Kind::rest;
        if (argument == positional && !flag.is_hidden)
            list.push_back(describe_flag(flag));
    }
    return list;
}

} // namespace

Json describe_verb(const Noun& noun, const Verb& verb)
{
    const VerbDoc& doc = verb.doc;
    const auto bound = verb.bind();
    Json json{{"command", command_path(noun, verb)},
              {"noun", noun.name},
              {"verb", doc.name},
              {"group", group_title(noun.group)},
              {"summary", doc.summary},
              {"text", doc.text},
              {"usage", usage_line(noun, verb, bound->flags())}};
    json["effect"] = effect_name(doc.effect);
    if (doc.effect == Effect::change || doc.effect == Effect::destroy) {
        json["tier"] = tier_name(doc.tier);
        json["undo"] = undo_name(doc.undo);
    }
    json["streaming"] = doc.streaming;
    json["exit_codes"] = Json::array();
    for (const ErrorKind code : declared_codes(doc))
        json["exit_codes"].push_back(to_exit(code));
    json["omitted_exit_codes"] = Json::array();
    for (const Omitted& omitted : doc.omitted)
        json["omitted_exit_codes"].push_back({{"code", to_exit(omitted.code)}, {"reason", omitted.reason}});
    json["arguments"] = describe_flags(bound->flags(), true);
    json["flags"] = describe_flags(bound->flags(), false);
    json["examples"] = texts(doc.examples);
    json["backends"] = texts(doc.backends);
    json["covers"] = texts(doc.covers);
    return json;
}

Json describe_registry(const Registry& registry)
{
    Json items = Json::array();
    for (const Noun& noun : registry)
        for (const Verb& verb : noun.verbs)
            if (!noun.hidden && !verb.doc.hidden)
                items.push_back(describe_verb(noun, verb));
    Flags globals;
    GlobalOptions global;
    std::string output;
    global_flags(globals, global, output);
    return {{"items", items}, {"global_flags", describe_flags(globals, false)}};
}

} // namespace conduit
