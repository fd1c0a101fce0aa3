// SPDX-License-Identifier: Apache-2.0
// `safety rules verify`: are the rules in force those that were approved?
#include "cli/commands/safety_rules.hpp"

#include "cli/commands/support.hpp"
#include "core/fs.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

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

} // namespace

Verb rules_verify_verb()
{
    return verb<RulesOptions>(
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
            f.opt("--approved", o.approved, "JSON: a list of rules, or items").value("FILE");
            f.opt("--checksum", o.checksum, "The beginning of the set's SHA-256").value("SHA");
        },
        verify_rules);
}

} // namespace conduit::commands
