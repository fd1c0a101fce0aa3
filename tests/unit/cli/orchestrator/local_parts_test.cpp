// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/child.hpp"
#include "cli/orchestrator/local/done_keys.hpp"
#include "cli/orchestrator/local/fleet.hpp"
#include "cli/orchestrator/local/log_rotation.hpp"
#include "cli/orchestrator/local/logs.hpp"
#include "cli/orchestrator/local/orphans.hpp"
#include "cli/orchestrator/local/sim_faults.hpp"
#include "cli/orchestrator/local/sockets.hpp"
#include "cli/orchestrator/local/spec.hpp"
#include "cli/orchestrator/local/usage.hpp"
#include "tests/support/catch.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

using namespace conduit;
using namespace conduit::local;

namespace {

struct Logs {
    TempDir temp = TempDir::make("conduit-logs").value();
    Layout layout{temp.path()};

    Logs() { REQUIRE(make_dirs(layout.log())); }
    void write(const std::string& name, const std::string& text) const
    {
        REQUIRE(write_file(layout.log() / name, text));
    }
    std::vector<std::string> read(const LogQuery& query) const
    {
        std::vector<std::string> lines;
        const Cancel cancel;
        REQUIRE(read_logs(
            layout, query,
            [&](const LogLine& line) {
                lines.push_back(line.instance + ":" + line.text);
                return true;
            },
            cancel, Deadline(5s)));
        return lines;
    }
};

class ScriptedHttp final : public HttpClient {
  public:
    Result<HttpResponse> send(const HttpRequest& request, Deadline) override
    {
        requests.push_back(request.method + " " + request.url + " " + request.body);
        return HttpResponse{status, {}, answer};
    }
    std::vector<std::string> requests;
    int status = 200;
    std::string answer = "{}";
};

} // namespace

TEST_CASE("back-off doubles up to its longest")
{
    const Backoff backoff;
    CHECK(backoff.delay(1) == 100ms);
    CHECK(backoff.delay(2) == 200ms);
    CHECK(backoff.delay(5) == 1600ms);
    CHECK(backoff.delay(100) == 30s);
}

TEST_CASE("the specification survives a round trip and damage is named")
{
    const auto temp = TempDir::make().value();
    const Layout layout{temp.path()};
    REQUIRE(make_dirs(layout.state()));
    CHECK(load_spec(layout).error().kind == ErrorKind::not_found);
    const LocalSpec spec{.replicas = 3, .sim = false, .data_port = 9000, .sim_args = {"--threads", "2"}};
    REQUIRE(save_spec(layout, spec));
    CHECK(load_spec(layout).value() == spec);
    REQUIRE(write_file(layout.spec(), "{\"replicas\": 1e99, \"ports\": {\"data\": -4}, \"sim_args\": [3]}"));
    CHECK(load_spec(layout).value().replicas == 2);
    CHECK(load_spec(layout).value().data_port == 0);
    REQUIRE(write_file(layout.spec(), "{\"repl"));
    const auto damaged = load_spec(layout);
    REQUIRE_FALSE(damaged);
    CHECK(damaged.error().message.find("local.json is damaged") != std::string::npos);
}

TEST_CASE("keys of finished changes outlive the program, and a damaged file does not stop it")
{
    const auto temp = TempDir::make().value();
    const auto file = temp.path() / "keys.json";
    {
        DoneKeys keys(file);
        CHECK(keys.find("a") == nullptr);
        REQUIRE(keys.put("a", Json{{"n", 1}}));
        REQUIRE(keys.put("a", Json{{"n", 2}}));
        REQUIRE(keys.put("", Json{{"n", 3}}));
    }
    const DoneKeys again(file);
    REQUIRE(again.find("a") != nullptr);
    CHECK((*again.find("a"))["n"] == 2);
    CHECK(again.find("") == nullptr);
    REQUIRE(write_file(file, "[{]"));
    CHECK(DoneKeys(file).find("a") == nullptr);
}

