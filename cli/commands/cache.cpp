// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/all.hpp"
#include "cli/commands/cache_store.hpp"
#include "cli/commands/support.hpp"
#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

// What the replicas say of Redis behind their memory: "redis at cache:6379: up, 41 hits, 1.2 MiB used".
std::string shared_note(const std::string& replica, const Json& shared)
{
    const auto used = json_find(shared, "used_bytes");
    return fmt::format("{}: redis {} is {}, {} hits, {} misses{}", replica,
                       json_string_or(shared, "where", ""), json_string_or(shared, "status", "away"),
                       json_number_or(shared, "hits", 0), json_number_or(shared, "misses", 0),
                       used != nullptr && used->is_number_unsigned()
                           ? fmt::format(", the server uses {}", human_bytes(used->get<std::uint64_t>()))
                           : "");
}

Result<Report> stats(App& app)
{
    TRY_ASSIGN(const auto all, get_all(app, "/admin/v1/cache"));
    Json rows = Json::array();
    double hits = 0;
    double misses = 0;
    double size = 0;
    for (const auto& [replica, body] : all.bodies) {
        Json row = *body;
        row["name"] = replica;
        hits += json_number_or(row, "hits", 0);
        misses += json_number_or(row, "misses", 0);
        size += json_number_or(row, "bytes", 0);
        rows.push_back(std::move(row));
    }
    using enum Column::Format;
    const auto right = Column::Align::right;
    auto report = list_report(
        rows, {{.head = "REPLICA", .field = "name"},
               {.head = "ENTRIES", .field = "entries", .format = integer, .align = right},
               {.head = "SIZE", .field = "bytes", .format = Column::Format::bytes, .align = right},
               {.head = "LIMIT", .field = "max_bytes", .format = Column::Format::bytes, .align = right},
               {.head = "HIT-RATE", .field = "hit_rate", .format = percent, .align = right},
               {.head = "EVICTED", .field = "evictions", .format = integer, .align = right},
               {.head = "EXPIRED", .field = "expired", .format = integer, .align = right}});
    // No look-up yet is no data, not a hit rate of zero.
    (*report.data)["hit_rate"] = hits + misses > 0 ? Json(hits / (hits + misses)) : Json();
    (*report.data)["bytes"] = size;
    if (hits + misses == 0)
        report.notes.emplace_back("hit rate: no data yet, nothing was looked up");
    for (const auto& [replica, body] : all.bodies)
        if (const auto* shared = json_find(*body, "shared"); shared != nullptr && shared->is_object())
            report.notes.push_back(shared_note(replica, *shared));
    for (const auto& [replica, error] : all.failed)
        report.notes.push_back(fmt::format("{}: {}", replica, error.message));
    report.verdict = all.failed.empty() ? ErrorKind::ok : ErrorKind::unknown;
    return report;
}

// A clear is in force where its revision is, so a Redis that was not reached keeps dead entries, never live
// ones.
void note_shared_clear(App& app, std::int64_t epoch, Report& report)
{
    const auto all = get_all(app, "/admin/v1/cache");
    if (!all)
        return;
    for (const auto& [replica, body] : all->bodies) {
        const auto* shared = json_find(*body, "shared");
        const auto* last = shared == nullptr ? nullptr : json_find(*shared, "last_clear");
        if (last == nullptr || static_cast<std::int64_t>(json_number_or(*last, "epoch", -1)) != epoch)
            continue;
        const auto state = json_string_or(*last, "state", "");
        if (state == "not-reached")
            report.notes.push_back(fmt::format(
                "{}: redis was not reached ({}); what it keeps is given to nobody and expires by itself",
                replica, json_string_or(*last, "error", "no reason given")));
        else if (state == "running")
            report.notes.push_back(fmt::format("{}: the keys are being removed from redis", replica));
    }
}

struct KeysOptions {
    std::string prefix = "audio:";
    std::int64_t limit = 100;
};

