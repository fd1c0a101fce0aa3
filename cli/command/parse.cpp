// SPDX-License-Identifier: Apache-2.0
#include "cli/command/parse.hpp"

#include "cli/ops/change_options.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit {
namespace {

using Words = std::vector<std::string>;

// Walks words, keeps flags with their values together, and hands out the plain words.
class Walker {
  public:
    explicit Walker(std::span<const std::string> words) : words_(words)
    {
        std::string output;
        global_flags(globals_, global_, output);
    }
    // The place of the next plain word at or after from; npos at "--" or the end.
    std::size_t next_plain(std::size_t from) const
    {
        for (std::size_t i = from; i < words_.size(); ++i) {
            const std::string& word = words_[i];
            if (word == "--")
                return std::string::npos;
            if (word.size() < 2 || word.front() != '-')
                return i;
            const Flag* flag = globals_.find(word);
            if (flag != nullptr && flag->takes_value())
                ++i;
        }
        return std::string::npos;
    }

  private:
    std::span<const std::string> words_;
    GlobalOptions global_;
    Flags globals_;
};

std::size_t word_count(std::string_view name)
{
    return name.empty() ? 0 : 1 + static_cast<std::size_t>(std::ranges::count(name, ' '));
}

const Verb* longest_verb(const Noun& noun, const Words& plain)
{
    const Verb* best = nullptr;
    for (const Verb& verb : noun.verbs) {
        const std::size_t count = word_count(verb.doc.name);
        if (count > plain.size())
            continue;
        const std::string text = join(std::span(plain).first(count), " ");
        if (text == verb.doc.name && (best == nullptr || count > word_count(best->doc.name)))
            best = &verb;
    }
    return best;
}

bool take_help(Words& words)
{
    const auto mark = std::ranges::find(words, "--");
    const auto kept = std::remove_if(
        words.begin(), mark, [](const std::string& word) { return word == "--help" || word == "-h"; });
    const bool found = kept != mark;
    words.erase(kept, mark);
    return found;
}

Error unknown_noun(const Registry& registry, const std::string& word)
{
    Words names;
    for (const Noun& noun : registry)
        if (!noun.hidden)
            names.emplace_back(noun.name);
    return {ErrorKind::usage, unknown_name("command", word, names), "See: conduitctl --help"};
}

Error no_verb(const Noun& noun, const std::string& word)
{
    Words names;
    for (const Verb& verb : noun.verbs)
        if (!verb.doc.hidden)
            names.emplace_back(verb.doc.name);
    const std::string hint =
        fmt::format("One of: {}. See: conduitctl {} --help", join(names, ", "), noun.name);
    if (word.empty())
        return {ErrorKind::usage, fmt::format("'{}' needs a verb", noun.name), hint};
    return {ErrorKind::usage, unknown_name(fmt::format("'{}' verb", noun.name), word, names), hint};
}

Result<> check_change(const ops::ChangeOptions& change)
{
    if (change.force && change.reason.empty())
        return fail(ErrorKind::usage, "--force needs --reason", "Add: --reason TEXT");
    if (!change.plan_in.empty() && !change.plan_out.empty())
        return fail(ErrorKind::usage, "--plan and --plan-out exclude each other",
                    "Make the plan first, then run it with --plan FILE.");
    if (change.revert_after && *change.revert_after <= Duration::zero())
        return fail(ErrorKind::usage, "--for needs a duration above zero", "For example: --for 2h");
    return {};
}

} // namespace

Dispatch dispatch(const Registry& registry, std::span<const std::string> words)
{
    Dispatch result;
    Words all(words.begin(), words.end());
    result.help = take_help(all);
    const Walker walker(all);
    const std::size_t noun_at = walker.next_plain(0);
    if (noun_at == std::string::npos) {
        result.rest = std::move(all);
        return result;
    }
    result.noun = registry.find(all[noun_at]);
    if (result.noun == nullptr) {
        result.unmatched = all[noun_at];
        return result;
    }
    Words plain;
    std::vector<std::size_t> places;
    constexpr std::size_t k_most_words = 3;
    for (std::size_t at = walker.next_plain(noun_at + 1);
         at != std::string::npos && places.size() < k_most_words; at = walker.next_plain(at + 1)) {
        places.push_back(at);
        plain.push_back(all[at]);
    }
    result.verb = longest_verb(*result.noun, plain);
    if (result.verb == nullptr && !plain.empty())
        result.unmatched = plain.front();
    places.resize(result.verb == nullptr ? 0 : word_count(result.verb->doc.name));
    for (std::size_t i = 0; i < all.size(); ++i)
        if (i != noun_at && std::ranges::find(places, i) == places.end())
            result.rest.push_back(std::move(all[i]));
    return result;
}

Result<Invocation> parse_invocation(const Registry& registry, std::span<const std::string> words,
                                    const Environment& env)
{
    Dispatch found = dispatch(registry, words);
    if (found.noun == nullptr && !found.unmatched.empty())
        return std::unexpected(unknown_noun(registry, found.unmatched));
    Invocation invocation;
    invocation.noun = found.noun;
    invocation.verb = found.verb;
    Flags globals;
    std::string output;
    global_flags(globals, invocation.global, output);
    if (found.noun != nullptr && found.verb == nullptr && !(found.help && found.unmatched.empty()))
        return std::unexpected(no_verb(*found.noun, found.unmatched));
    if (found.verb == nullptr || found.help) {
        invocation.kind = Invocation::Kind::help;
        if (found.noun == nullptr)
            TRY(parse_flags(Flags{}, globals, found.rest, env, {}));
        return invocation;
    }
    invocation.bound = found.verb->bind();
    TRY_ASSIGN(const auto given, parse_flags(invocation.bound->flags(), globals, found.rest, env,
                                             command_path(*found.noun, *found.verb)));
    invocation.global.context_from_flag = given.contains("--context");
    if (!output.empty())
        TRY(parse_output(output, invocation.global));
    if (ops::ChangeOptions* change = invocation.bound->change(); change != nullptr) {
        TRY(check_change(*change));
        if (invocation.global.timeout)
            change->timeout = *invocation.global.timeout;
    }
    return invocation;
}

OutputFormat requested_output(std::span<const std::string> words)
{
    GlobalOptions global;
    for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
        std::string_view value;
        if ((words[i] == "-o" || words[i] == "--output") && i + 1 < words.size())
            value = words[i + 1];
        else if (words[i].starts_with("--output="))
            value = std::string_view(words[i]).substr(9);
        else if (words[i].starts_with("-o") && words[i].size() > 2)
            value = std::string_view(words[i]).substr(words[i][2] == '=' ? 3 : 2);
        if (!value.empty())
            (void)parse_output(value, global).has_value();
    }
    return global.output;
}

} // namespace conduit
