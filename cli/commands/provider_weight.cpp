// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/provider.hpp"
#include "cli/targets/control_target.hpp"
#include "core/text.hpp"

#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct Weights {
    std::vector<std::string> names;
    std::vector<double> now;      // weight of an enabled provider, 0 of a disabled one
    std::vector<double> declared; // whatever the state
};

Result<Weights> read_weights(App& app)
{
    TRY_ASSIGN(const auto body, get(app, "/admin/v1/providers"));
    Weights w;
    for (const auto& item : (*body)["items"]) {
        w.names.push_back(json_string_or(item, "name", ""));
        w.declared.push_back(json_number_or(item, "weight", 0));
        w.now.push_back(json_bool_or(item, "enabled", true) ? w.declared.back() : 0);
    }
    return w;
}

Result<Report> write_weights(App& app, const Weights& before, const std::vector<double>& after,
                             std::string verb, const ops::ChangeOptions& options)
{
    ControlChange change;
    change.verb = std::move(verb);
    change.scope = "providers";
    change.resource = "providers";
    std::vector<std::string> shown;
    std::vector<double> effective = before.now;
    for (std::size_t i = 0; i < before.names.size(); ++i) {
        if (before.now[i] > 0 || before.declared[i] == 0)
            effective[i] = after[i];
        if (after[i] == before.declared[i])
            continue;
        change.fields.emplace_back(provider_path(before.names[i], "weight"),
                                   Json(static_cast<int>(after[i])));
        shown.push_back(fmt::format("{} {:.0f} → {:.0f}", before.names[i], before.declared[i], after[i]));
    }
    change.summary = "weights: " + (shown.empty() ? std::string("as they are") : join(shown, ", "));
    change.shown = join(shown, "   ");
    change.lines = {{"traffic", traffic_line(before.names, before.now, effective)}};
    change.watch = "conduitctl provider ls --watch";
    if (change.fields.empty())
        for (std::size_t i = 0; i < before.names.size(); ++i)
            change.fields.emplace_back(provider_path(before.names[i], "weight"),
                                       Json(static_cast<int>(after[i])));
    return change_control(app, std::move(change), options);
}

struct WeightOptions {
    std::vector<std::string> pairs;
    ops::ChangeOptions change;
};

void weight_flags(Flags& flags, WeightOptions& o)
{
    flags.rest("PROVIDER=WEIGHT", o.pairs, "New weights, 0 to 1000; the others keep theirs")
        .complete(k_providers);
    change_flags(flags, o.change);
}

Result<int> parse_weight(std::string_view text)
{
    int value = -1;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || ec != std::errc{} || end != text.data() + text.size() || value < 0 || value > 1000)
        return fail(ErrorKind::usage, fmt::format("'{}' is not a weight", printable(text)),
                    "Give a whole number from 0 to 1000.");
    return value;
}

Result<Report> weight(App& app, const WeightOptions& o)
{
    if (o.pairs.empty())
        return fail(ErrorKind::usage, "no weight is given",
                    "Name them: conduitctl provider weight openai=50 google=40 aws=10");
    std::map<std::string, int> wanted;
    for (const auto& pair : o.pairs) {
        const auto equals = pair.find('=');
        if (equals == std::string::npos)
            return fail(ErrorKind::usage, fmt::format("'{}' is not PROVIDER=WEIGHT", printable(pair)),
                        "Write it as openai=50.");
        TRY_ASSIGN(const int value, parse_weight(std::string_view(pair).substr(equals + 1)));
        if (!wanted.emplace(pair.substr(0, equals), value).second)
            return fail(ErrorKind::usage,
                        fmt::format("'{}' is given twice", printable(pair.substr(0, equals))));
    }
    TRY_ASSIGN(const auto before, read_weights(app));
    auto after = before.declared;
    for (const auto& [name, value] : wanted) {
        const auto found = std::ranges::find(before.names, name);
        if (found == before.names.end())
            return fail(ErrorKind::not_found, unknown_name("provider", name, before.names),
                        "List them: conduitctl provider ls");
        after[static_cast<std::size_t>(found - before.names.begin())] = value;
    }
    return write_weights(app, before, after, "provider weight", o.change);
}

struct RedistributeOptions {
    std::string exclude;
    ops::ChangeOptions change;
};

void redistribute_flags(Flags& flags, RedistributeOptions& o)
{
    flags.opt("--exclude", o.exclude, "Provider that is to get nothing")
        .value("PROVIDER")
        .required()
        .complete(k_providers);
    change_flags(flags, o.change);
}

Result<Report> redistribute(App& app, const RedistributeOptions& o)
{
    TRY(provider_item(app, o.exclude));
    TRY_ASSIGN(const auto before, read_weights(app));
    auto receivers = before.now;
    for (std::size_t i = 0; i < before.names.size(); ++i)
        if (before.names[i] == o.exclude)
            receivers[i] = 0;
    const auto shares = normalised(receivers);
    std::vector<double> after = before.declared;
    double total = 0;
    for (std::size_t i = 0; i < after.size(); ++i) {
        if (before.names[i] == o.exclude)
            after[i] = 0;
        else if (receivers[i] > 0)
            after[i] = shares[i];
        total += receivers[i];
    }
    if (total <= 0)
        return fail(ErrorKind::refused, fmt::format("nobody is left to take the traffic of {}", o.exclude),
                    "Enable another provider first: conduitctl provider ls");
    return write_weights(app, before, after, "provider redistribute", o.change);
}

} // namespace

std::vector<Verb> provider_weight_verbs()
{
    std::vector<Verb> verbs;
    verbs.push_back(verb<WeightOptions>(
        {.name = "weight",
         .summary = "Change the providers' shares of the traffic",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::exact,
         .text = "All weights named in one call change at once, in one revision.",
         .examples = {"conduitctl provider weight openai=50 google=40 aws=10",
                      "conduitctl provider weight openai=50 --for 1h --reason \"high latency\""},
         .covers = {"A-prov-weights-1", "A-prov-weights-2", "A-prov-weights-3", "A-prov-weights-4"},
         .backends = {"agent"}},
        weight_flags, weight));
    verbs.push_back(verb<RedistributeOptions>(
        {.name = "redistribute",
         .summary = "Give a provider's share to the others",
         .effect = Effect::change,
         .tier = Tier::moderate,
         .undo = Undo::exact,
         .text = "The excluded provider gets weight 0; the enabled others keep their proportions and sum to "
                 "100. It "
                 "stays a last resort when every other one fails; provider disable takes that away too.",
         .examples = {"conduitctl provider redistribute --exclude openai --for 4h"},
         .covers = {"A-em-prov-2", "A-ts-err-7"},
         .backends = {"agent"}},
        redistribute_flags, redistribute));
    return verbs;
}

} // namespace conduit::commands