Result<Report> keys(App& app, const KeysOptions& o)
{
    TRY_ASSIGN(const auto body,
               get(app, "/admin/v1/cache/keys", {{"prefix", o.prefix}, {"limit", std::to_string(o.limit)}}));
    using enum Column::Format;
    const auto right = Column::Align::right;
    auto report =
        list_report((*body)["items"],
                    {{.head = "KEY", .field = "key"},
                     {.head = "SIZE", .field = "bytes", .format = bytes, .align = right},
                     {.head = "EXPIRES-IN", .field = "expires_in_ms", .format = milliseconds, .align = right},
                     {.head = "HITS", .field = "hits", .format = integer, .align = right},
                     {.head = "PROVIDER", .field = "provider"},
                     {.head = "STORE", .field = "store"}});
    report.name_field = "key";
    return report;
}

struct ClearOptions : StoreClear {
    std::string store = "agents";
    ops::ChangeOptions change;
};

Result<Report> clear(App& app, const ClearOptions& o)
{
    if (o.store == "redis")
        return clear_store(app, o, o.change);
    if (o.all || !o.pattern.empty() || o.database || !o.allowed.empty() || o.rate)
        return fail(ErrorKind::usage, "--all, --pattern, --db, --allow and --rate are for a store itself",
                    "Name it: --store redis");
    // A prefix that is not literal or reaches beyond the audio cache would drop what is not ours (trap T04,
    // T05).
    if (!o.prefix.starts_with("audio:") || o.prefix.find_first_of("*?[]") != std::string::npos)
        return fail(
            ErrorKind::usage,
            fmt::format("'{}' is not a literal prefix of the audio cache", printable(o.prefix)),
            "Give one that begins with audio: and has no pattern in it, such as audio:tts:. Of another "
            "system's keys in Redis: conduitctl cache clear PREFIX --store redis");
    TRY_ASSIGN(const auto values, read_paths(app, {"cache/clear"}));
    TRY_ASSIGN(const auto sample, get(app, "/admin/v1/cache/keys", {{"prefix", o.prefix}, {"limit", "3"}}));
    std::vector<std::string> samples;
    for (const auto& item : (*sample)["items"])
        samples.push_back(json_string_or(item, "key", "").substr(0, 24) + "…");
    ControlChange change;
    change.verb = "cache clear";
    change.scope = "cache";
    change.resource = "cache";
    change.summary = fmt::format("drop every key that begins with {}", o.prefix);
    change.confirm_name = o.prefix;
    const auto epoch =
        static_cast<std::int64_t>(json_number_or(*values.at("cache/clear").effective, "epoch", 0)) + 1;
    change.fields = {{"cache/clear", Json{{"epoch", epoch}, {"prefix", o.prefix}}}};
    change.shown = fmt::format("keys {}* → gone", o.prefix);
    change.lines = {
        {"for instance", samples.empty() ? "no such key in this replica" : join(samples, " ")},
        {"afterwards", "requests are misses until the cache fills again, which costs money and time"}};
    change.verify = "every replica has dropped them";
    change.undo = "none: the answers are made anew when they are asked for";
    change.reversible = false;
    change.watch = "conduitctl cache stats";
    TRY_ASSIGN(auto report, change_control(app, std::move(change), o.change));
    note_shared_clear(app, epoch, report);
    return report;
}

struct WarmOptions {
    std::string from_file;
    std::string voice = "alloy";
    std::string model = "tts-1";
    std::string format = "mp3";
    std::int64_t most = 100;
};

