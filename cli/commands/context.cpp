// SPDX-License-Identifier: Apache-2.0
#include "cli/app/complete.hpp"
#include "cli/commands/all.hpp"
#include "cli/commands/checks.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

Result<Report> ls(App& app)
{
    TRY_ASSIGN(const Config* config, app.config());
    TRY_ASSIGN(const Context* current, app.context());
    Report report;
    Json items = Json::array();
    for (const Context& context : config->contexts) {
        Json item{{"current", &context == current ? "*" : ""}};
        item.update(context_json(context));
        items.push_back(std::move(item));
    }
    report.data = Json{{"items", items}, {"file", config->file.string()}, {"file_exists", config->exists}};
    report.columns = {{.head = "CURRENT", .field = "current"},
                      {.head = "NAME", .field = "name"},
                      {.head = "SYSTEM", .field = "system"},
                      {.head = "ORCHESTRATOR", .field = "orchestrator"},
                      {.head = "NAMESPACE", .field = "kubernetes.namespace"},
                      {.head = "PROTECTED", .field = "guards.protected"},
                      {.head = "DIR", .field = "dir", .wide_only = true}};
    return report;
}

struct NameOptions {
    std::string name;
};

void name_flags(Flags& flags, NameOptions& o)
{
    flags.arg("NAME", o.name, "Context").complete(context_completer());
}
void optional_name_flags(Flags& flags, NameOptions& o)
{
    flags.arg("NAME", o.name, "Context; the current one when absent")
        .optional()
        .complete(context_completer());
}

Result<const Context*> chosen(App& app, const std::string& name)
{
    if (name.empty())
        return app.context();
    TRY_ASSIGN(const Config* config, app.config());
    if (const Context* found = config->find(name))
        return found;
    return fail(ErrorKind::not_found, unknown_name("context", name, config->names()),
                "See: conduitctl context ls");
}

Result<Report> use(App& app, const NameOptions& o)
{
    TRY_ASSIGN(const Config* config, app.config());
    const bool changed = config->current_context != o.name;
    TRY_ASSIGN(const Context* context, chosen(app, o.name));
    if (changed)
        TRY(save_current_context(app.config_places(), o.name));
    Report report;
    report.data = Json{{"name", context->name}, {"changed", changed}, {"file", config->file.string()}};
    report.text = fmt::format("current context: {}{}", context->name, changed ? "" : " (unchanged)");
    return report;
}

Result<Report> show(App& app, const NameOptions& o)
{
    TRY_ASSIGN(const Context* context, chosen(app, o.name));
    Report report;
    report.data = context_json(*context);
    return report;
}

struct SetOptions {
    std::string field;
    std::string value;
    bool unset = false;
};

void set_flags(Flags& flags, SetOptions& o)
{
    flags.arg("FIELD", o.field, "Field, such as kubernetes.namespace or guards.min_replicas");
    flags.arg("VALUE", o.value, "Value as YAML: 3, true, text, [a, b]").optional();
    flags.flag("--unset", o.unset, "Take the field out");
}

Result<Report> set(App& app, const SetOptions& o)
{
    if (o.value.empty() != o.unset)
        return fail(ErrorKind::usage, "a value or --unset is needed, and not both",
                    "For example: conduitctl context set guards.min_replicas 3");
    TRY_ASSIGN(const Context* context, app.context());
    TRY(save_context_field(app.config_places(), context->name, o.field, o.value));
    Report report;
    report.data = Json{{"name", context->name}, {"field", o.field}, {"changed", true}};
    report.text = o.unset ? fmt::format("{}: {} unset", context->name, o.field)
                          : fmt::format("{}: {} = {}", context->name, o.field, printable(o.value));
    return report;
}

struct AddOptions {
    std::string name;
    std::string system = "audio";
    std::string orchestrator = "local";
    std::string dir;
    std::string kube_context;
    std::string kube_namespace;
    bool protect = false;
    bool use = false;
};

void add_flags(Flags& flags, AddOptions& o)
{
    flags.arg("NAME", o.name, "Name of the new context");
    flags.opt("--system", o.system, "System it runs: audio, mlops, teddy, voiceai, llm").value("NAME");
    flags.choice("--orchestrator", o.orchestrator, {"local", "kubernetes", "compose"},
                 "What runs the instances");
    flags.opt("--dir", o.dir, "Folder of a local context").value("DIR");
    flags.opt("--kube-context", o.kube_context, "Context of the kubeconfig").value("NAME");
    flags.opt("--kube-namespace", o.kube_namespace, "Namespace in the cluster").value("NAME");
    flags.flag("--protected", o.protect, "Ask before every change, and demand -C off a terminal");
    flags.flag("--use", o.use, "Make it the current context");
}

bool good_name(std::string_view name)
{
    constexpr std::size_t k_longest = 63;
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
               c == '_' || c == '.';
    };
    return !name.empty() && name.size() <= k_longest && std::ranges::all_of(name, fits) &&
           name.front() != '-';
}

