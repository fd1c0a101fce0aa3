// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/releases.hpp"
#include "cli/commands/safety_rules.hpp"
#include "cli/commands/support.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

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
    std::string approve;
    std::string labelled;
    bool or_stop = false;
    ops::ChangeOptions change;
};

Result<Json> wrong_cases(App& app, const std::string& file, std::size_t& count);

// Lifting a block on what children hear is no decision of one: who types it and who approves it are two.
Result<> check_second(App& app, const EmergencyOptions& o)
{
    const auto approver = trim(o.approve);
    if (approver.empty())
        return fail(ErrorKind::refused, "a second person has to approve that speech is allowed again",
                    "Name who did: --approve NAME");
    if (to_lower(approver) == to_lower(app.operator_name()))
        return fail(ErrorKind::refused, fmt::format("{} cannot approve a change of their own", approver),
                    "Have somebody else look at it, and name them: --approve NAME");
    return {};
}

// Which replicas do not refuse a harmless text, or do not say. A block that was on already is proved as well.
std::vector<std::string> not_blocking(App& app)
{
    const auto all = post_all(app, "/admin/v1/safety/test",
                              Json{{"text", "Good morning, how are you today?"}, {"age_group", "adult"}});
    if (!all)
        return {all.error().message};
    std::vector<std::string> out;
    for (const auto& [replica, body] : all->bodies)
        if (json_bool_or(*body, "allowed", true))
            out.push_back(replica + " still allows harmless text");
    for (const auto& [replica, error] : all->failed)
        out.push_back(fmt::format("{} does not answer: {}", replica, error.message));
    return out;
}

// The workloads that speak: the one that the context names, else whatever has an agent's admin port.
Result<std::vector<Workload>> speaking(App& app)
{
    TRY_ASSIGN(const Context* context, app.context());
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    std::set<std::string> names;
    if (!context->agent.workload.empty())
        names.insert(context->agent.workload);
    const auto deadline = app.deadline(k_read_timeout);
    if (names.empty()) {
        TRY_ASSIGN(const auto instances, orchestrator->instances("", deadline));
        for (const auto& one : instances)
            if (!one.admin_url.empty())
                names.insert(one.workload);
    }
    if (names.empty())
        names.insert("agent");
    TRY_ASSIGN(auto all, orchestrator->workloads(deadline));
    std::erase_if(all, [&](const Workload& one) { return !names.contains(one.name); });
    if (all.empty())
        return fail(ErrorKind::not_found,
                    fmt::format("there is no workload {} to be stopped",
                                join(std::vector<std::string>(names.begin(), names.end()), ", ")),
                    "See: conduitctl ps");
    return all;
}

// Nothing that speaks is left, since it could not be proved that it keeps silent.
Result<Report> fail_closed(App& app, const EmergencyOptions& o, const Result<Report>& switched)
{
    TRY_ASSIGN(const auto workloads, speaking(app));
    TRY_ASSIGN(ops::WorkloadTarget * target, workload_target(app));
    TRY_ASSIGN(Operations * operations, app.operations());
    const auto why = switched ? std::string() : fmt::format(" ({})", switched.error().message);
    Report out;
    Json stopped = Json::array();
    for (const auto& one : workloads) {
        auto options = o.change;
        options.yes = true;
        options.confirm = one.name;
        options.force = true; // the floor on replicas is of less weight
        TRY_ASSIGN(out, operations->change(one.remembers ? ops::stop_intent(*target, one)
                                                         : ops::scale_intent(*target, one.name, 0),
                                           options));
        stopped.push_back(one.name);
        out.notes.push_back(fmt::format("the block was not proved{}: {} was stopped", why, one.name));
    }
    (*out.data)["stopped"] = std::move(stopped);
    (*out.data)["emergency"] = {{"verdict", kind_name(switched ? switched->verdict : switched.error().kind)},
                                {"reason", switched ? Json() : Json(switched.error().message)}};
    if (out.verdict == ErrorKind::ok)
        out.verdict = ErrorKind::unverified;
    return out;
}

