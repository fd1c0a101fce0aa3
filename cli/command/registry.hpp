// SPDX-License-Identifier: Apache-2.0
// The registry: every command once, as data and a function. HOW A VERB IS WRITTEN
//
// 1. One file a noun, cli/commands/<noun>.cpp, with for each verb an options struct, a flags function and a
// run
//    function, and at the end the noun's table. What the verb *knows* lives in cli/ops, cli/orchestrator, ...
//
//        struct WeightOptions {
//            std::string provider;
//            int weight = 0;
//            ops::ChangeOptions change;               // effect change or destroy: always this member, this
//            name
//        };
//        void weight_flags(Flags& flags, WeightOptions& o)
//        {
//            flags.arg("PROVIDER", o.provider, "Provider to weigh").complete(k_providers);
//            flags.arg("WEIGHT", o.weight, "Share of the traffic").between(0, 1000);
//            change_flags(flags, o.change);
//        }
//        Result<Report> weight(App& app, const WeightOptions& o);   // never prints, never exits, reads no
//        environment
//
//        Noun provider()
//        {
//            return {.name = "provider", .summary = "See and steer the providers", .group = Group::routing,
//                    .verbs = {
//                verb<WeightOptions>({.name = "weight", .summary = "Change a provider's share of the
//                traffic",
//                                     .effect = Effect::change, .tier = Tier::moderate, .undo = Undo::exact,
//                                     .text = "Longer text, a paragraph or two.",
//                                     .examples = {"conduitctl provider weight openai 20 --for 2h"},
//                                     .also = {ErrorKind::breached}, .covers = {"A-prov-3"}, .backends =
//                                     {"agent"}},
//                                    weight_flags, weight),
//            }};
//        }
//
// 2. A verb that stands alone (ps, logs, undo) is `standalone<Options>(Group::record, doc, flags, run)`.
// 3. Add the noun to cli/commands/all.cpp (declaration in all.hpp) and the file to
// cli/commands/CMakeLists.txt.
// 4. Exit codes: a read declares 0 1 2 4 5 6 12 130, a change also 3 7 8 11 and, with steps (the default), 9
// 10; `also`
//    adds to that, `omitted` takes away and says why ({ErrorKind::auth, "reads local files only"}).
// 5. A verb's name may be several words ("wal serve"). Texts are literals: they are kept as string_view.
// 6. An outcome that is not a fault (13, 14, 11, ...) is a Report with that verdict; a fault is an Error.
// The registry's test walks all verbs and parses every example; goldens of --help follow from the data.
#pragma once

#include "cli/command/flags.hpp"
#include "cli/command/report.hpp"

#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace conduit {

enum class Effect { read, change, destroy, local }; // local: writes this user's own files, nothing else
enum class Tier { mild, moderate, severe };         // how it is confirmed; of no meaning to reads
enum class Undo { exact, backup, none };            // what `conduitctl undo` can do about it
enum class Group {
    where,
    instances,
    capacity,
    releases,
    routing,
    data_path,
    work,
    stores,
    trust,
    safety_net,
    seeing,
    procedure,
    record,
    tool
};

struct Omitted {
    ErrorKind code;
    std::string_view reason;
};

struct VerbDoc {
    std::string_view name;
    std::string_view summary; // at most 60 characters, no full stop
    Effect effect = Effect::read;
    Tier tier = Tier::mild;
    Undo undo = Undo::none;
    std::string_view text;                  // may be empty when the summary says it all
    std::vector<std::string_view> examples; // whole command lines; each is parsed in a test
    std::vector<ErrorKind> also;            // exit codes beyond those of the effect
    std::vector<Omitted> omitted;
    std::vector<std::string_view> covers;   // ids of the coverage list
    std::vector<std::string_view> backends; // agent, orchestrator, redis, postgres, prometheus, s3, ...
    bool steps = true;                      // a change that can stop half-way: 9 and 10
    bool streaming = false;                 // emits as it goes (App::emit), until interrupted
    bool hidden = false;
};

// A verb with a fresh options struct, ready to be parsed into and run once.
class BoundVerb {
  public:
    virtual ~BoundVerb() = default;
    Flags& flags() { return flags_; }
    const Flags& flags() const { return flags_; }
    virtual ops::ChangeOptions* change() = 0; // null when the options have none
    virtual Result<Report> run(App& app) = 0;

