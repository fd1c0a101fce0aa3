// SPDX-License-Identifier: Apache-2.0
// exec, cp and forward as they are typed; the instances are processes of this machine.
#include "cli/ops/journal.hpp"
#include "core/hash.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_world.hpp"
#include "tests/support/socket_client.hpp"
#include "tests/support/wait.hpp"

#include <fcntl.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

constexpr const char* k_protected = "contexts: {local: {guards: {protected: true}}}\n";

std::vector<ops::OperationRecord> journal(FakeWorld& w)
{
    return ops::Journal(w.app.home() / "state/conduitctl/journal", w.app.clock).operations({}).value();
}

std::string journal_text(FakeWorld& w)
{
    std::string text;
    for (const auto& file : fs::directory_iterator(w.app.home() / "state/conduitctl/journal"))
        if (file.path().extension() == ".jsonl")
            text += read_file(file.path()).value();
    return text;
}

} // namespace

TEST_CASE("a command's output is handed on and nothing is added to it")
{
    FakeWorld w;
    const auto r = w.app.run({"exec", "agent", "--", "sh", "-c", "printf out; printf err >&2"});
    CHECK(r.code == 0);
    CHECK(r.out == "out");
    CHECK(r.err == "err");
    CHECK(w.streams.requests.at(0).instance == "agent-1");
    CHECK(w.streams.requests.at(0).container == "main");
}

TEST_CASE("a command that fails is exit code 1 with its own code in the document")
{
    FakeWorld w;
    const auto r =
        w.app.run({"exec", "agent-2", "-c", "side", "-o", "json", "--", "sh", "-c", "echo no >&2; exit 7"});
    CHECK(r.code == 1);
    const auto document = parse_json(r.out).value();
    CHECK(document["remote_code"] == 7);
    CHECK(document["verdict"] == "failed");
    CHECK(document["verified"] == false);
    CHECK(document["instance"] == "agent-2");
    CHECK(document["container"] == "side");
    CHECK(document["stderr"] == "no\n");
    const auto plain = w.app.run({"exec", "agent-2", "--", "sh", "-c", "exit 7"});
    CHECK(plain.code == 1);
    CHECK(plain.out.empty());
    CHECK(plain.err.contains("ended with 7"));
    CHECK(journal(w).front().verdict() == "failed");
}

TEST_CASE("a command that succeeds says that its effect was not verified")
{
    FakeWorld w;
    const auto r = w.app.run({"exec", "agent", "-o", "json", "--", "echo", "hello"});
    CHECK(r.code == 0);
    const auto document = parse_json(r.out).value();
    CHECK(document["verified"] == false);
    CHECK(document["remote_code"] == 0);
    CHECK(document["stdout"] == "hello\n");
    CHECK(document["truncated"] == false);
    const auto big = w.app.run({"exec", "agent", "-o", "json", "--", "head", "-c", "2000000", "/dev/zero"});
    CHECK(parse_json(big.out).value()["truncated"] == true);
}

TEST_CASE("the journal has who ran what, and no secret")
{
    FakeWorld w;
    REQUIRE(w.app.run({"exec", "agent", "--reason", "look", "--", "echo", "--password", "hunter2"}).code ==
            0);
    const auto text = journal_text(w);
    CHECK_FALSE(text.contains("hunter2"));
    CHECK(text.contains("<" + fingerprint("hunter2") + ">"));
    const auto records = journal(w);
    const auto& first = records.at(0).first();
    CHECK(first.operator_name == "maria");
    CHECK(first.reason == "look");
    CHECK(first.command.at(0) == "exec");
    CHECK(w.streams.requests.at(0).command.back() == "hunter2"); // it ran as it was typed
}

TEST_CASE("a protected context wants a yes and its name, and a rehearsal runs nothing")
{
    FakeWorld w;
    w.app.write_config(k_protected);
    CHECK(w.app.run({"exec", "agent", "--", "true"}).code == 3);
    CHECK(w.app.run({"exec", "agent", "-C", "local", "--", "true"}).code == 3);
    CHECK(w.app.run({"cp", "agent:/x", "x", "-C", "local"}).code == 3);
    CHECK(w.app.run({"exec", "agent", "-C", "local", "-y", "--dry-run", "--", "true"}).code == 0);
    CHECK(w.streams.requests.empty());
    const auto yes = w.app.run({"exec", "agent", "-C", "local", "-y", "--", "echo", "hello"});
    CHECK(yes.code == 0);
    CHECK(yes.out == "hello\n");
    CHECK(yes.err.contains("undo: none"));
}

TEST_CASE("stdin goes to the command only when it is asked for")
{
    FakeWorld w;
    REQUIRE(write_file(w.app.home() / "in", "some input"));
    const UniqueFd in(::open((w.app.home() / "in").c_str(), O_RDONLY));
    w.app.console.input = in.get();
    CHECK(w.app.run({"exec", "agent", "--", "cat"}).out.empty());
    CHECK(w.app.run({"exec", "-i", "agent", "--", "cat"}).out == "some input");
}