TEST_CASE("a log that grew too large is put aside and its writer goes on in an empty file")
{
    const auto temp = TempDir::make().value();
    const auto log = temp.path() / "a.log";
    const UniqueFd writer(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    CHECK(rotate_log(temp.path() / "none.log", 10, 3).value() == false);
    for (const auto* text : {"first first\n", "second second\n", "third third\n"}) {
        REQUIRE(write_all(writer.get(), text, log));
        CHECK(rotate_log(log, 10, 3).value());
    }
    REQUIRE(write_all(writer.get(), "now\n", log));
    CHECK_FALSE(rotate_log(log, 10, 3).value());
    CHECK(read_file(log).value() == "now\n");
    CHECK(read_file(log.string() + ".1").value() == "third third\n");
    CHECK(read_file(log.string() + ".2").value() == "second second\n");
    CHECK_FALSE(fs::exists(log.string() + ".3"));
}

TEST_CASE("logs are read oldest first over rotations, cut to the tail, the time and the expression")
{
    const Logs logs;
    logs.write("agent-1.log.1", "one\ntwo\n");
    logs.write("agent-1.log", "{\"time\":\"2026-11-22T10:00:00.000Z\",\"m\":\"three\"}\nfour error\nfive");
    logs.write("sim.log", "2026-11-22T12:00:00.000Z hello\n");
    logs.write("supervisor.log", "not shown\n");
    CHECK(logs.read({.tail = 2}) == std::vector<std::string>{"agent-1:four error", "agent-1:five",
                                                             "sim:2026-11-22T12:00:00.000Z hello"});
    CHECK(logs.read({.workload = "agent"}).size() == 5);
    CHECK(logs.read({.grep = "^(one|four)"}) ==
          std::vector<std::string>{"agent-1:one", "agent-1:four error"});
    LogQuery young;
    young.workload = "agent";
    young.since = parse_time("2026-11-22T11:00:00Z").value();
    CHECK(logs.read(young).size() == 4); // the line that says it is older is left out
    const Cancel cancel;
    const auto nothing = [](const LogLine&) { return true; };
    CHECK(read_logs(logs.layout, {.grep = "("}, nothing, cancel, Deadline(1s)).error().kind ==
          ErrorKind::usage);
    const auto unknown = read_logs(logs.layout, {.instances = {"agent-l"}}, nothing, cancel, Deadline(1s));
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().kind == ErrorKind::not_found);
    CHECK(unknown.error().message.find("agent-1") != std::string::npos);
}

TEST_CASE("followed logs go on over a rotation and end when the reader has enough")
{
    const Logs logs;
    logs.write("agent-1.log", "old line that is long\n");
    std::vector<std::string> seen;
    const Cancel cancel;
    const auto result = read_logs(
        logs.layout, {.tail = 1, .follow = true},
        [&](const LogLine& line) {
            seen.push_back(line.text);
            if (seen.size() == 1) {
                REQUIRE(::truncate((logs.layout.log() / "agent-1.log").c_str(), 0) == 0);
                const UniqueFd fd(
                    ::open((logs.layout.log() / "agent-1.log").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC));
                REQUIRE(write_all(fd.get(), "new\n", "log"));
            }
            return seen.size() < 2;
        },
        cancel, Deadline(5s));
    REQUIRE(result);
    CHECK(seen == std::vector<std::string>{"old line that is long", "new"});
}

TEST_CASE("only a process with the recorded start time is an orphan")
{
    const auto temp = TempDir::make().value();
    const Layout layout{temp.path()};
    REQUIRE(make_dirs(layout.run()));
    const auto child = spawn_process({.argv = {"sleep", "60"}});
    REQUIRE(child);
    const auto ticks = process_start_ticks(*child).value();
    const auto write = [&](std::string_view name, const std::string& text) {
        REQUIRE(write_file(layout.run() / name, text));
    };
    write("agent-1.pid", fmt::format("{{\"pid\":{},\"start_ticks\":{}}}", *child, ticks));
    write("agent-2.pid", fmt::format("{{\"pid\":{},\"start_ticks\":{}}}", *child, ticks + 1));
    write("agent-3.pid", "{\"pid\":1,\"start_ticks\":1}");
    write("agent-4.pid", "{\"pid\":-1,\"start_ticks\":0}");
    write("agent-5.ready", "rubbish");
    write("supervisor.pid", fmt::format("{{\"pid\":{},\"start_ticks\":{}}}", ::getpid(), 1));
    const auto orphans = find_orphans(layout);
    REQUIRE(orphans.size() == 1);
    CHECK(orphans[0].name == "agent-1");
    CHECK(end_orphans(layout, 2s).size() == 1);
    CHECK_FALSE(process_alive(*child));
    CHECK(find_orphans(layout).empty());
    CHECK_FALSE(fs::exists(layout.run() / "agent-1.pid"));
}

