// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/support.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

Result<Report> status(App& app)
{
    TRY_ASSIGN(const auto all, get_all(app, "/admin/v1/safety"));
    Json rows = Json::array();
    for (const auto& [replica, body] : all.bodies)
        rows.push_back({{"name", replica},
                        {"enabled", json_bool_or(*body, "enabled", false)},
                        {"emergency", json_bool_or(*body, "emergency", false)},
                        {"rules", body->contains("rules") ? (*body)["rules"].size() : 0},
                        {"checks", body->value("checks", Json::object())}});
    using enum Column::Format;
    auto report = list_report(rows, {{.head = "REPLICA", .field = "name"},
                                     {.head = "ENABLED", .field = "enabled", .format = yes_no},
                                     {.head = "EMERGENCY", .field = "emergency", .format = yes_no},
                                     {.head = "RULES", .field = "rules", .format = integer}});
    report.verdict = all.failed.empty() ? ErrorKind::ok : ErrorKind::unknown;
    return report;
}

Result<Report> rules(App& app)
{
    TRY_ASSIGN(const auto body, get(app, "/admin/v1/safety"));
    const auto* listed = json_find(*body, "rules");
    return list_report(listed != nullptr ? *listed : Json::array(),
                       {{.head = "NAME", .field = "name"},
                        {.head = "TYPE", .field = "type"},
                        {.head = "SEVERITY", .field = "severity"},
                        {.head = "ACTION", .field = "action"},
                        {.head = "PATTERN", .field = "pattern", .wide_only = true}});
}

struct EmergencyOptions {
    std::string state;
    ops::ChangeOptions change;
};

Result<Report> emergency(App& app, const EmergencyOptions& o)
{
    const bool on = o.state == "on";
    ControlChange change;
    change.verb = "safety emergency";
    change.scope = "safety";
    change.resource = "safety/emergency";
    change.summary = on ? "refuse all speech content" : "allow speech content again, by the rules";
    change.confirm_name = "emergency";
    change.tier = on ? ops::Tier::moderate : ops::Tier::severe;
    change.fields = {{"safety/emergency", Json(on)}};
    change.shown = on ? "off → on: every text is refused" : "on → off: the rules decide again";
    change.verify = on ? "every replica refuses harmless text" : "every replica applies the revision";
    change.watch = "conduitctl safety status";
    return change_control(app, std::move(change), o.change);
}

struct TestOptions {
    std::string text;
    std::string age_group;
    std::string labelled;
};

Result<Report> test_one(App& app, const TestOptions& o)
{
    TRY_ASSIGN(const auto all,
               post_all(app, "/admin/v1/safety/test", Json{{"text", o.text}, {"age_group", o.age_group}}));
    Json rows = Json::array();
    for (const auto& [replica, body] : all.bodies) {
        Json row = *body;
        row["name"] = replica;
        rows.push_back(std::move(row));
    }
    using enum Column::Format;
    auto report = list_report(rows, {{.head = "REPLICA", .field = "name"},
                                     {.head = "ALLOWED", .field = "allowed", .format = yes_no},
                                     {.head = "RULE", .field = "rule"},
                                     {.head = "SEVERITY", .field = "severity"},
                                     {.head = "ACTION", .field = "action"}});
    for (const auto& row : rows)
        if (row["allowed"] != rows.front()["allowed"]) {
            report.verdict = ErrorKind::breached;
            report.notes.emplace_back("the replicas do not agree");
        }
    if (!all.failed.empty())
        report.verdict = ErrorKind::unknown;
    return report;
}

// A labelled set: YAML list of {text, blocked: true|false, age_group}. Accuracy is told; any wrong one is a
// breach.
Result<Report> verify(App& app, const TestOptions& o)
{
    TRY_ASSIGN(const auto content, read_file(o.labelled, 4U << 20U));
    TRY_ASSIGN(const auto document, parse_yaml(content, o.labelled));
    const auto cases = document.items();
    if (cases.empty())
        return document.error("a list of {text, blocked} is expected");
    Json wrong = Json::array();
    for (const auto& entry : cases) {
        TRY_ASSIGN(const auto text, entry.get("text").as_string());
        TRY_ASSIGN(const bool blocked, entry.get("blocked").as_bool());
        TRY_ASSIGN(const auto answer,
                   post(app, "/admin/v1/safety/test",
                        Json{{"text", text}, {"age_group", entry.get("age_group").scalar()}}));
        if (json_bool_or(*answer, "allowed", blocked) == blocked)
            wrong.push_back({{"name", entry.where()}, {"expected", blocked ? "blocked" : "allowed"}});
    }
    const auto right = static_cast<double>(cases.size() - wrong.size());
    auto report =
        list_report(wrong, {{.head = "CASE", .field = "name"}, {.head = "EXPECTED", .field = "expected"}});
    (*report.data)["accuracy"] = right / static_cast<double>(cases.size());
    (*report.data)["cases"] = cases.size();
    report.notes.push_back(fmt::format("{:.0f} of {} cases as labelled", right, cases.size()));
    report.verdict = wrong.empty() ? ErrorKind::ok : ErrorKind::breached;
    return report;
}

} // namespace

Noun safety()
{
    return {.name = "safety",
            .summary = "Content safety of speech",
            .group = Group::data_path,
            .verbs = {
                verb({.name = "status",
                      .summary = "Show safety mode and counters of every replica",
                      .examples = {"conduitctl safety status"},
                      .backends = {"agent"}},
                     status),
                verb({.name = "rules",
                      .summary = "List the safety rules in force",
                      .examples = {"conduitctl safety rules"},
                      .backends = {"agent"}},
                     rules),
                verb<EmergencyOptions>(
                    {.name = "emergency",
                     .summary = "Refuse all speech content at once, or end that",
                     .effect = Effect::change,
                     .tier = Tier::severe,
                     .undo = Undo::exact,
                     .text = "Turning it on is asked like a moderate change and proved by having every "
                             "replica refuse a "
                             "harmless text. Turning it off is severe.",
                     .examples =
                         {"conduitctl safety emergency on --yes --reason \"filter failure\"",
                          "conduitctl safety emergency off --confirm emergency --reason \"rules repaired\""},
                     .covers = {"C-rb-safety-7"},
                     .backends = {"agent"}},
                    [](Flags& f, EmergencyOptions& o) {
                        f.arg_choice("STATE", o.state, {"on", "off"}, "On refuses everything");
                        change_flags(f, o.change);
                    },
                    emergency),
                verb<TestOptions>(
                    {.name = "test",
                     .summary = "Ask every replica what it makes of a text",
                     .examples = {"conduitctl safety test \"how do I build a kite\" --age-group child"},
                     .also = {ErrorKind::breached},
                     .covers = {"C-arch-5", "C-rb-safety-10"},
                     .backends = {"agent"}},
                    [](Flags& f, TestOptions& o) {
                        f.arg("TEXT", o.text, "Text to be judged");
                        f.opt("--age-group", o.age_group, "Group whose rules hold");
                    },
                    test_one),
                verb<TestOptions>(
                    {.name = "verify",
                     .summary = "Run a labelled set of texts through the rules",
                     .examples = {"conduitctl safety verify --labelled cases.yaml"},
                     .also = {ErrorKind::breached},
                     .covers = {"C-rb-safety-6", "C-slo-qual-1", "C-slo-qual-3"},
                     .backends = {"agent"}},
                    [](Flags& f, TestOptions& o) {
                        f.opt("--labelled", o.labelled, "YAML list of {text, blocked, age_group}")
                            .value("FILE")
                            .required();
                    },
                    verify),
            }};
}

} // namespace conduit::commands
