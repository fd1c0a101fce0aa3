// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/streams.hpp"
#include "core/process.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_cluster.hpp"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace conduit;
using namespace conduit::test;
using namespace conduit::kubernetes;

namespace {

Json pod(const std::string& name, bool ready = true, const std::string& phase = "Running")
{
    return Json{{"apiVersion", "v1"},
                {"kind", "Pod"},
                {"metadata",
                 {{"name", name},
                  {"namespace", "audio"},
                  {"labels", {{"app", "agent"}, {"pod-template-hash", "abc"}}},
                  {"ownerReferences",
                   Json::array({{{"kind", "ReplicaSet"}, {"name", "agent-abc"}, {"controller", true}}})}}},
                {"spec", {{"containers", Json::array({{{"name", "main"}}, {{"name", "side"}}})}}},
                {"status",
                 {{"phase", phase},
                  {"conditions", Json::array({{{"type", "Ready"}, {"status", ready ? "True" : "False"}}})},
                  {"containerStatuses", Json::array({{{"name", "main"},
                                                      {"ready", ready},
                                                      {"restartCount", 0},
                                                      {"state", {{"running", Json::object()}}}}})}}}};
}

// What is asked of the cluster's streams, and what it reads of the input.
struct Asked : kube::Streams {
    Result<RemoteEnd> exec(const kube::ExecCall& call, const RemoteIo& io, const Cancel&, Deadline) override
    {
        calls.push_back(call);
        end_in = io.end_in;
        char buffer[4096];
        for (ssize_t got = 1; io.in >= 0 && got > 0;) {
            got = ::read(io.in, buffer, sizeof buffer);
            input.append(buffer, static_cast<std::size_t>(std::max<ssize_t>(0, got)));
        }
        return RemoteEnd{0};
    }
    Result<std::unique_ptr<PortStream>> open_port(const kube::PortCall&, UniqueFd, const Cancel&,
                                                  Deadline) override
    {
        return fail(ErrorKind::unreachable, "no ports here");
    }
    std::vector<kube::ExecCall> calls;
    std::string input;
    bool end_in = true;
};

struct World {
    FakeCluster cluster;
    Asked* asked = nullptr;
    Cancel cancel;
    std::unique_ptr<InstanceStreams> streams;
    explicit World(const std::string& minor = "20")
    {
        cluster.special = [minor](const kube::Call& call) -> std::optional<kube::Answer> {
            if (call.path == "/version")
                return kube::Answer{200, {}, fmt::format(R"({{"major":"1","minor":"{}"}})", minor)};
            return std::nullopt;
        };
        auto made = std::make_unique<Asked>();
        asked = made.get();
        streams = make_instance_streams(std::make_unique<kube::Api>(cluster.transport(), system_clock()),
                                        std::move(made), "audio");
    }
    void put(const Json& object)
    {
        cluster.put("/api/v1/namespaces/audio/pods/" + object["metadata"]["name"].get<std::string>(), object);
    }
    void put_workload(const std::string& name)
    {
        cluster.put("/apis/apps/v1/namespaces/audio/deployments/" + name,
                    Json{{"kind", "Deployment"},
                         {"metadata", {{"name", name}, {"namespace", "audio"}}},
                         {"spec", {{"replicas", 2}, {"selector", {{"matchLabels", {{"app", "agent"}}}}}}},
                         {"status", Json::object()}});
    }
    Result<StreamPlace> place(const std::string& name, const std::string& container = {})
    {
        return streams->place(name, container, Deadline(5s));
    }
    Result<RemoteEnd> exec(int in, bool tty = false)
    {
        return streams->exec({"a", "main", {"wc", "-c"}, tty}, {.out = {}, .err = {}, .in = in, .size = {}},
                             cancel, Deadline(5s));
    }
};

struct Pipe {
    int ends[2] = {-1, -1};
    explicit Pipe(std::string_view text)
    {
        REQUIRE(::pipe(static_cast<int*>(ends)) == 0);
        REQUIRE(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
        ::close(ends[1]);
    }
    ~Pipe() { ::close(ends[0]); }
    Pipe(const Pipe&) = delete;
};

} // namespace

TEST_CASE("a pod by its name, or a ready one of a workload, and the container that is meant")
{
    World w;
    w.put_workload("agent");
    w.put(pod("agent-a", false));
    w.put(pod("agent-b"));
    CHECK(w.place("agent-a").value().instance == "agent-a");
    CHECK_FALSE(w.place("agent-a")->ready);
    CHECK(w.place("agent").value().instance == "agent-b");
    CHECK(w.place("agent")->ready);
    CHECK(w.place("agent")->container == "main");
    CHECK(w.place("agent", "side")->container == "side");
    auto marked = pod("agent-c");
    marked["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = "side";
    CHECK(place_of(marked, "")->container == "side");
    marked["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"] = "gone";
    CHECK(place_of(marked, "")->container == "main");
}

TEST_CASE("what is not there is named with the nearest, and what does not run is not entered")
{
    World w;
    w.put_workload("agent");
    w.put(pod("agent-a", false, "Pending"));
    const auto missing = w.place("agnt");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().kind == ErrorKind::not_found);
    CHECK(missing.error().message.contains("agent"));
    const auto container = place_of(pod("agent-b"), "mian");
    REQUIRE_FALSE(container);
    CHECK(container.error().kind == ErrorKind::not_found);
    CHECK(container.error().message.contains("main"));
    CHECK(w.place("agent-a").error().message.contains("Pending"));
    CHECK(w.place("agent").error().kind == ErrorKind::failed);
    CHECK_FALSE(place_of(Json::object(), ""));
}

TEST_CASE("only a server of 1.30 and later is told the end of the input by itself")
{
    const auto version = [](const char* major, const char* minor) {
        return Json{{"major", major}, {"minor", minor}};
    };
    CHECK_FALSE(ends_input(version("1", "20")));
    CHECK_FALSE(ends_input(version("1", "29+")));
    CHECK(ends_input(version("1", "30")));
    CHECK(ends_input(version("1", "31+")));
    CHECK_FALSE(ends_input(version("1", "")));
    CHECK_FALSE(ends_input(Json::object()));
    CHECK_FALSE(ends_input(Json()));
}

TEST_CASE("an input whose end cannot be told is counted there, whether a pipe or a file")
{
    World w;
    const Pipe pipe("hello");
    REQUIRE(w.exec(pipe.ends[0]));
    const auto& command = w.asked->calls.at(0).command;
    CHECK(command.front() == "sh");
    CHECK(std::vector(command.end() - 3, command.end()) == std::vector<std::string>{"5", "wc", "-c"});
    CHECK(w.asked->input == "hello");
    CHECK_FALSE(w.asked->end_in);

    const TempDir dir = TempDir::make("conduit-in").value();
    REQUIRE(write_file(dir.path() / "f", "0123456789"));
    const UniqueFd file(::open((dir.path() / "f").c_str(), O_RDONLY));
    ::lseek(file.get(), 4, SEEK_SET);
    REQUIRE(w.exec(file.get()));
    CHECK(*(w.asked->calls.at(1).command.end() - 3) == "6");
    CHECK(w.asked->input == "hello456789");
}

TEST_CASE("no input, a terminal there and a newer server leave the command as it is")
{
    const std::vector<std::string> plain{"wc", "-c"};
    World old;
    const Pipe pipe("x");
    REQUIRE(old.exec(-1));
    REQUIRE(old.exec(pipe.ends[0], true));
    CHECK(old.asked->calls.at(0).command == plain);
    CHECK(old.asked->calls.at(1).command == plain);
    World recent("31");
    const Pipe more("x");
    REQUIRE(recent.exec(more.ends[0]));
    CHECK(recent.asked->calls.at(0).command == plain);
    CHECK(recent.asked->end_in);
}

TEST_CASE("the counting shell ends with the command's code, and an empty input is an end at once")
{
    const auto run = [](std::uint64_t bytes, std::vector<std::string> command, std::string input) {
        return run_process({.argv = counting_input(std::move(command), bytes),
                            .env = {},
                            .stdin_bytes = std::move(input),
                            .cwd = {}},
                           Deadline(10s))
            .value();
    };
    CHECK(run(5, {"sh", "-c", "cat; exit 7"}, "12345678").exit_code == 7);
    CHECK(run(5, {"cat"}, "12345678").out == "12345");
    CHECK(run(1'000'000, {"sh", "-c", "exit 6"}, std::string(1'000'000, 'x')).exit_code == 6); // all is read
    CHECK(run(0, {"cat"}, "12345678").out.empty());
    CHECK(run(3, {"sh", "-c", "cat; echo \"$1\"", "x", "a b"}, "abc").out == "abca b\n");
}
