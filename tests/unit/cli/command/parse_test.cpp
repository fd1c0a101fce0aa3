// SPDX-License-Identifier: Apache-2.0
#include "cli/command/parse.hpp"
#include "cli/ops/change_options.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/test_app.hpp"

#include <array>
#include <stdexcept>

using namespace conduit;

namespace {

enum class Mode { fast, slow };

struct AllOptions {
    std::string provider;
    int weight = 5;
    std::int64_t big = 0;
    double number = 0;
    Duration drain{30'000};
    std::optional<Duration> until;
    std::optional<Duration> pause;
    ByteCount size;
    Ratio share;
    Rate rate;
    fs::path file;
    std::vector<std::string> labels;
    Mode mode = Mode::fast;
    std::string state = "on";
    bool all = false;
    std::string from_env;
    ops::ChangeOptions change;
};

struct ExecOptions {
    std::string instance;
    std::vector<std::string> command;
};

AllOptions seen;
ExecOptions seen_exec;

void all_flags(Flags& flags, AllOptions& o)
{
    flags.arg("PROVIDER", o.provider, "Provider");
    flags.arg("WEIGHT", o.weight, "Weight").between(0, 100).optional();
    flags.opt("--big", o.big, "A large number");
    flags.opt("--number", o.number, "A number");
    flags.opt("--drain", o.drain, "Wait");
    flags.opt("--until", o.until, "Until");
    flags.opt("--pause", o.pause, "Pause").implies("30s");
    flags.opt("--size", o.size, "Size");
    flags.opt("--share", o.share, "Share").between(0, 1);
    flags.opt("--rate", o.rate, "Rate");
    flags.opt("--file,-f", o.file, "File");
    flags.opt("--label,-l", o.labels, "Labels");
    flags.choice("--mode", o.mode, {{"fast", Mode::fast}, {"slow", Mode::slow}}, "Mode");
    flags.choice("--state", o.state, {"on", "off"}, "State");
    flags.flag("--all,-a", o.all, "All");
    flags.opt("--from-env", o.from_env, "From the environment").from_env("TEST_FROM_ENV");
    change_flags(flags, o.change);
}

Registry make_registry()
{
    Noun noun{.name = "thing", .summary = "Things"};
    noun.verbs.push_back(verb<AllOptions>({.name = "set", .summary = "Set", .effect = Effect::change},
                                          all_flags, [](App&, const AllOptions& o) -> Result<Report> {
                                              seen = o;
                                              return Report{};
                                          }));
    noun.verbs.push_back(
        verb({.name = "wal serve", .summary = "Serve"}, [](App&) -> Result<Report> { return Report{}; }));
    noun.verbs.push_back(
        verb({.name = "wal", .summary = "Show"}, [](App&) -> Result<Report> { return Report{}; }));
    Registry registry;
    registry.push_back(std::move(noun));
    registry.push_back(standalone<ExecOptions>(
        Group::instances, {.name = "exec", .summary = "Exec"},
        [](Flags& flags, ExecOptions& o) {
            flags.arg("INSTANCE", o.instance, "Instance");
            flags.rest("COMMAND", o.command, "Command");
        },
        [](App&, const ExecOptions& o) -> Result<Report> {
            seen_exec = o;
            return Report{};
        }));
    return registry;
}

const Registry& registry()
{
    static const Registry made = make_registry();
    return made;
}

struct Parsed {
    AllOptions options;
    GlobalOptions global;
};

Result<Invocation> parse(const std::vector<std::string>& words, const Environment& env = {})
{
    return parse_invocation(registry(), words, env);
}

Result<Report> run(Invocation& invocation)
{
    test::TestConsole console;
    test::TestClock clock;
    Cancel cancel;
    App app({console, clock, cancel, {{"HOME", "/nonexistent"}}, registry()});
    return invocation.bound->run(app);
}

Result<Parsed> parse_all(const std::vector<std::string>& words, const Environment& env = {})
{
    TRY_ASSIGN(Invocation invocation, parse(words, env));
    TRY(run(invocation));
    return Parsed{seen, invocation.global};
}

std::string message(const std::vector<std::string>& words)
{
    const auto result = parse(words);
    if (result)
        return "";
    CHECK(result.error().kind == ErrorKind::usage);
    return result.error().message;
}

} // namespace

TEST_CASE("a noun is made when it is looked at, and once")
{
    static int made = 0;
    const auto count = []() -> Noun {
        ++made;
        return {.name = "one", .summary = "One"};
    };
    const auto never = []() -> Noun { throw std::logic_error("nobody asked for it"); };
    const std::array<Registry::Maker, 2> makers{{{"one", count}, {"two", never}}};
    const Registry lazy(makers);
    CHECK(lazy.names() == std::vector<std::string_view>{"one", "two"});
    CHECK(made == 0);
    REQUIRE(lazy.find("one") != nullptr);
    CHECK(lazy.find("one") == lazy.find("one"));
    CHECK(made == 1);
    CHECK(lazy.find("three") == nullptr);
}

TEST_CASE("a flag that may stand alone takes the next word only if that can be its value")
{
    CHECK(parse_all({"thing", "set", "--pause", "openai"})->options.pause == Duration(30s));
    CHECK(parse_all({"thing", "set", "--pause", "openai"})->options.provider == "openai");
    CHECK(parse_all({"thing", "set", "openai", "--pause"})->options.pause == Duration(30s));
    CHECK(parse_all({"thing", "set", "openai", "--pause", "-y"})->options.pause == Duration(30s));
    CHECK(parse_all({"thing", "set", "openai", "--pause", "5s"})->options.pause == Duration(5s));
    CHECK(parse_all({"thing", "set", "openai", "--pause=2m"})->options.pause == Duration(2min));
    CHECK_FALSE(parse_all({"thing", "set", "openai", "--pause=soon"}));
    CHECK_FALSE(parse_all({"thing", "set", "openai"})->options.pause);
}

TEST_CASE("every type of flag reaches its member")
{
    const auto r = parse_all(
        {"thing",   "set",   "openai", "20",    "--big",   "-9000000000", "--number=1.5", "--drain", "2m",
         "--until", "2h",    "--size", "512Mi", "--share", "20%",         "--rate",       "100/10s", "-f",
         "x.yaml",  "-l",    "a=b",    "-l",    "c",       "--mode",      "slow",         "--state", "off",
         "-a",      "--for", "90s",    "-y"});
    REQUIRE(r);
    const AllOptions& o = r->options;
    CHECK(o.provider == "openai");
    CHECK(o.weight == 20);
    CHECK(o.big == -9'000'000'000);
    CHECK(o.number == 1.5);
    CHECK(o.drain == 2min);
    CHECK(o.until == Duration(2h));
    CHECK(o.size.value == 512U << 20U);
    CHECK(o.share.value == Approx(0.2));
    CHECK(o.rate == Rate{100, 10s});
    CHECK(o.file == "x.yaml");
    CHECK(o.labels == std::vector<std::string>{"a=b", "c"});
    CHECK(o.mode == Mode::slow);
    CHECK(o.state == "off");
    CHECK(o.all);
    CHECK(o.change.revert_after == Duration(90s));
    CHECK(o.change.yes);
}

TEST_CASE("without flags every member keeps its initializer")
{
    const auto r = parse_all({"thing", "set", "openai"});
    REQUIRE(r);
    CHECK(r->options.weight == 5);
    CHECK(r->options.drain == 30s);
    CHECK_FALSE(r->options.until);
    CHECK(r->options.mode == Mode::fast);
    CHECK(r->options.change.timeout == 120s);
}

TEST_CASE("global flags may stand anywhere")
{
    const auto words =
        GENERATE(std::vector<std::string>{"-C", "prod", "-o", "json", "thing", "set", "openai"},
                 std::vector<std::string>{"thing", "-C", "prod", "--output=json", "set", "openai"},
                 std::vector<std::string>{"thing", "set", "openai", "-ojson", "-Cprod"},
                 std::vector<std::string>{"thing", "set", "-o", "json", "openai", "--context=prod"});
    const auto r = parse_all(words);
    REQUIRE(r);
    CHECK(r->options.provider == "openai");
    CHECK(r->global.context == "prod");
    CHECK(r->global.context_from_flag);
    CHECK(r->global.output == OutputFormat::json);
}

TEST_CASE("the flag wins over the environment, the environment over the default")
{
    const Environment env{{"TEST_FROM_ENV", "e"}, {"CONDUIT_CONTEXT", "staging"}};
    const auto from_env = parse_all({"thing", "set", "x"}, env);
    REQUIRE(from_env);
    CHECK(from_env->options.from_env == "e");
    CHECK(from_env->global.context == "staging");
    CHECK_FALSE(from_env->global.context_from_flag);
    const auto from_flag = parse_all({"thing", "set", "x", "--from-env", "f", "-C", "prod"}, env);
    REQUIRE(from_flag);
    CHECK(from_flag->options.from_env == "f");
    CHECK(from_flag->global.context == "prod");
}

TEST_CASE("--timeout reaches the change's own limit")
{
    const auto r = parse_all({"thing", "set", "x", "--timeout", "7s"});
    REQUIRE(r);
    CHECK(r->options.change.timeout == 7s);
}

TEST_CASE("words after -- are left alone")
{
    auto invocation = parse({"exec", "pod-1", "--", "ls", "-l", "--help"});
    REQUIRE(invocation);
    CHECK(invocation->kind == Invocation::Kind::run);
    REQUIRE(run(*invocation));
    CHECK(seen_exec.instance == "pod-1");
    CHECK(seen_exec.command == std::vector<std::string>{"ls", "-l", "--help"});
}

TEST_CASE("the verb with the most words wins")
{
    CHECK(parse({"thing", "wal", "serve"})->verb->doc.name == "wal serve");
    CHECK(parse({"thing", "wal"})->verb->doc.name == "wal");
}

TEST_CASE("mistakes on the command line name the mistake and the nearest names")
{
    CHECK(message({"thnig", "set"}) == "unknown command 'thnig'; did you mean thing?");
    CHECK(message({"thing", "sett"}) == "unknown 'thing' verb 'sett'; did you mean set?");
    CHECK(message({"thing"}) == "'thing' needs a verb");
    CHECK(message({"thing", "set"}) == "PROVIDER is missing");
    CHECK(message({"thing", "set", "a", "1", "extra"}) == "unexpected argument 'extra'");
    CHECK(message({"thing", "set", "a", "--dran", "2s"}) ==
          "unknown flag '--dran'; did you mean --drain or --plan?");
    CHECK(message({"thing", "set", "a", "--drain"}) == "--drain needs a value");
    CHECK(message({"thing", "set", "a", "--drain", "2s", "--drain", "3s"}) == "--drain is given 2 times");
    CHECK(message({"thing", "set", "a", "--mode", "fats"}) ==
          "unknown value for --mode 'fats'; did you mean fast?");
    CHECK(message({"thing", "set", "a", "101"}) ==
          "bad value '101' for WEIGHT: between 0 and 100 is expected");
    CHECK(message({"thing", "set", "a", "ten"}) == "bad value 'ten' for WEIGHT: a whole number is expected");
    CHECK(message({"thing", "set", "a", "-o", "jsn"}) == "unknown output format 'jsn'; did you mean json?");
    CHECK(message({"thing", "set", "a", "--force"}) == "--force needs --reason");
    CHECK(message({"thing", "set", "a", "--plan", "x", "--plan-out", "y"}) ==
          "--plan and --plan-out exclude each other");
}

TEST_CASE("hostile words are refused, not obeyed and not echoed raw")
{
    CHECK(message({"\033[2J"}) == "unknown command '\\x1b[2J'");
    CHECK_FALSE(parse({"thing", "set", "a", "--weight=\xff\xfe"}));
    CHECK_FALSE(parse({"thing", "set", "a", std::string(100'000, '-')}));
    CHECK_FALSE(parse({"thing", "set", "a", "--big", "99999999999999999999999"}));
    CHECK_FALSE(parse({"thing", "set", "a", "--number", "nan"}));
}

TEST_CASE("--help anywhere asks for the help of what stands there")
{
    CHECK(parse({"--help"})->noun == nullptr);
    CHECK(parse({"thing", "-h"})->verb == nullptr);
    const auto verb = parse({"thing", "set", "--nonsense", "--help"});
    REQUIRE(verb);
    CHECK(verb->kind == Invocation::Kind::help);
    CHECK(verb->verb->doc.name == "set");
}

TEST_CASE("the output format is known even when the rest of the line is broken")
{
    CHECK(requested_output(std::vector<std::string>{"x", "-o", "json"}) == OutputFormat::json);
    CHECK(requested_output(std::vector<std::string>{"x", "-ojson", "--bad"}) == OutputFormat::json);
    CHECK(requested_output(std::vector<std::string>{"x", "--output=yaml"}) == OutputFormat::yaml);
    CHECK(requested_output(std::vector<std::string>{"x", "--", "-o", "json"}) == OutputFormat::table);
}
