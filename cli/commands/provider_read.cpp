// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/provider.hpp"
#include "cli/commands/provider_merge.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

// State and the figures that people read together, made once for table and JSON.
Json shown_item(const Json& item)
{
    Json out = item;
    out["state"] = json_bool_or(item, "enabled", false) ? "enabled" : "disabled";
    if (json_bool_or(item, "auth_failed", false))
        out["state"] = "no-access";
    const auto* quota = json_find(item, "quota");
    const double limit = quota != nullptr ? json_number_or(*quota, "limit", 0) : 0;
    out["quota_left"] = limit > 0 ? Json(json_number_or(*quota, "remaining", 0) / limit) : Json();
    if (const auto* pool = json_find(item, "pool"); pool != nullptr)
        out["pool_use"] = fmt::format("{:.0f}/{:.0f}", json_number_or(*pool, "in_use", 0),
                                      json_number_or(*pool, "limit", 0));
    return out;
}

// "openai: disabled by maria "OpenAI incident", back at 16:04:00 UTC"
std::vector<std::string> override_notes(const Json& items)
{
    std::vector<std::string> notes;
    for (const auto& item : items) {
        const auto* overrides = json_find(item, "override");
        if (overrides == nullptr || !overrides->is_object())
            continue;
        for (const auto& [field, o] : overrides->items()) {
            std::string note = fmt::format("{}: {} set by {}", json_string_or(item, "name", ""), field,
                                           json_string_or(o, "actor", "somebody"));
            if (const auto reason = json_string_or(o, "reason", ""); !reason.empty())
                note += fmt::format(" \"{}\"", printable(reason));
            if (const auto until = parse_time(json_string_or(o, "expires_at", "")))
                note += fmt::format(", back at {}", format_time_short(*until));
            notes.push_back(std::move(note));
        }
    }
    return notes;
}

std::vector<Column> list_columns()
{
    using enum Column::Format;
    const auto right = Column::Align::right;
    return {{.head = "NAME", .field = "name"},
            {.head = "STATE", .field = "state"},
            {.head = "WEIGHT", .field = "weight", .format = integer, .align = right},
            {.head = "SHARE(5m)", .field = "share_5m", .format = percent, .align = right},
            {.head = "HEALTH", .field = "health", .format = ratio3, .align = right},
            {.head = "CIRCUIT", .field = "circuit"},
            {.head = "P95", .field = "p95_ms", .format = milliseconds, .align = right},
            {.head = "ERRORS", .field = "error_rate", .format = percent, .align = right},
            {.head = "QUOTA", .field = "quota_left", .format = percent, .align = right, .decimals = 0},
            {.head = "POOL", .field = "pool_use", .align = right},
            {.head = "REGION", .field = "region", .wide_only = true},
            {.head = "LAST-ERROR", .field = "last_error", .wide_only = true}};
}

struct ListOptions {
    bool watch = false;
    Duration interval{2000};
};

std::vector<JsonBox> bodies_of(const FromAll& all)
{
    std::vector<JsonBox> bodies;
    for (const auto& [replica, body] : all.bodies)
        bodies.push_back(body);
    return bodies;
}

Result<Report> list_once(App& app)
{
    TRY_ASSIGN(const auto all, get_all(app, "/admin/v1/providers"));
    const auto bodies = bodies_of(all);
    const auto items = merged_providers(bodies);
    if (items.empty())
        return fail(ErrorKind::unknown, "the agents do not list their providers");
    Json shown = Json::array();
    for (const auto& item : items)
        shown.push_back(shown_item(item));
    auto report = list_report(shown, list_columns());
    if (const auto* revision = json_find(*bodies.front(), "revision"); revision != nullptr)
        (*report.data)["revision"] = *revision;
    report.notes = override_notes(items);
    for (const auto& [replica, error] : all.failed)
        report.notes.push_back(fmt::format("{} is not in these figures: {}", replica, error.message));
    report.verdict = all.failed.empty() ? ErrorKind::ok : ErrorKind::unknown;
    return report;
}

Result<Report> list(App& app, const ListOptions& o)
{
    while (o.watch && !app.cancel().requested()) {
        TRY_ASSIGN(const auto screen, list_once(app));
        TRY(app.emit(screen));
        app.clock().sleep(o.interval);
    }
    return list_once(app);
}

struct NameOptions {
    std::string provider;
};