  protected:
    Flags flags_;
};

struct Verb {
    VerbDoc doc;
    std::function<std::unique_ptr<BoundVerb>()> bind;
};

struct Noun {
    std::string_view name;
    std::string_view summary;
    Group group = Group::tool;
    std::vector<Verb> verbs; // one without a name: the noun alone is a command
    bool hidden = false;
};

struct NoOptions {};

template <class Options> class BoundVerbOf final : public BoundVerb {
  public:
    using Run = std::function<Result<Report>(App&, const Options&)>;
    template <class FlagsFn> BoundVerbOf(const FlagsFn& declare, Run run) : run_(std::move(run))
    {
        declare(flags_, options_);
    }
    BoundVerbOf(const BoundVerbOf&) = delete;
    ops::ChangeOptions* change() override
    {
        if constexpr (requires { options_.change; })
            return &options_.change;
        else
            return nullptr;
    }
    Result<Report> run(App& app) override { return run_(app, options_); }

  private:
    Options options_; // the flags point into it
    Run run_;
};

template <class Options, class FlagsFn, class RunFn> Verb verb(VerbDoc doc, FlagsFn declare, RunFn run)
{
    return {std::move(doc), [declare, run]() -> std::unique_ptr<BoundVerb> {
                return std::make_unique<BoundVerbOf<Options>>(declare, run);
            }};
}

// A verb without flags: Result<Report> run(App&).
template <class RunFn> Verb verb(VerbDoc doc, RunFn run)
{
    return verb<NoOptions>(
        std::move(doc), [](Flags&, NoOptions&) {}, [run](App& app, const NoOptions&) { return run(app); });
}

// The noun is the command: its name and summary are the verb's.
Noun standalone_noun(Group group, Verb verb);
template <class Options, class FlagsFn, class RunFn>
Noun standalone(Group group, VerbDoc doc, FlagsFn declare, RunFn run)
{
    return standalone_noun(group, verb<Options>(std::move(doc), declare, run));
}
template <class RunFn> Noun standalone(Group group, VerbDoc doc, RunFn run)
{
    return standalone_noun(group, verb(std::move(doc), run));
}

// The nouns in the order of help; see cli/commands/all.hpp. One that is known by its maker is made when it is
// first looked at: a command then touches the code of its own noun alone, which is most of a short command's
// memory. Copies share what was made. Not for two threads at once.
class Registry {
  public:
    using Make = Noun (*)();
    struct Maker {
        std::string_view name; // the noun's own
        Make make;
    };
    Registry() = default;
    Registry(std::initializer_list<Noun> nouns);
    explicit Registry(std::span<const Maker> makers);

    void push_back(Noun noun);
    const Noun* find(std::string_view name) const; // makes at most this one
    std::vector<std::string_view> names() const;   // makes none

    class Iterator { // makes what it is asked for
      public:
        using difference_type = std::ptrdiff_t;
        using value_type = Noun;
        Iterator() = default;
        Iterator(const Registry* registry, std::size_t at) : registry_(registry), at_(at) {}
        const Noun& operator*() const { return registry_->noun(at_); }
        const Noun* operator->() const { return &registry_->noun(at_); }
        Iterator& operator++()
        {
            ++at_;
            return *this;
        }
        Iterator operator++(int)
        {
            const auto before = *this;
            ++at_;
            return before;
        }
        bool operator==(const Iterator&) const = default;

      private:
        const Registry* registry_ = nullptr;
        std::size_t at_ = 0;
    };
    Iterator begin() const { return {this, 0}; }
    Iterator end() const { return {this, slots_.size()}; }

  private:
    struct Slot {
        std::string_view name;
        Make make = nullptr;
        mutable std::shared_ptr<const Noun> noun;
    };
    const Noun& noun(std::size_t at) const;
    std::vector<Slot> slots_;
};

std::vector<ErrorKind> declared_codes(const VerbDoc& doc);    // ascending
std::string command_path(const Noun& noun, const Verb& verb); // "provider weight", "ps"
std::string_view effect_name(Effect effect);
std::string_view tier_name(Tier tier);
std::string_view undo_name(Undo undo);
std::string_view group_title(Group group); // "Routing"

// For `omitted` of verbs that look at nothing but this machine's own files.
std::vector<Omitted> contacts_nothing();

} // namespace conduit