TEST_CASE("a connection that ends in the middle is unknown, and a stop leaves the command where it is")
{
    FakeWorld w;
    w.streams.faults["exec"] = {ErrorKind::unknown, "the connection ended before the command did"};
    const auto lost = w.app.run({"exec", "agent", "--", "sleep", "9"});
    CHECK(lost.code == 12);
    CHECK(lost.err.contains("it is not known how 'sleep 9' in agent-1 ended"));
    w.streams.faults["exec"] = {ErrorKind::interrupted, "interrupted"};
    const auto stopped = w.app.run({"exec", "agent", "--", "sleep", "9"});
    CHECK(stopped.code == 10);
    CHECK(stopped.err.contains("may go on in agent-1"));
    CHECK(w.app.run({"resume", journal(w).front().id, "-y"}).code == 12); // never run twice
    CHECK(w.streams.requests.size() == 2);
}

TEST_CASE("what exec cannot mean is refused before anything is contacted")
{
    FakeWorld w;
    w.streams.faults["*"] = {ErrorKind::unreachable, "contacted"};
    CHECK(w.app.run({"exec", "agent"}).code == 2);
    CHECK(w.app.run({"exec", "agent", "--"}).code == 2);
    CHECK(w.app.run({"exec", "agent", "--", ""}).code == 2);
    CHECK(w.app.run({"exec", "-t", "agent", "--", "sh"}).code == 2); // no terminal here
    CHECK(w.app.run({"exec", "agent", "--no-wait", "--", "ls"}).code == 2);
    CHECK(w.app.run({"cp", "a", "b"}).code == 2);
    CHECK(w.app.run({"cp", "agent:a", "agent:b"}).code == 2);
    CHECK(w.app.run({"cp", "agent:", "b"}).code == 2);
    CHECK(w.app.run({"cp", "./agent:a", "b"}).code == 2);
    CHECK(w.app.run({"forward", "agent", "x:80"}).code == 2);
    CHECK(w.app.run({"forward", "agent", "80:0"}).code == 2);
    CHECK(w.app.run({"forward", "agent", "80:65536"}).code == 2);
    CHECK(w.app.run({"forward", "agent"}).code == 2);
    CHECK(w.app.run({"exec", "agent", "--", "ls"}).code == 6);
}

TEST_CASE("cp says where the file is now and its hash, in both directions")
{
    FakeWorld w;
    const auto here = w.app.home() / "here";
    REQUIRE(write_file(here, "hello"));
    const auto in = w.app.run({"cp", here.string(), "agent:there", "-o", "json"});
    CHECK(in.code == 0);
    const auto document = parse_json(in.out).value();
    CHECK(document["sha256"] == sha256_hex("hello"));
    CHECK(document["verified"] == true);
    CHECK(document["bytes"] == 5);
    CHECK(document["to"] == "there");
    CHECK(read_file(w.app.home() / "there").value() == "hello");
    const auto out = w.app.run({"cp", "agent-2:there", (w.app.home() / "back").string()});
    CHECK(out.code == 0);
    CHECK(out.out.contains(sha256_hex("hello")));
    CHECK(read_file(w.app.home() / "back").value() == "hello");
    CHECK(w.app.run({"cp", "agent:nope", (w.app.home() / "x").string()}).code == 4);
    CHECK_FALSE(fs::exists(w.app.home() / "x"));
    CHECK(w.app.run({"cp", here.string(), "agent:a/b/c"}).code == 4);
}

TEST_CASE("forward prints where it listens, serves, and ends well when it is interrupted")
{
    FakeWorld w;
    const EchoServer echo;
    RunResult result;
    std::jthread running(
        [&] { result = w.app.run({"forward", "agent", "0:" + std::to_string(echo.port()), "-o", "json"}); });
    std::string line;
    REQUIRE(eventually([&] {
        line = w.app.console.out_so_far();
        return line.contains('\n');
    }));
    const auto said = parse_json(line).value();
    CHECK(said["instance"] == "agent-1");
    const auto address = said["local"].get<std::string>();
    CHECK(address.starts_with("127.0.0.1:"));
    const auto port = static_cast<std::uint16_t>(std::stoi(address.substr(10)));
    CHECK(echoed(connect_to(port), "hello") == "hello");
    w.app.cancel.request();
    running.join();
    CHECK(result.code == 0);
    CHECK_FALSE(connect_to(port));
}

TEST_CASE("forward does not claim a port that nobody answers")
{
    FakeWorld w;
    const auto unused = std::to_string(EchoServer().port());
    const auto r = w.app.run({"forward", "agent", "0:" + unused});
    CHECK(r.code == 6);
    CHECK(r.out.empty());
    CHECK(w.app.run({"forward", "agent", "0:80", "--timeout", "1ms"}).code != 0);
    const EchoServer echo;
    CHECK(w.app.run({"forward", "agent", "0:" + std::to_string(echo.port()), "--timeout", "20ms"}).code == 0);
}