Result<Report> emergency(App& app, const EmergencyOptions& o)
{
    const bool on = o.state == "on";
    if (on && (!o.approve.empty() || !o.labelled.empty()))
        return fail(ErrorKind::usage, "--approve and --labelled belong to off", "Leave them out.");
    if (!on && o.or_stop)
        return fail(ErrorKind::usage, "--or-stop belongs to on", "Leave it out.");
    if (o.or_stop && o.change.reason.empty())
        return fail(ErrorKind::usage, "--or-stop needs --reason", "Add --reason TEXT: it is recorded.");
    ControlChange change;
    if (!on) {
        TRY(check_second(app, o));
        change.lines.emplace_back("approved by", printable(trim(o.approve)));
        change.summary = fmt::format("allow speech content again, by the rules (approved by {})",
                                     printable(trim(o.approve)));
    }
    change.verb = "safety emergency";
    change.scope = "safety";
    change.resource = "safety/emergency";
    if (on)
        change.summary = "refuse all speech content";
    change.confirm_name = "emergency";
    change.tier = on ? ops::Tier::moderate : ops::Tier::severe;
    change.fields = {{"safety/emergency", Json(on)}};
    change.shown = on ? "off → on: every text is refused" : "on → off: the rules decide again";
    change.verify = on ? "every replica refuses harmless text" : "every replica applies the revision";
    change.watch = "conduitctl safety status";
    change.rollback = false; // a block that one replica lacks is still better than none
    auto options = o.change; // what is kept of a change is its reason
    if (!on && !options.reason.empty())
        options.reason += fmt::format(" (approved by {})", printable(trim(o.approve)));
    auto report = change_control(app, std::move(change), options);
    const bool asked_only = o.change.dry_run || o.change.check;
    if (on && report && report->verdict == ErrorKind::ok && !asked_only)
        if (const auto wrong = not_blocking(app); !wrong.empty()) {
            report->verdict = ErrorKind::unverified;
            (*report->data)["verified"] = false;
            report->notes.push_back(join(wrong, ", "));
        }
    const bool proved = report && report->verdict == ErrorKind::ok;
    if (on && o.or_stop && !proved && !asked_only && (report || report.error().kind != ErrorKind::refused))
        return fail_closed(app, o, report);
    if (on || o.labelled.empty() || !proved || asked_only)
        return report;
    std::size_t count = 0;
    TRY_ASSIGN(const auto wrong, wrong_cases(app, o.labelled, count));
    (*report->data)["labelled"] = {{"cases", count}, {"wrong", wrong}};
    if (wrong.empty()) {
        report->notes.push_back(fmt::format("{} of {} cases as labelled", count, count));
        return report;
    }
    // The rules do not hold: blocked again, at once.
    auto again = o;
    again.state = "on";
    again.approve.clear();
    again.labelled.clear();
    again.change.yes = true; // the block that was there is put back, whoever watches
    again.change.plan_in.clear();
    TRY_ASSIGN(auto blocked, emergency(app, again));
    (*blocked.data)["labelled"] = (*report->data)["labelled"];
    blocked.notes.push_back(
        fmt::format("{} of {} cases are not as labelled: blocked again", wrong.size(), count));
    blocked.verdict = ErrorKind::breached;
    return blocked;
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

// A labelled set: YAML list of {text, blocked: true|false, age_group}.
Result<Json> wrong_cases(App& app, const std::string& file, std::size_t& count)
{
    TRY_ASSIGN(const auto content, read_file(file, 4U << 20U));
    TRY_ASSIGN(const auto document, parse_yaml(content, file));
    const auto cases = document.items();
    if (cases.empty())
        return document.error("a list of {text, blocked} is expected");
    count = cases.size();
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
    return wrong;
}

// Accuracy is told; any wrong one is a breach.
Result<Report> verify(App& app, const TestOptions& o)
{
    std::size_t count = 0;
    TRY_ASSIGN(const auto wrong, wrong_cases(app, o.labelled, count));
    const auto right = static_cast<double>(count - wrong.size());
    auto report =
        list_report(wrong, {{.head = "CASE", .field = "name"}, {.head = "EXPECTED", .field = "expected"}});
    (*report.data)["accuracy"] = right / static_cast<double>(count);
    (*report.data)["cases"] = count;
    report.notes.push_back(fmt::format("{:.0f} of {} cases as labelled", right, count));
    report.verdict = wrong.empty() ? ErrorKind::ok : ErrorKind::breached;
    return report;
}

} // namespace

Noun safety()
{
    return {
        .name = "safety",
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
            rules_verify_verb(),
            verb<EmergencyOptions>(
                {.name = "emergency",
                 .summary = "Refuse all speech content at once, or end that",
                 .effect = Effect::change,
                 .tier = Tier::severe,
                 .undo = Undo::exact,
                 .text = "Turning it on is asked like a moderate change and proved by having every "
                         "replica refuse a harmless text; it stands even where one does not, which is "
                         "named (11). With --or-stop nothing that speaks is left then. Replicas that "
                         "start later have it too. Turning it off is severe and takes a second person; "
                         "with --labelled the set has to pass, else it is on again at once.",
                 .examples = {"conduitctl safety emergency on --yes --reason \"filter failure\"",
                              "conduitctl safety emergency on --or-stop --yes --reason \"filter failure\"",
                              "conduitctl safety emergency off --approve jonas --confirm emergency --reason "
                              "\"rules repaired\" --labelled cases.yaml"},
                 .also = {ErrorKind::breached},
                 .omitted = {{ErrorKind::rolled_back, "a block that cannot be proved stays: 11"}},
                 .covers = {"C-rb-safety-3", "C-rb-safety-7", "C-rb-safety-8"},
                 .backends = {"agent", "orchestrator"}},
                [](Flags& f, EmergencyOptions& o) {
                    f.arg_choice("STATE", o.state, {"on", "off"}, "On refuses everything");
                    f.flag("--or-stop", o.or_stop, "On: stop the agents when the block cannot be proved");
                    f.opt("--approve", o.approve, "Off: who else says that it may be lifted").value("NAME");
                    f.opt("--labelled", o.labelled, "Off: texts that must be judged as labelled")
                        .value("FILE");
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