Result<Report> show(App& app, const NameOptions& o)
{
    // Counters are summed: what one replica has in flight says nothing of the others.
    TRY_ASSIGN(const auto all, get_all(app, "/admin/v1/providers"));
    TRY_ASSIGN(const auto item, item_of(Json{{"items", merged_providers(bodies_of(all))}}, o.provider));
    Report report;
    report.data = shown_item(*item);
    report.notes = override_notes(Json::array({*item}));
    for (const auto& [replica, error] : all.failed)
        report.notes.push_back(fmt::format("{} is not in these figures: {}", replica, error.message));
    report.verdict = all.failed.empty() ? ErrorKind::ok : ErrorKind::unknown;
    return report;
}

struct TestOptions {
    std::vector<std::string> providers;
    bool all = false;
    bool billed = false;
    Duration limit{10'000};
};

void test_flags(Flags& flags, TestOptions& o)
{
    flags.rest("PROVIDER", o.providers, "Providers to test; none means every enabled one")
        .complete(k_providers);
    flags.flag("--all", o.all, "Every provider, disabled ones too");
    flags.flag("--billed", o.billed, "Send a real one-word speech request, which the provider charges for");
    flags.opt("--limit", o.limit, "A probe that takes longer fails");
}

Result<Report> test(App& app, const TestOptions& o)
{
    TRY_ASSIGN(const auto body, get(app, "/admin/v1/providers"));
    TRY_ASSIGN(const auto known, provider_names(app));
    std::vector<std::string> names = o.providers;
    for (const auto& name : names)
        if (std::ranges::find(known, name) == known.end())
            return fail(ErrorKind::not_found, unknown_name("provider", name, known),
                        "List them: conduitctl provider ls");
    if (names.empty())
        for (const auto& item : (*body)["items"])
            if (o.all || json_bool_or(item, "enabled", true))
                names.push_back(json_string_or(item, "name", ""));
    Json items = Json::array();
    bool bad = false;
    for (const auto& name : names) {
        TRY_ASSIGN(const auto answer, post(app, "/admin/v1/providers/" + percent_encode(name) + "/test",
                                           Json{{"billed", o.billed}, {"timeout_ms", o.limit.count()}},
                                           o.limit + Duration{2000}));
        bad = bad || !json_bool_or(*answer, "ok", false);
        items.push_back(*answer);
    }
    using enum Column::Format;
    auto report = list_report(items, {{.head = "NAME", .field = "provider"},
                                      {.head = "OK", .field = "ok", .format = yes_no},
                                      {.head = "STATUS", .field = "status", .format = integer},
                                      {.head = "TOOK", .field = "took_ms", .format = milliseconds},
                                      {.head = "OUTCOME", .field = "outcome"},
                                      {.head = "ERROR", .field = "error"}});
    report.name_field = "provider";
    report.verdict = bad ? ErrorKind::breached : ErrorKind::ok;
    return report;
}

struct HealthOptions {
    bool refresh = false;
};

Result<Report> health(App& app, const HealthOptions& o)
{
    if (o.refresh)
        TRY(post_all(app, "/admin/v1/health/check", Json::object(), Duration{20'000}));
    TRY_ASSIGN(auto report, list_once(app));
    bool bad = false;
    for (const auto& item : (*report.data)["items"])
        bad = bad || (json_bool_or(item, "enabled", true) && (json_number_or(item, "health", 1) < 0.5 ||
                                                              json_string_or(item, "circuit", "") == "open" ||
                                                              json_bool_or(item, "auth_failed", false)));
    report.verdict = bad ? ErrorKind::breached : ErrorKind::ok;
    return report;
}

struct QuotaOptions {
    std::string except;
};

Result<Report> quota(App& app, const QuotaOptions& o)
{
    TRY_ASSIGN(auto report, list_once(app));
    Json items = Json::array();
    std::vector<std::string> unknown;
    for (const auto& item : (*report.data)["items"]) {
        const auto name = json_string_or(item, "name", "");
        if (name == o.except)
            continue;
        items.push_back(
            {{"name", name}, {"quota", item.value("quota", Json())}, {"quota_left", item["quota_left"]}});
        if (item["quota_left"].is_null())
            unknown.push_back(name);
    }
    using enum Column::Format;
    const auto right = Column::Align::right;
    auto out = list_report(
        items, {{.head = "NAME", .field = "name"},
                {.head = "LIMIT", .field = "quota.limit", .format = integer, .align = right},
                {.head = "REMAINING", .field = "quota.remaining", .format = integer, .align = right},
                {.head = "LEFT", .field = "quota_left", .format = percent, .align = right}});
    if (!unknown.empty())
        out.notes.push_back(fmt::format("{}: not told; a provider says it with its answers, or not at all",
                                        join(unknown, ", ")));
    return out;
}

Result<Report> latency(App& app)
{
    TRY_ASSIGN(const auto summary, get(app, "/admin/v1/summary", {{"seconds", "300"}}));
    Json items = Json::array();
    if (const auto* by = json_find(*summary, "by_provider"); by != nullptr && by->is_object())
        for (const auto& [name, figures] : by->items()) {
            Json item = figures;
            item["name"] = name;
            items.push_back(std::move(item));
        }
    using enum Column::Format;
    const auto right = Column::Align::right;
    return list_report(items, {{.head = "NAME", .field = "name"},
                               {.head = "REQUESTS", .field = "requests", .format = integer, .align = right},
                               {.head = "ERRORS", .field = "errors", .format = integer, .align = right},
                               {.head = "SHARE", .field = "share", .format = percent, .align = right},
                               {.head = "P95", .field = "p95_ms", .format = milliseconds, .align = right}});
}

// Documents A and C name these pages; a person reads them in a browser.
Result<Report> status_page(App& app, const NameOptions& o)
{
    TRY_ASSIGN(const auto item, provider_item(app, o.provider));
    static const std::map<std::string, std::string> pages{
        {"openai", "https://status.openai.com"},
        {"google", "https://status.cloud.google.com"},
        {"aws", "https://health.aws.amazon.com/health/status"}};
    const auto page = pages.find(json_string_or(*item, "kind", ""));
    if (page == pages.end())
        return fail(ErrorKind::not_found, fmt::format("no status page is known for {}", o.provider));
    Report report;
    report.data = Json{{"name", o.provider}, {"url", page->second}};
    return report;
}

void name_flags(Flags& flags, NameOptions& o)
{
    flags.arg("PROVIDER", o.provider, "Provider, as provider ls names it").complete(k_providers);
}

} // namespace

std::vector<Verb> provider_read_verbs()
{
    const std::vector<std::string_view> agent{"agent"};
    std::vector<Verb> verbs;
    verbs.push_back(verb<ListOptions>(
        {.name = "ls",
         .summary = "List providers with share, health and circuit",
         .examples = {"conduitctl provider ls", "conduitctl provider ls --watch"},
         .covers = {"A-overview-2", "A-dist-1", "A-dist-2", "A-dist-3", "E-err-health-2", "A-ts-err-4"},
         .backends = agent,
         .streaming = true},
        [](Flags& f, ListOptions& o) {
            f.flag("--watch,-w", o.watch, "Show it again and again until interrupted");
            f.opt("--interval", o.interval, "Time between two looks of --watch");
        },
        list));
    verbs.push_back(verb<NameOptions>({.name = "show",
                                       .summary = "Show one provider with its overrides",
                                       .examples = {"conduitctl provider show openai"},
                                       .backends = agent},
                                      name_flags, show));
    verbs.push_back(verb<TestOptions>(
        {.name = "test",
         .summary = "Probe providers with an authenticated call",
         .text = "The probe is not billed: it lists models or voices. Exit 13 when one of them fails.",
         .examples = {"conduitctl provider test", "conduitctl provider test openai --billed"},
         .also = {ErrorKind::breached},
         .covers = {"A-rec-verify-2"},
         .backends = agent},
        test_flags, test));
    verbs.push_back(verb<HealthOptions>(
        {.name = "health",
         .summary = "Say whether every enabled provider is healthy",
         .examples = {"conduitctl provider health --refresh"},
         .also = {ErrorKind::breached},
         .covers = {"E-err-prov-2", "E-chk-4"},
         .backends = agent},
        [](Flags& f, HealthOptions& o) {
            f.flag("--refresh", o.refresh, "Have every replica probe them first");
        },
        health));
    verbs.push_back(verb<QuotaOptions>(
        {.name = "quota",
         .summary = "Show what is left of the providers' quotas",
         .examples = {"conduitctl provider quota --except openai"},
         .covers = {"A-ts-err-6"},
         .backends = agent},
        [](Flags& f, QuotaOptions& o) {
            f.opt("--except", o.except, "Leave this one out").value("PROVIDER").complete(k_providers);
        },
        quota));
    verbs.push_back(verb({.name = "latency",
                          .summary = "Show the last five minutes by provider",
                          .examples = {"conduitctl provider latency"},
                          .covers = {"A-ts-lat-5"},
                          .backends = agent},
                         latency));
    verbs.push_back(verb<NameOptions>({.name = "status-page",
                                       .summary = "Print the address of a provider's status page",
                                       .examples = {"conduitctl provider status-page openai"},
                                       .covers = {"C-ext-1"},
                                       .backends = agent},
                                      name_flags, status_page));
    return verbs;
}

} // namespace conduit::commands