Result<Report> add(App& app, const AddOptions& o)
{
    if (!good_name(o.name))
        return fail(ErrorKind::usage, fmt::format("bad context name '{}'", printable(o.name)),
                    "Use letters, digits, dots, dashes and underscores, at most 63.");
    TRY_ASSIGN(const Config* config, app.config());
    if (const Context* old = config->find(o.name); old != nullptr && old->line > 0)
        return fail(ErrorKind::usage,
                    fmt::format("context {} exists ({}:{})", o.name, config->file.string(), old->line),
                    fmt::format("Change it: conduitctl context set FIELD VALUE -C {}", o.name));
    const ConfigPlaces places = app.config_places();
    const std::vector<std::pair<std::string, std::string>> fields{
        {"system", o.system},
        {"orchestrator", o.orchestrator},
        {"dir", o.dir},
        {"kubernetes.context", o.kube_context},
        {"kubernetes.namespace", o.kube_namespace},
        {"guards.protected", o.protect ? "true" : ""}};
    for (const auto& [field, value] : fields)
        if (!value.empty())
            TRY(save_context_field(places, o.name, field, value));
    if (o.use)
        TRY(save_current_context(places, o.name));
    Report report;
    report.data = Json{{"name", o.name}, {"changed", true}, {"current", o.use}};
    report.text = fmt::format("context {} added{}", o.name, o.use ? " and made current" : "");
    report.next = {fmt::format("conduitctl context check {}", o.name)};
    return report;
}

Result<Report> rm(App& app, const NameOptions& o)
{
    TRY_ASSIGN(const Config* config, app.config());
    if (config->current_context == o.name && o.name != "local")
        return fail(ErrorKind::refused, fmt::format("{} is the current context", o.name),
                    "Choose another first: conduitctl context use NAME");
    TRY(remove_context(app.config_places(), o.name));
    Report report;
    report.data = Json{{"name", o.name}, {"changed", true}};
    report.text = fmt::format("context {} removed", o.name);
    return report;
}

Result<Report> check(App& app, const NameOptions& o)
{
    TRY_ASSIGN(const Context* context, chosen(app, o.name));
    const auto checks = check_context(app, *context);
    if (app.cancel().requested())
        return fail(ErrorKind::interrupted, "interrupted before every check was made");
    return checks_report(checks);
}

std::vector<Omitted> file_only()
{
    return contacts_nothing();
}

std::vector<Omitted> new_name()
{
    auto omitted = file_only();
    omitted.push_back({ErrorKind::not_found, "names what is not there yet"});
    return omitted;
}

} // namespace

Noun context()
{
    Noun noun{.name = "context", .summary = "The systems this program can act on", .group = Group::where};
    noun.verbs.push_back(verb({.name = "ls",
                               .summary = "List the contexts",
                               .examples = {"conduitctl context ls", "conduitctl context ls -o name"},
                               .omitted = file_only()},
                              ls));
    noun.verbs.push_back(verb<NameOptions>({.name = "use",
                                            .summary = "Choose the current context",
                                            .effect = Effect::local,
                                            .examples = {"conduitctl context use prod"},
                                            .omitted = file_only()},
                                           name_flags, use));
    noun.verbs.push_back(
        verb<NameOptions>({.name = "show",
                           .summary = "Show one context; secrets as references",
                           .examples = {"conduitctl context show", "conduitctl context show prod"},
                           .omitted = file_only()},
                          optional_name_flags, show));
    noun.verbs.push_back(
        verb<SetOptions>({.name = "set",
                          .summary = "Change a field of the chosen context (-C)",
                          .effect = Effect::local,
                          .text = "The file is checked before it is written, and its comments stay.",
                          .examples = {"conduitctl context set guards.min_replicas 3 -C prod",
                                       "conduitctl context set agent.token file:~/.conduit-token",
                                       "conduitctl context set prometheus.url --unset"},
                          .omitted = file_only()},
                         set_flags, set));
    noun.verbs.push_back(
        verb<AddOptions>({.name = "add",
                          .summary = "Add a context",
                          .effect = Effect::local,
                          .examples = {"conduitctl context add prod --orchestrator kubernetes "
                                       "--kube-context eks-1 --kube-namespace production --protected"},
                          .omitted = new_name()},
                         add_flags, add));
    noun.verbs.push_back(verb<NameOptions>({.name = "rm",
                                            .summary = "Remove a context from the configuration",
                                            .effect = Effect::local,
                                            .examples = {"conduitctl context rm old"},
                                            .also = {ErrorKind::refused},
                                            .omitted = file_only()},
                                           name_flags, rm));
    noun.verbs.push_back(
        verb<NameOptions>({.name = "check",
                           .summary = "Check that a context is complete and answers",
                           .examples = {"conduitctl context check", "conduitctl context check prod"},
                           .also = {ErrorKind::breached},
                           .omitted = {{ErrorKind::unreachable, "a finding of the check: 13"},
                                       {ErrorKind::unknown, "a finding of the check: 13"}}},
                          optional_name_flags, check));
    return noun;
}

} // namespace conduit::commands