// Each line of the file is one text. Spends the provider's money for what is not there yet, at most --most
// times.
Result<Report> warm(App& app, const WarmOptions& o)
{
    std::string text;
    if (o.from_file == "-") {
        TRY_ASSIGN(text, app.console().read_stdin(4U << 20U));
    } else {
        TRY_ASSIGN(text, read_file(o.from_file, 4U << 20U));
    }
    Json items = Json::array();
    for (const auto& line : split(text, '\n'))
        if (const auto input = trim(line); !input.empty())
            items.push_back(
                {{"model", o.model}, {"voice", o.voice}, {"input", input}, {"response_format", o.format}});
    if (items.empty())
        return fail(ErrorKind::usage, fmt::format("{} has no text", o.from_file), "Write one text a line.");
    if (items.size() > static_cast<std::size_t>(o.most))
        return fail(ErrorKind::refused, fmt::format("{} texts are more than --most {}", items.size(), o.most),
                    fmt::format("Allow that many: --most {}", items.size()));
    Report report;
    TRY_ASSIGN(report.data, post(app, "/admin/v1/cache/warm", Json{{"items", items}}, Duration{600'000}));
    report.verdict = json_number_or(*report.data, "failed", 0) > 0 ? ErrorKind::partial : ErrorKind::ok;
    return report;
}

struct TtlOptions {
    std::string kind;
    std::optional<Duration> ttl;
    ops::ChangeOptions change;
};

Result<Report> ttl(App& app, const TtlOptions& o)
{
    const auto path = "cache/ttl/" + o.kind;
    if (!o.ttl) {
        TRY_ASSIGN(const auto values, read_paths(app, {path}));
        Report report;
        report.data = Json{
            {"name", o.kind}, {"ttl", *values.at(path).effective}, {"override", *values.at(path).override_}};
        return report;
    }
    ControlChange change;
    change.verb = "cache ttl";
    change.scope = "cache";
    change.resource = "cache/ttl/" + o.kind;
    change.summary = fmt::format("keep {} answers for {}", o.kind, format_duration(*o.ttl));
    change.tier = ops::Tier::mild;
    change.fields = {{path, Json(format_duration(*o.ttl))}};
    return change_control(app, std::move(change), o.change);
}

struct SetOptions {
    std::optional<ByteCount> max_size;
    std::optional<bool> enabled;
    std::string state;
    ops::ChangeOptions change;
};

Result<Report> set(App& app, const SetOptions& o)
{
    ControlChange change;
    if (o.max_size)
        change.fields.emplace_back("cache/max_bytes", Json(o.max_size->value));
    if (!o.state.empty())
        change.fields.emplace_back("cache/enabled", Json(o.state == "on"));
    if (change.fields.empty())
        return fail(ErrorKind::usage, "nothing to set is given",
                    "Give a setting: conduitctl cache set --max-size 1Gi");
    change.verb = "cache set";
    change.scope = "cache";
    change.resource = "cache";
    change.summary = "settings of the cache";
    change.tier = ops::Tier::mild;
    return change_control(app, std::move(change), o.change);
}

} // namespace

Noun cache()
{
    return {
        .name = "cache",
        .summary = "The cache of speech and transcriptions",
        .group = Group::data_path,
        .verbs = {
            verb({.name = "stats",
                  .summary = "Show size and hit rate of every replica",
                  .examples = {"conduitctl cache stats", "conduitctl cache stats -o jsonpath={.hit_rate}"},
                  .covers = {"A-overview-4", "A-cache-mon-1"},
                  .backends = {"agent"}},
                 stats),
            verb<KeysOptions>(
                {.name = "keys",
                 .summary = "List keys of one replica's cache and of the shared one",
                 .examples = {"conduitctl cache keys --prefix audio:tts:"},
                 .backends = {"agent"}},
                [](Flags& f, KeysOptions& o) {
                    f.opt("--prefix", o.prefix, "Only keys that begin so");
                    f.opt("--limit", o.limit, "At most so many").between(1, 10'000);
                },
                keys),
            verb<ClearOptions>(
                {.name = "clear",
                 .summary = "Drop cached answers by prefix",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::none,
                 .text = "Of the agents: the prefix is literal and must begin with audio:, so that nothing "
                         "else can "
                         "be dropped. Every replica drops its own; it is done when all of them have.\n\n"
                         "Of a Redis (--store redis), for systems without our agents: the keys of every "
                         "master are "
                         "looked at in small pages and dropped by name, so that other clients hardly notice; "
                         "a second "
                         "look proves that none is left (11 when keys were written meanwhile, 10 when the "
                         "servers "
                         "kept some). The plan shows how many, and which for instance. It is severe, and "
                         "--all more "
                         "so: it needs the number of the database, and every prefix in it must be known as a "
                         "cache's.",
                 .examples =
                     {"conduitctl cache clear audio:tts: --yes",
                      "conduitctl cache clear cache: --store redis --confirm cache: --reason stale",
                      "conduitctl cache clear --all --db 0 --store redis --confirm db0 --reason corrupt"},
                 .omitted = {{ErrorKind::rolled_back, "it cannot be taken back: 10"}},
                 .covers = {"A-cache-clear-2", "C-rb-cache-6", "E-mem-cache-1", "E-mem-cache-2"},
                 .backends = {"agent", "redis"}},
                [](Flags& f, ClearOptions& o) {
                    f.arg("PREFIX", o.prefix, "Literal: audio:tts:, cache: or longer").optional();
                    f.choice("--store", o.store, {"agents", "redis"}, "Whose keys");
                    f.opt("--pattern", o.pattern, "Instead of a prefix, beginning with one: 'cache:*:tmp'");
                    f.flag("--all", o.all, "Every key of the database, which must hold nothing but caches");
                    f.opt("--db", o.database, "Another database than the context's").between(0, 1'000'000);
                    f.opt("--allow", o.allowed, "For --all: one more prefix that is a cache's");
                    f.opt("--rate", o.rate, "At most so many keys in a time: 50000/s");
                    change_flags(f, o.change);
                },
                clear),
            verb<WarmOptions>(
                {.name = "warm",
                 .summary = "Fill the cache with speech for a list of texts",
                 .examples = {"conduitctl cache warm --from-file phrases.txt --voice alloy"},
                 .also = {ErrorKind::partial, ErrorKind::refused},
                 .covers = {"E-perf-warm-1"},
                 .backends = {"agent"}},
                [](Flags& f, WarmOptions& o) {
                    f.opt("--from-file", o.from_file, "One text a line; - reads standard input").required();
                    f.opt("--voice", o.voice, "Voice to speak with");
                    f.opt("--model", o.model, "Speech model");
                    f.choice("--format", o.format, {"mp3", "opus", "aac", "flac", "wav", "pcm"},
                             "Audio format");
                    f.opt("--most", o.most, "Refuse a longer list: each text may cost money")
                        .between(1, 100'000);
                },
                warm),
            verb<TtlOptions>(
                {.name = "ttl",
                 .summary = "Show or change how long answers are kept",
                 .effect = Effect::change,
                 .tier = Tier::mild,
                 .undo = Undo::exact,
                 .examples = {"conduitctl cache ttl speech", "conduitctl cache ttl speech 2h"},
                 .covers = {"A-tune-cache-1", "A-tune-cache-2"},
                 .backends = {"agent"}},
                [](Flags& f, TtlOptions& o) {
                    f.arg_choice("KIND", o.kind, {"speech", "transcription"}, "Which answers");
                    f.arg("TTL", o.ttl, "How long from now on").optional();
                    change_flags(f, o.change);
                },
                ttl),
            verb<SetOptions>(
                {.name = "set",
                 .summary = "Change the cache's size, or turn it on or off",
                 .effect = Effect::change,
                 .tier = Tier::mild,
                 .undo = Undo::exact,
                 .examples = {"conduitctl cache set --max-size 1Gi"},
                 .covers = {"A-tune-cache-3"},
                 .backends = {"agent"}},
                [](Flags& f, SetOptions& o) {
                    f.opt("--max-size", o.max_size, "Memory for answers in each replica");
                    f.choice("--state", o.state, {"on", "off"}, "Use the cache or go past it");
                    change_flags(f, o.change);
                },
                set),
        }};
}

} // namespace conduit::commands
