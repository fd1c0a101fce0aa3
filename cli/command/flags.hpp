// SPDX-License-Identifier: Apache-2.0
// The flags and arguments of one verb, declared as data. A verb writes one function
//
//     void disable_flags(Flags& flags, DisableOptions& o)
//     {
//         flags.arg("PROVIDER", o.provider, "Provider to take out").complete(k_providers);
//         flags.opt("--drain", o.drain, "Wait this long for requests in flight");
//         flags.flag("--all", o.all, "All but the last one");
//         change_flags(flags, o.change);
//     }
//
// The default of a flag is the initializer of the struct's member. From this list come the parser, --help,
// the man page, completion and `commands -o json`. Texts are literals; help has no full stop at its end.
#pragma once

#include "core/duration.hpp"
#include "core/fs.hpp"
#include "core/result.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace conduit {

class App;

namespace ops {
struct ChangeOptions;
}

struct ByteCount { // a size: "512Mi"
    std::uint64_t value = 0;
    bool operator==(const ByteCount&) const = default;
};
struct Ratio { // a share: "20%" or "0.2"
    double value = 0;
    bool operator==(const Ratio&) const = default;
};

struct Candidate { // one proposal of completion
    std::string value;
    std::string description;
};

// What the shell is told about a word. live: fetch asks a backend, so its answer is cached under key (per
// context), refreshed in the background and given up after 250 ms. Not live: fetch reads local files only and
// is called directly. words: the command line before the word that is completed.
struct Completer {
    std::string_view key; // "providers"
    Result<std::vector<Candidate>> (*fetch)(App& app, std::span<const std::string> words) = nullptr;
    bool live = true;
    bool by_words = false; // fetch looks at words: what it finds is kept for each line apart
};

struct Choice { // one of a fixed list
    std::vector<std::string> names;
    std::function<void(std::size_t)> set;
    std::function<std::string()> get;
};

using FlagTarget =
    std::variant<bool*, int*, std::int64_t*, double*, std::string*, fs::path*, Duration*, ByteCount*, Ratio*,
                 Rate*, std::vector<std::string>*, std::optional<bool>*, std::optional<int>*,
                 std::optional<std::int64_t>*, std::optional<double>*, std::optional<std::string>*,
                 std::optional<Duration>*, std::optional<ByteCount>*, std::optional<Ratio>*,
                 std::optional<Rate>*, Choice>;

template <class T>
concept FlagValue = requires(T* pointer) { FlagTarget{pointer}; } && !std::same_as<T, Choice>;

struct Flag {
    enum class Kind { flag, option, argument, rest };
    Kind kind = Kind::flag;
    std::string_view name;       // "--for"; of an argument "PROVIDER"
    std::string_view short_name; // "-y" or ""
    std::string_view help;
    std::string_view value_name; // "DUR"; "" for a switch
    std::string_view env;        // read when the flag is absent
    std::string_view implied;    // the value of a flag that may stand without one
    std::string default_text;    // how the initializer is shown; "" when there is nothing to show
    FlagTarget target;
    Completer completer;
    std::optional<std::pair<double, double>> range;
    bool is_required = false;
    bool is_hidden = false;

    bool takes_value() const { return kind != Kind::flag; }
    bool many() const { return std::holds_alternative<std::vector<std::string>*>(target); }

    Flag& value(std::string_view text); // another name for the value than the type's own
    Flag& from_env(std::string_view variable);
    Flag& implies(std::string_view value); // --drain alone means --drain=30s
    Flag& complete(const Completer& with);
    Flag& between(double low, double high); // numbers only; usage error outside
    Flag& required();                       // arguments are, unless optional() says otherwise
    Flag& optional();
    Flag& hidden();
};

class Flags {
  public:
    // --name or "--name,-n"; a switch without a value.
    Flag& flag(std::string_view names, bool& value, std::string_view help);
    // --name VALUE; a vector may be given several times.
    template <FlagValue T> Flag& opt(std::string_view names, T& value, std::string_view help)
    {
        return add(Flag::Kind::option, names, FlagTarget{&value}, help);
    }
    // One of a fixed list; the member is a string, or (second form) an enumeration.
    Flag& choice(std::string_view names, std::string& value, std::vector<std::string> choices,
                 std::string_view help);
    template <class E>
        requires std::is_enum_v<E>
    Flag& choice(std::string_view names, E& value, const std::vector<std::pair<std::string, E>>& choices,
                 std::string_view help);
    // A positional argument, required unless .optional(). "STATE" may also be a fixed list: arg_choice.
    template <FlagValue T> Flag& arg(std::string_view name, T& value, std::string_view help)
    {
        return add(Flag::Kind::argument, name, FlagTarget{&value}, help).required();
    }
    Flag& arg_choice(std::string_view name, std::string& value, std::vector<std::string> choices,
                     std::string_view help);
    // All remaining words (after "--" untouched): for lists of names and for exec's command. None is fine.
    Flag& rest(std::string_view name, std::vector<std::string>& value, std::string_view help);

    const std::deque<Flag>& all() const { return flags_; }
    const Flag* find(std::string_view name) const; // by --long, -s or ARGUMENT name

  private:
    Flag& add(Flag::Kind kind, std::string_view names, FlagTarget target, std::string_view help);
    std::deque<Flag> flags_; // stable addresses, for the builder calls
};

// --dry-run --check --plan-out --plan --yes --confirm --reason --for --no-wait --incident --force. Each verb
// of effect change or destroy has `ops::ChangeOptions change;` in its options and calls this last.
void change_flags(Flags& flags, ops::ChangeOptions& change);

// Puts the words into the flag's target. A usage error names the flag, the value and what was expected.
Result<> assign(const Flag& flag, std::span<const std::string> words);
std::string_view
type_name(const Flag& flag); // "duration", "size", "text", ... as `commands -o json` shows it
std::vector<std::string> choices(const Flag& flag); // empty unless a fixed list

template <class E>
    requires std::is_enum_v<E>
Flag& Flags::choice(std::string_view names, E& value, const std::vector<std::pair<std::string, E>>& choices,
                    std::string_view help)
{
    Choice choice;
    for (const auto& [name, unused] : choices)
        choice.names.push_back(name);
    choice.set = [&value, choices](std::size_t index) { value = choices[index].second; };
    choice.get = [&value, choices] {
        for (const auto& [name, candidate] : choices)
            if (candidate == value)
                return name;
        return std::string{};
    };
    return add(Flag::Kind::option, names, FlagTarget{std::move(choice)}, help);
}

} // namespace conduit
