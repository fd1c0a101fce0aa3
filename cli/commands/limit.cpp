// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/support.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

Result<Report> show(App& app)
{
    TRY_ASSIGN(const auto body, get(app, "/admin/v1/limits"));
    Report report;
    Json keys = Json::array();
    if (const auto* listed = json_find(*body, "keys"); listed != nullptr)
        keys = *listed;
    Json data = *body;
    data.erase("keys");
    data["items"] = keys;
    report.data = data;
    using enum Column::Format;
    const auto right = Column::Align::right;
    report.columns = {{.head = "KEY", .field = "id"},
                      {.head = "LIMIT", .field = "limit"},
                      {.head = "ALLOWED", .field = "allowed", .format = integer, .align = right},
                      {.head = "REFUSED", .field = "refused", .format = integer, .align = right},
                      {.head = "BLOCKED", .field = "blocked", .format = yes_no}};
    report.name_field = "id";
    report.notes.push_back(fmt::format("each key: {}   all traffic: {}",
                                       json_string_or(*body, "per_key", "?"),
                                       json_string_or(*body, "global", "?")));
    if (const auto* emergency = json_find(*body, "emergency"); emergency != nullptr && emergency->is_object())
        report.notes.push_back(fmt::format("EMERGENCY: all traffic is held to {} requests a minute",
                                           json_number_or(*emergency, "requests_per_minute", 0)));
    return report;
}

struct SetOptions {
    std::optional<Rate> per_key;
    std::optional<Rate> global;
    std::string key;
    std::optional<Rate> rate;
    ops::ChangeOptions change;
};

Result<Report> set(App& app, const SetOptions& o)
{
    ControlChange change;
    if (o.per_key)
        change.fields.emplace_back("limits/per_key", Json(format_rate(*o.per_key)));
    if (o.global)
        change.fields.emplace_back("limits/global", Json(format_rate(*o.global)));
    if (o.key.empty() != !o.rate)
        return fail(ErrorKind::usage, "--key and --rate go together",
                    "Give both: conduitctl limit set --key team-a --rate 10/s");
    if (o.rate)
        change.fields.emplace_back("limits/keys/" + o.key, Json(format_rate(*o.rate)));
    if (change.fields.empty())
        return fail(ErrorKind::usage, "no limit is given", "Give one: conduitctl limit set --per-key 1000/h");
    change.verb = "limit set";
    change.scope = "limits";
    change.resource = "limits";
    change.summary = "rate limits";
    change.watch = "conduitctl limit show";
    return change_control(app, std::move(change), o.change);
}

struct EmergencyOptions {
    std::int64_t rpm = 0;
    ops::ChangeOptions change;
};

Result<Report> emergency(App& app, const EmergencyOptions& o)
{
    ControlChange change;
    change.verb = "limit emergency";
    change.scope = "limits";
    change.resource = "limits/emergency";
    change.summary = fmt::format("hold all traffic to {} requests a minute", o.rpm);
    change.confirm_name = "emergency";
    change.fields = {{"limits/emergency", Json{{"requests_per_minute", o.rpm}}}};
    change.shown = fmt::format("→ {} requests a minute for all keys and replicas together", o.rpm);
    change.lines = {{"clients", "what is above that gets 429 with Retry-After"}};
    if (!o.change.revert_after)
        change.lines.emplace_back("remember",
                                  "it stays until `conduitctl limit off`; --for 30m ends it by itself");
    change.watch = "conduitctl limit show";
    return change_control(app, std::move(change), o.change);
}

struct ChangeOnly {
    ops::ChangeOptions change;
};

Result<Report> off(App& app, const ChangeOnly& o)
{
    ControlChange change;
    change.verb = "limit off";
    change.scope = "limits";
    change.resource = "limits/emergency";
    change.summary = "lift the emergency limit";
    change.fields = {{"limits/emergency", Json()}};
    change.shown = "→ off";
    change.watch = "conduitctl limit show";
    return change_control(app, std::move(change), o.change);
}

} // namespace

Noun limit()
{
    return {
        .name = "limit",
        .summary = "Rate limits, by key and for all traffic",
        .group = Group::data_path,
        .verbs = {
            verb({.name = "show",
                  .summary = "Show the limits and who ran into them",
                  .examples = {"conduitctl limit show"},
                  .backends = {"agent"}},
                 show),
            verb<SetOptions>(
                {.name = "set",
                 .summary = "Change the limits for each key or all traffic",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::exact,
                 .examples = {"conduitctl limit set --per-key 1000/h",
                              "conduitctl limit set --key team-a --rate 10/s"},
                 .covers = {"A-ts-err-9", "C-sec-5"},
                 .backends = {"agent"}},
                [](Flags& f, SetOptions& o) {
                    f.opt("--per-key", o.per_key, "Default of every key; 0 is no limit");
                    f.opt("--global", o.global, "All traffic of the deployment; 0 is no limit");
                    f.opt("--key", o.key, "One key, by its id").value("KEY").complete(k_key_ids);
                    f.opt("--rate", o.rate, "Limit of that key");
                    change_flags(f, o.change);
                },
                set),
            verb<EmergencyOptions>(
                {.name = "emergency",
                 .summary = "Hold all traffic to N requests a minute, at once",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::exact,
                 .text = "One limit for the whole deployment, over all keys and replicas together.",
                 .examples = {"conduitctl limit emergency --rpm 100 --for 30m --reason \"abuse\""},
                 .covers = {"A-em-rate-1"},
                 .backends = {"agent"}},
                [](Flags& f, EmergencyOptions& o) {
                    f.opt("--rpm", o.rpm, "Requests a minute").required().between(1, 100'000'000);
                    change_flags(f, o.change);
                },
                emergency),
            verb<ChangeOnly>(
                {.name = "off",
                 .summary = "Lift the emergency limit",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::exact,
                 .examples = {"conduitctl limit off --yes"},
                 .omitted = {{ErrorKind::rolled_back, "taking an override away cannot fail at a replica"}},
                 .covers = {"A-em-rate-2"},
                 .backends = {"agent"}},
                [](Flags& f, ChangeOnly& o) { change_flags(f, o.change); }, off),
        }};
}

} // namespace conduit::commands
