// SPDX-License-Identifier: Apache-2.0
#include "cli/app/complete.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit {
namespace {

using Words = std::span<const std::string>;

Result<std::vector<Candidate>> context_names(App& app, Words)
{
    TRY_ASSIGN(const Config* config, app.config());
    std::vector<Candidate> names;
    for (const Context& context : config->contexts)
        names.push_back(
            {context.name, fmt::format("{}, {}", context.system, orchestrator_name(context.orchestrator))});
    return names;
}

std::vector<Candidate> starting_with(std::vector<Candidate> candidates, std::string_view prefix)
{
    std::erase_if(candidates,
                  [&](const Candidate& candidate) { return !candidate.value.starts_with(prefix); });
    return candidates;
}

Completion values_of(App& app, const Flag& flag, Words words, std::string_view prefix)
{
    // The parser's folder knows no configuration, so the one global flag that needs it is completed here.
    const Completer completer = flag.name == "--context" ? context_completer() : flag.completer;
    if (const auto listed = choices(flag); !listed.empty()) {
        Completion done;
        for (const std::string& choice : listed)
            done.candidates.push_back({choice, {}});
        done.candidates = starting_with(std::move(done.candidates), prefix);
        return done;
    }
    if (completer.fetch != nullptr) {
        std::vector<Candidate> found;
        if (completer.live)
            found = live_candidates(app, completer, words);
        else if (auto fetched = completer.fetch(app, words))
            found = *std::move(fetched);
        Completion done{.candidates = starting_with(std::move(found), prefix)};
        if (done.candidates.size() == 1 && done.candidates.front().value.ends_with('='))
            done.bits |= k_bits_no_space;
        return done;
    }
    const bool path = flag.value_name == "FILE" || type_name(flag) == "path";
    if (path || flag.value_name == "DIR")
        return {.bits = flag.value_name == "DIR" ? k_bits_dirs : k_bits_none};
    return {};
}

// What stands on the line before the word: the verb with its flags, the flags given, how many arguments.
class Line {
  public:
    Line(App& app, Words words) : app_(app), words_(words), found_(dispatch(app.registry(), words))
    {
        global_flags(globals_, global_, output_);
        if (found_.verb != nullptr)
            bound_ = found_.verb->bind();
        scan();
        app_.set_global(global_);
    }

    Completion complete(const std::string& word)
    {
        if (pending_ != nullptr)
            return not_given_yet(*pending_, values_of(app_, *pending_, words_, word));
        if (!after_mark_ && word.starts_with("-")) {
            const auto equals = word.find('=');
            if (equals != std::string::npos)
                return flag_value(word, equals);
            return flags(word);
        }
        if (found_.noun == nullptr)
            return nouns(word);
        Completion verbs = found_.help ? Completion{} : this->verbs(word);
        if (bound_ == nullptr || !verbs.candidates.empty())
            return verbs;
        return argument(word);
    }

  private:
    const Flag* find(std::string_view name) const
    {
        const Flag* flag = bound_ == nullptr ? nullptr : bound_->flags().find(name);
        return flag != nullptr ? flag : globals_.find(name);
    }

    void scan()
    {
        for (std::size_t i = 0; i < found_.rest.size(); ++i) {
            const std::string& word = found_.rest[i];
            if (after_mark_ || word.size() < 2 || word.front() != '-') {
                ++arguments_;
            } else if (word == "--") {
                after_mark_ = true;
            } else {
                const auto equals = word.find('=');
                const Flag* flag = find(std::string_view(word).substr(0, equals));
                given_.push_back(word.substr(0, equals));
                if (flag == nullptr || !flag->takes_value() || equals != std::string::npos ||
                    stands_alone(*flag, i + 1))
                    continue;
                if (i + 1 == found_.rest.size())
                    pending_ = flag;
                else if (flag->name == "--context" || flag->name == "--namespace" || flag->name == "--config")
                    (void)assign(*flag, std::span(&found_.rest[++i], 1)).has_value();
                else
                    ++i;
            }
        }
    }

    // A flag that needs no value takes the next word only if that can be one.
    bool stands_alone(const Flag& flag, std::size_t next) const
    {
        return !flag.implied.empty() && (next == found_.rest.size() || found_.rest[next].empty() ||
                                         found_.rest[next][0] < '0' || found_.rest[next][0] > '9');
    }

