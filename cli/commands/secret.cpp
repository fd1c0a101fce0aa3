// SPDX-License-Identifier: Apache-2.0
// `secret`: what secrets there are and who reads them, never what they say.
#include "cli/commands/all.hpp"
#include "cli/commands/config_maps.hpp"
#include "cli/commands/support.hpp"
#include "cli/orchestrator/settings.hpp"
#include "cli/targets/settings_target.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <set>

namespace conduit::commands {
namespace {

constexpr std::size_t k_largest = 1U << 20U;

std::vector<std::string> readers(const std::vector<SettingUse>& uses, const std::string& secret)
{
    std::set<std::string> names;
    for (const auto& use : uses)
        if (use.kind == SettingKind::secret && use.object == secret)
            names.insert(use.workload);
    return {names.begin(), names.end()};
}

Json time_json(const std::optional<WallTime>& time)
{
    return time ? Json(format_time(*time)) : Json();
}

// Who reads them may be hidden from who may see them.
struct Uses {
    std::vector<SettingUse> all;
    bool known = true;
    std::string note;
};

Uses uses_of(App& app, ServiceSettings& settings)
{
    auto uses = settings.uses(app.deadline(k_read_timeout));
    if (uses)
        return {.all = *std::move(uses), .note = {}};
    return {.all = {}, .known = false, .note = "who reads them is not known: " + uses.error().message};
}

Result<Report> list(App& app)
{
    TRY_ASSIGN(ServiceSettings * settings, app.settings());
    TRY_ASSIGN(const auto secrets, settings->secrets(app.deadline(k_read_timeout)));
    const auto uses = uses_of(app, *settings);
    Json items = Json::array();
    for (const auto& secret : secrets) {
        const auto names = readers(uses.all, secret.name);
        Json item{{"name", secret.name},
                  {"type", secret.type},
                  {"mark", secret.mark.empty() ? Json() : Json(secret.mark)},
                  {"keys", secret.keys.size()},
                  {"immutable", secret.immutable}};
        item["used_by"] = uses.known ? Json(names) : Json();
        item["readers"] = names.empty() ? "-" : join(names, ",");
        item["created_at"] = time_json(secret.created);
        items.push_back(std::move(item));
    }
    using enum Column::Format;
    auto report =
        list_report(std::move(items),
                    {{.head = "NAME", .field = "name"},
                     {.head = "TYPE", .field = "type"},
                     {.head = "KEYS", .field = "keys", .format = integer, .align = Column::Align::right},
                     {.head = "USED-BY", .field = "readers"},
                     {.head = "MARK", .field = "mark", .wide_only = true},
                     {.head = "AGE", .field = "created_at", .format = age}});
    if (!uses.note.empty())
        report.notes = {uses.note};
    return report;
}

struct ShowOptions {
    std::string name;
};

// A reference to a key that the secret does not have: the container does not start, or runs without it.
std::vector<std::string> missing_keys(const SecretInfo& secret, const std::vector<SettingUse>& uses)
{
    std::vector<std::string> out;
    for (const auto& use : uses)
        if (use.kind == SettingKind::secret && use.object == secret.name)
            for (const auto& key : use.keys)
                if (std::ranges::find(secret.keys, key, &SecretKey::name) == secret.keys.end())
                    out.push_back(fmt::format("{} reads {}, which it does not hold", use_text(use), key));
    return out;
}

Result<Report> show(App& app, const ShowOptions& o)
{
    TRY_ASSIGN(ServiceSettings * settings, app.settings());
    TRY_ASSIGN(const auto secret, settings->secret(o.name, app.deadline(k_read_timeout)));
    const auto uses = uses_of(app, *settings);
    Json items = Json::array();
    for (const auto& key : secret.keys) {
        std::vector<std::string> names;
        for (const auto& use : uses.all)
            if (use.kind == SettingKind::secret && use.object == secret.name && reads_key(use, key.name))
                names.push_back(use_text(use));
        Json item{{"name", key.name}, {"length", key.length}, {"fingerprint", key.fingerprint}};
        item["used_by"] = uses.known ? Json(names) : Json();
        item["readers"] = names.empty() ? "-" : join(names, ", ");
        items.push_back(std::move(item));
    }
    using enum Column::Format;
    auto report =
        list_report(std::move(items),
                    {{.head = "KEY", .field = "name"},
                     {.head = "LENGTH", .field = "length", .format = integer, .align = Column::Align::right},
                     {.head = "FINGERPRINT", .field = "fingerprint"},
                     {.head = "USED-BY", .field = "readers"}});
    report.data->update({{"name", secret.name},
                         {"type", secret.type},
                         {"mark", secret.mark.empty() ? Json() : Json(secret.mark)},
                         {"immutable", secret.immutable},
                         {"in_clear", secret.in_clear},
                         {"created_at", time_json(secret.created)}});
    report.notes = missing_keys(secret, uses.all);
    report.notes.insert(report.notes.begin(), fmt::format("{} of type {}{}{}", secret.name, secret.type,
                                                          secret.mark.empty() ? "" : ", ", secret.mark));
    if (secret.in_clear)
        report.notes.emplace_back(
            "an annotation of kubectl apply shows its values to everybody who may read it");
    if (!uses.note.empty())
        report.notes.push_back(uses.note);
    return report;
}

struct SetOptions {
    std::string name;
    std::string key;
    std::string file;
    std::string command;
    bool from_stdin = false;
    bool create = false;
    RestartFlags restart;
    ops::ChangeOptions change;
};

Result<Secret> read_value(App& app, const SetOptions& o)
{
    if ((o.file.empty() ? 0 : 1) + (o.command.empty() ? 0 : 1) + (o.from_stdin ? 1 : 0) > 1)
        return fail(ErrorKind::usage, "a value comes from one place",
                    "Give one of --from-file, --from-stdin and --from-command.");
    if (!o.file.empty())
        return app.secret({SecretRef::Source::file, o.file});
    if (!o.command.empty())
        return app.secret({SecretRef::Source::command, o.command});
    if (!o.from_stdin && app.console().can_ask() && !app.global().no_input)
        return app.console().read_secret(fmt::format("Value of {} in {}: ", o.key, o.name));
    if (!o.from_stdin)
        return fail(ErrorKind::usage, fmt::format("no value for {} is given", o.key),
                    "Give one of --from-file, --from-stdin and --from-command; never the value itself.");
    TRY_ASSIGN(auto text, app.console().read_stdin(k_largest));
    if (text.ends_with('\n'))
        text.pop_back();
    if (text.ends_with('\r'))
        text.pop_back();
    return Secret(std::move(text));
}

Result<> check_target(const Result<SecretInfo>& secret, const SetOptions& o)
{
    const bool absent = !secret && secret.error().kind == ErrorKind::not_found;
    if (!secret && !(absent && o.create))
        return secret.error();
    if (!secret)
        return {};
    if (!secret->mark.empty())
        return fail(ErrorKind::refused, fmt::format("secret {} is kept by others ({})", o.name, secret->mark),
                    "Change it where it is made.");
    if (secret->immutable)
        return fail(ErrorKind::refused, fmt::format("secret {} is immutable", o.name),
                    "Make one of another name, and let the workloads name that one.");
    return {};
}

std::string brief(const SecretKey* key)
{
    return key == nullptr ? "-" : fmt::format("{} characters, {}", key->length, key->fingerprint);
}

Result<Report> set(App& app, const SetOptions& o)
{
    TRY_ASSIGN(ServiceSettings * settings, app.settings());
    const auto secret = settings->secret(o.name, app.deadline(k_read_timeout));
    TRY(check_target(secret, o));
    TRY_ASSIGN(auto value, read_value(app, o));
    if (value.empty())
        return fail(ErrorKind::usage, fmt::format("the value for {} is empty", o.key));
    const SecretKey* before = nullptr;
    if (secret)
        for (const auto& key : secret->keys)
            before = key.name == o.key ? &key : before;
    TRY_ASSIGN(SettingsTarget * target, settings_target(app));
    const auto digest = settings->digest_of(o.name, o.key, value.reveal());
    SettingsChange change;
    change.verb = "secret set";
    change.resource = "secret/" + o.name;
    change.confirm_name = o.name;
    change.summary = fmt::format("set {} in secret {}", o.key, o.name);
    change.fields.push_back({.path = fmt::format("secrets/{}/{}", o.name, o.key),
                             .after = Json(digest),
                             .shown = fmt::format("{} → {} characters", brief(before), value.size())});
    target->stage(digest, std::move(value));
    return change_settings(app, std::move(change), o.restart, o.change);
}

void set_flags(Flags& f, SetOptions& o)
{
    f.arg("NAME", o.name, "The secret");
    f.arg("KEY", o.key, "Key in it");
    f.opt("--from-file", o.file, "Read the value from this file, 0600").value("FILE");
    f.flag("--from-stdin", o.from_stdin, "Read the value from standard input");
    f.opt("--from-command", o.command, "Read the value from what this prints").value("COMMAND");
    f.flag("--create", o.create, "Make the secret when it is not there");
    restart_flags(f, o.restart);
    change_flags(f, o.change);
}

} // namespace

Noun secret()
{
    return {
        .name = "secret",
        .summary = "Secrets: what there is, never what they say",
        .group = Group::trust,
        .verbs = {
            verb({.name = "ls",
                  .summary = "List secrets, their type, age and readers",
                  .text = "Those that are kept by others (tokens of service accounts, releases of Helm) are "
                          "marked in -o wide.",
                  .examples = {"conduitctl secret ls", "conduitctl secret ls -o wide"},
                  .backends = {"kubernetes"}},
                 list),
            verb<ShowOptions>(
                {.name = "show",
                 .summary = "Show a secret's keys with length and fingerprint",
                 .text = "A fingerprint is salted with what only this operator has: it says whether two "
                         "values are equal, and nothing to somebody who reads the screen.",
                 .examples = {"conduitctl secret show audio-service-secrets"},
                 .covers = {"C-rb-tts-8", "C-secret-1", "C-env-1"},
                 .backends = {"kubernetes"}},
                [](Flags& f, ShowOptions& o) { f.arg("NAME", o.name, "The secret"); }, show),
            verb<SetOptions>(
                {.name = "set",
                 .summary = "Write one key of a secret",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::exact,
                 .text =
                     "The value is never given in the command line and never recorded: the journal has "
                     "a digest. What it replaces stays in the cluster, in the secret NAME.conduit-previous, "
                     "so that undo can put it back.\n\n"
                     "Who reads a secret as an environment variable has the old value until it is started "
                     "anew: without --restart the verdict is unverified (11) and says who that is.",
                 .examples = {"conduitctl secret set audio-service-secrets OPENAI_API_KEY --from-stdin",
                              "conduitctl secret set audio-service-secrets REDIS_PASSWORD --from-file "
                              "~/redis.pass --restart"},
                 .covers = {"C-secret-2", "C-secret-3"},
                 .backends = {"kubernetes"}},
                set_flags, set),
        }};
}

} // namespace conduit::commands
