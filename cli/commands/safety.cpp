// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/releases.hpp"
#include "cli/commands/support.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"

#include <algorithm>
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

struct RulesOptions {
    std::string approved;
    std::string checksum;
};

// In one order and of one form, so that equal sets have equal checksums.
std::map<std::string, std::string> rules_by_name(const Json& rules)
{
    std::map<std::string, std::string> out;
    for (const auto& rule : rules) {
        auto name = json_string_or(rule, "name", "");
        while (out.contains(name))
            name += "'"; // two of one name are two rules
        out[name] = canonical_json(rule);
    }
    return out;
}

std::string checksum_of(const std::map<std::string, std::string>& rules)
{
    std::string all;
    for (const auto& [name, rule] : rules)
        all += rule + "\n";
    return sha256_hex(all);
}

Result<std::map<std::string, std::string>> approved_rules(const std::string& file)
{
    TRY_ASSIGN(const auto content, read_file(file, 4U << 20U));
    auto document = parse_json(content);
    if (!document)
        return fail(ErrorKind::usage, fmt::format("{} holds no rules: {}", file, document.error().message),
                    "Write it once they are approved: conduitctl safety rules -o json > rules.json");
    const Json* items = document->is_object() ? json_find(*document, "items") : &*document;
    if (items == nullptr || !items->is_array())
        return fail(ErrorKind::usage, fmt::format("{} holds no list of rules", file),
                    "Write it once they are approved: conduitctl safety rules -o json > rules.json");
    return rules_by_name(*items);
}

std::vector<std::string> differences(const std::map<std::string, std::string>& approved,
                                     const std::map<std::string, std::string>& now)
{
    std::vector<std::string> out;
    for (const auto& [name, rule] : approved)
        if (const auto found = now.find(name); found == now.end())
            out.push_back(name + " is missing");
        else if (found->second != rule)
            out.push_back(name + " differs");
    for (const auto& [name, rule] : now)
        if (!approved.contains(name))
            out.push_back(name + " is not approved");
    return out;
}

Result<Report> verify_rules(App& app, const RulesOptions& o)
{
    if (o.approved.empty() == o.checksum.empty())
        return fail(ErrorKind::usage, "the approved set is missing",
                    "Give --approved FILE, or --checksum SHA.");
    std::map<std::string, std::string> approved;
    if (!o.approved.empty()) {
        TRY_ASSIGN(approved, approved_rules(o.approved));
    }
    TRY_ASSIGN(const auto all, get_all(app, "/admin/v1/safety"));
    Json rows = Json::array();
    bool differ = false;
    for (const auto& [replica, body] : all.bodies) {
        const auto* listed = json_find(*body, "rules");
        if (listed == nullptr || !listed->is_array())
            return fail(ErrorKind::unknown, fmt::format("{} does not tell its rules", replica));
        const auto now = rules_by_name(*listed);
        const auto checksum = checksum_of(now);
        std::vector<std::string> wrong;
        if (!o.approved.empty())
            wrong = differences(approved, now);
        else if (!checksum.starts_with(to_lower(o.checksum)))
            wrong.emplace_back("another checksum");
        differ = differ || !wrong.empty();
        rows.push_back({{"name", replica},
                        {"same", wrong.empty()},
                        {"rules", now.size()},
                        {"checksum", checksum},
                        {"differences", wrong},
                        {"summary", join(wrong, ", ")}});
    }
    for (const auto& [replica, error] : all.failed)
        rows.push_back({{"name", replica}, {"same", nullptr}, {"summary", error.message}});
    using enum Column::Format;
    auto report = list_report(rows, {{.head = "REPLICA", .field = "name"},
                                     {.head = "APPROVED", .field = "same", .format = yes_no},
                                     {.head = "RULES", .field = "rules", .format = integer},
                                     {.head = "CHECKSUM", .field = "checksum", .wide_only = true},
                                     {.head = "DIFFERENCES", .field = "summary"}});
    report.verdict = differ ? ErrorKind::differs : all.failed.empty() ? ErrorKind::ok : ErrorKind::unknown;
    return report;
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

// Nothing that speaks is left, since it could not be proved that it keeps silent.
Result<Report> fail_closed(App& app, const EmergencyOptions& o, Result<Report> switched)
{
    TRY_ASSIGN(const Context* context, app.context());
    TRY_ASSIGN(Orchestrator * orchestrator, app.orchestrator());
    const auto name = context->agent.workload.empty() ? std::string("agent") : context->agent.workload;
    TRY_ASSIGN(const auto all, orchestrator->workloads(app.deadline(k_read_timeout)));
    const auto found = std::ranges::find(all, name, &Workload::name);
    if (found == all.end())
        return fail(ErrorKind::not_found, fmt::format("there is no workload {} to be stopped", name),
                    "See: conduitctl ps");
    TRY_ASSIGN(ops::WorkloadTarget * target, workload_target(app));
    TRY_ASSIGN(Operations * operations, app.operations());
    auto options = o.change;
    options.yes = true;
    options.confirm = name;
    options.force = true; // the floor on replicas is of less weight
    auto report = operations->change(
        found->remembers ? ops::stop_intent(*target, *found) : ops::scale_intent(*target, name, 0), options);
    if (!report)
        return report;
    (*report->data)["emergency"] = {
        {"verdict", kind_name(switched ? switched->verdict : switched.error().kind)},
        {"reason", switched ? Json() : Json(switched.error().message)}};
    report->notes.push_back(fmt::format("the block was not proved{}: {} was stopped, nothing speaks",
                                        switched ? "" : " (" + switched.error().message + ")", name));
    if (report->verdict == ErrorKind::ok)
        report->verdict = ErrorKind::unverified;
    return report;
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
        return fail_closed(app, o, std::move(report));
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
            verb<RulesOptions>(
                {.name = "rules verify",
                 .summary = "Compare each replica's rules with the approved set",
                 .text = "The approved set is what safety rules -o json printed when it was approved; "
                         "its checksum does as well. Exit 14 names each replica and rule that differs.",
                 .examples = {"conduitctl safety rules verify --approved rules.json",
                              "conduitctl safety rules verify --checksum 3f9a1c04"},
                 .also = {ErrorKind::differs},
                 .covers = {"C-rb-safety-5"},
                 .backends = {"agent"}},
                [](Flags& f, RulesOptions& o) {
                    f.opt("--approved", o.approved, "JSON or YAML: a list of rules, or items").value("FILE");
                    f.opt("--checksum", o.checksum, "The beginning of the set's SHA-256").value("SHA");
                },
                verify_rules),
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