TEST_CASE("a folder is refused when it belongs to others, and made private when it is ours")
{
    const auto temp = TempDir::make().value();
    const Layout layout{temp.path() / "new"};
    REQUIRE(prepare_folders(layout));
    REQUIRE(::chmod(layout.tokens().c_str(), 0755) == 0);
    REQUIRE(prepare_folders(layout));
    struct stat info{};
    REQUIRE(::stat(layout.tokens().c_str(), &info) == 0);
    CHECK((info.st_mode & 0777U) == 0700U);
    const Layout linked{temp.path() / "link"};
    fs::create_directory_symlink(layout.dir, linked.dir);
    CHECK(prepare_folders(linked).error().kind == ErrorKind::refused);
}

TEST_CASE("a socket may lie deeper than a socket's name is long")
{
    const auto temp = TempDir::make().value();
    const auto folder = temp.path() / std::string(90, 'a') / std::string(90, 'b');
    REQUIRE(make_dirs(folder));
    const auto listener = listen_unix(folder / "s");
    REQUIRE(listener);
    CHECK(connect_unix(folder / "s"));
    CHECK(connect_unix(folder / "t").error().kind == ErrorKind::unreachable);
}

TEST_CASE("the statistics of a process are read past a name with brackets")
{
    const auto sample =
        parse_stat("77 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 150 50 13 14 15 16 9 18 19 20 25 22", 100, 4096);
    REQUIRE(sample);
    CHECK(sample->cpu_seconds == Approx(2.0));
    CHECK(sample->threads == 9);
    CHECK(sample->memory_bytes == 25 * 4096);
    CHECK_FALSE(parse_stat("77 (a", 100, 4096));
    CHECK_FALSE(parse_stat("77 (a) S 1 2", 100, 4096));
    REQUIRE(sample_process(::getpid()));
    CHECK(sample_process(::getpid())->open_files > 2);
}

TEST_CASE("the last lines of a text")
{
    CHECK(last_lines("a\nb\nc\n", 2) == "b\nc");
    CHECK(last_lines("a", 5) == "a");
    CHECK(last_lines("", 5).empty());
    CHECK(last_lines("a\nb", 0).empty());
}

TEST_CASE("faults become the simulator's words, and its refusals become errors")
{
    ScriptedHttp http;
    const SimTarget sim{http, "http://127.0.0.1:1"};
    SimFault fault;
    fault.down = true;
    fault.error_rate = 0.25;
    fault.latency = 1500ms;
    fault.expires = 2min;
    http.answer = R"({"requests": 4, "fault": {"down": true}})";
    const auto set = set_fault(sim, "openai", fault, Deadline(1s));
    REQUIRE(set);
    CHECK((*set)["name"] == "openai");
    REQUIRE(http.requests.size() == 2);
    CHECK(http.requests[0] == "PATCH http://127.0.0.1:1/providers/openai/fault "
                              R"({"down":true,"error_rate":0.25,"latency_ms":1500,"expires_in_s":120.0})");
    CHECK(http.requests[1] == "GET http://127.0.0.1:1/providers/openai ");
    http.answer = R"({"providers": {"openai": {"requests": 1}, "aws": {"requests": 2}}})";
    CHECK(list_faults(sim, Deadline(1s)).value()["items"].size() == 2);
    http.status = 404;
    http.answer = R"({"error": {"message": "unknown provider 'opnai'; did you mean openai?"}})";
    const auto refused = clear_fault(sim, "../x", Deadline(1s));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::not_found);
    CHECK(refused.error().message == "unknown provider 'opnai'; did you mean openai?");
    CHECK(http.requests.back() == "DELETE http://127.0.0.1:1/providers/..%2Fx/fault ");
}