    Completion nouns(const std::string& word) const
    {
        Completion done;
        if (!found_.unmatched.empty())
            return done;
        for (const Noun& noun : app_.registry())
            if (!noun.hidden && noun.name.starts_with(word))
                done.candidates.push_back({std::string(noun.name), std::string(noun.summary)});
        return done;
    }

    // Verbs may have several words: what stands already is cut off, and each next word is offered once.
    Completion verbs(const std::string& word) const
    {
        Completion done;
        std::string typed;
        for (const std::string& rest : found_.verb == nullptr ? found_.rest : std::vector<std::string>{})
            if (!rest.starts_with('-'))
                typed += rest + " ";
        const bool open = found_.verb == nullptr || (found_.verb->doc.name.empty() && arguments_ == 0);
        if (!open)
            return done;
        for (const Verb& verb : found_.noun->verbs) {
            if (verb.doc.hidden || !verb.doc.name.starts_with(typed) || verb.doc.name.empty())
                continue;
            const std::string_view left = verb.doc.name.substr(typed.size());
            const std::string next(left.substr(0, left.find(' ')));
            if (next.starts_with(word) &&
                std::ranges::find(done.candidates, next, &Candidate::value) == done.candidates.end())
                done.candidates.push_back({next, std::string(verb.doc.summary)});
        }
        return done;
    }

    Completion flags(const std::string& word) const
    {
        Completion done;
        const auto add = [&](const Flags& list) {
            for (const Flag& flag : list.all()) {
                const bool named = flag.kind == Flag::Kind::flag || flag.kind == Flag::Kind::option;
                const auto is_given = [&](const std::string& name) {
                    return name == flag.name || (!flag.short_name.empty() && name == flag.short_name);
                };
                if (!named || flag.is_hidden || (!flag.many() && std::ranges::any_of(given_, is_given)))
                    continue;
                if (flag.name.starts_with(word))
                    done.candidates.push_back({std::string(flag.name), std::string(flag.help)});
            }
        };
        if (bound_ != nullptr)
            add(bound_->flags());
        add(globals_);
        if (std::string_view("--help").starts_with(word))
            done.candidates.push_back({"--help", "Help of this command"});
        return done;
    }

    Completion flag_value(const std::string& word, std::size_t equals)
    {
        const Flag* flag = find(std::string_view(word).substr(0, equals));
        if (flag == nullptr || !flag->takes_value())
            return {};
        Completion done = values_of(app_, *flag, words_, std::string_view(word).substr(equals + 1));
        for (Candidate& candidate : done.candidates)
            candidate.value = word.substr(0, equals + 1) + candidate.value;
        return done;
    }

    Completion argument(const std::string& word)
    {
        std::size_t place = 0;
        for (const Flag& flag : bound_->flags().all()) {
            if (flag.kind == Flag::Kind::rest || (flag.kind == Flag::Kind::argument && place++ == arguments_))
                return not_given_yet(flag, values_of(app_, flag, words_, word));
        }
        return {};
    }

    // A list takes each name once: `provider test openai TAB` offers the others.
    Completion not_given_yet(const Flag& flag, Completion done) const
    {
        if (flag.many())
            std::erase_if(done.candidates, [&](const Candidate& candidate) {
                return std::ranges::any_of(found_.rest, [&](const std::string& word) {
                    return word.substr(0, word.find('=')) == candidate.value;
                });
            });
        return done;
    }

    App& app_;
    Words words_;
    Dispatch found_;
    std::unique_ptr<BoundVerb> bound_;
    GlobalOptions global_;
    std::string output_;
    Flags globals_;
    const Flag* pending_ = nullptr;
    std::vector<std::string> given_;
    std::size_t arguments_ = 0;
    bool after_mark_ = false;
};

} // namespace

Completer context_completer()
{
    return {.key = "contexts", .fetch = context_names, .live = false};
}

Completion complete(App& app, std::span<const std::string> words)
{
    if (words.empty())
        return {};
    GlobalOptions global;
    global.context = app.env_or("CONDUIT_CONTEXT", "");
    app.set_global(global);
    Line line(app, words.first(words.size() - 1));
    return line.complete(words.back());
}

std::string completion_text(const Completion& completion, bool descriptions)
{
    std::string text;
    for (const Candidate& candidate : completion.candidates) {
        text += printable(candidate.value);
        if (descriptions && !candidate.description.empty())
            text += "\t" + printable(candidate.description);
        text += '\n';
    }
    return text + fmt::format(":{}\n", completion.bits);
}

} // namespace conduit
