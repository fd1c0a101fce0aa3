// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/support.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

Result<Report> list(App& app)
{
    TRY_ASSIGN(const auto body, get(app, "/admin/v1/blocklist"));
    auto report = list_report((*body)["items"], {{.head = "KEY", .field = "id"},
                                                 {.head = "BY", .field = "actor"},
                                                 {.head = "SINCE", .field = "set_at"},
                                                 {.head = "UNTIL", .field = "expires_at"},
                                                 {.head = "REASON", .field = "reason"}});
    report.name_field = "id";
    return report;
}

struct KeyOptions {
    std::string key;
    ops::ChangeOptions change;
};

// Only ids are taken: a raw key on a command line would stand in the process list and in the journal.
Result<> check_id(const std::string& key)
{
    const bool plain =
        !key.empty() && key.size() <= 128 &&
        key.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:-") ==
            std::string::npos;
    if (!plain || key.starts_with("sk-"))
        return fail(ErrorKind::usage, "that is not a key id",
                    "Give the id, never the key itself: conduitctl usage top lists ids.");
    return {};
}

Result<Report> add(App& app, const KeyOptions& o)
{
    TRY(check_id(o.key));
    ControlChange change;
    change.verb = "blocklist add";
    change.scope = "blocklist";
    change.resource = "blocklist/" + o.key;
    change.summary = fmt::format("refuse every request of {}", o.key);
    change.confirm_name = o.key;
    change.fields = {{"blocklist/" + o.key, Json{{"reason", o.change.reason}}}};
    change.shown = "→ blocked";
    change.lines = {{"client", "its requests get 403 from every replica"}};
    change.watch = "conduitctl blocklist ls";
    return change_control(app, std::move(change), o.change);
}

Result<Report> remove(App& app, const KeyOptions& o)
{
    TRY(check_id(o.key));
    TRY_ASSIGN(const auto body, get(app, "/admin/v1/blocklist"));
    std::vector<std::string> ids;
    for (const auto& item : (*body)["items"])
        ids.push_back(json_string_or(item, "id", ""));
    if (std::ranges::find(ids, o.key) == ids.end())
        return fail(ErrorKind::not_found, unknown_name("blocked key", o.key, ids),
                    "List them: conduitctl blocklist ls");
    ControlChange change;
    change.verb = "blocklist rm";
    change.scope = "blocklist";
    change.resource = "blocklist/" + o.key;
    change.summary = fmt::format("let {} in again", o.key);
    change.fields = {{"blocklist/" + o.key, Json()}};
    change.shown = "blocked → allowed";
    change.watch = "conduitctl blocklist ls";
    return change_control(app, std::move(change), o.change);
}

void key_flags(Flags& flags, KeyOptions& o)
{
    flags.arg("KEY", o.key, "Id of the key, never the key itself").complete(k_key_ids);
    change_flags(flags, o.change);
}

} // namespace

Noun blocklist()
{
    return {.name = "blocklist",
            .summary = "Clients that are refused",
            .group = Group::data_path,
            .verbs = {
                verb({.name = "ls",
                      .summary = "List blocked keys",
                      .examples = {"conduitctl blocklist ls"},
                      .covers = {"A-em-rate-6"},
                      .backends = {"agent"}},
                     list),
                verb<KeyOptions>(
                    {.name = "add",
                     .summary = "Refuse a key's requests",
                     .effect = Effect::change,
                     .tier = Tier::moderate,
                     .undo = Undo::exact,
                     .examples = {"conduitctl blocklist add team-a --for 24h --reason \"runaway loop\""},
                     .covers = {"A-em-rate-4"},
                     .backends = {"agent"}},
                    key_flags, add),
                verb<KeyOptions>({.name = "rm",
                                  .summary = "Let a blocked key in again",
                                  .effect = Effect::change,
                                  .tier = Tier::moderate,
                                  .undo = Undo::exact,
                                  .examples = {"conduitctl blocklist rm team-a --yes"},
                                  .omitted = {{ErrorKind::rolled_back,
                                               "taking an override away cannot fail at a replica"}},
                                  .covers = {"A-em-rate-5"},
                                  .backends = {"agent"}},
                                 key_flags, remove),
            }};
}

} // namespace conduit::commands
