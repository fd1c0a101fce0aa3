// SPDX-License-Identifier: Apache-2.0
#include "core/kube/channels.hpp"
#include "tests/support/catch.hpp"

#include <random>

using namespace conduit;
using namespace conduit::kube;
using namespace std::string_literals;

namespace {

std::string status(const std::string& more)
{
    return R"({"kind":"Status","apiVersion":"v1","metadata":{},)" + more + "}";
}

} // namespace

TEST_CASE("a frame is its channel's number and the bytes")
{
    CHECK(channel_frame(ExecChannel::in, "ab\0c"s) == "\0ab\0c"s);
    CHECK(resize_frame({120, 40}) == "\x04{\"Width\":120,\"Height\":40}");
    CHECK(close_frame(ExecChannel::in) == "\xff\0"s);
    CHECK(port_frame("x") == "\0x"s);

    const auto out = parse_exec_frame("\x01hello").value();
    REQUIRE(out);
    CHECK(out->channel == ExecChannel::out);
    CHECK(out->bytes == "hello");
    CHECK(parse_exec_frame("\x02oops").value()->channel == ExecChannel::err);
    CHECK_FALSE(parse_exec_frame("").value());     // says nothing
    CHECK_FALSE(parse_exec_frame("\x01").value()); // how a channel is opened
    CHECK_FALSE(parse_exec_frame("\xff\x01").value());
}

TEST_CASE("a server that sends where only we may is not understood")
{
    for (const auto& message : {"\0x"s, "\x04x"s, "\x07x"s, "\x80x"s})
        CHECK(parse_exec_frame(message).error().kind == ErrorKind::unknown);
}

TEST_CASE("the status says the command's own code, or why it could not be run")
{
    CHECK(parse_exec_status(status(R"("status":"Success")")).value().code == 0);
    CHECK(parse_exec_status(
              status(R"("status":"Failure","reason":"NonZeroExitCode","message":"command terminated",
        "details":{"causes":[{"reason":"Other","message":"9"},{"reason":"ExitCode","message":"137"}]})"))
              .value()
              .code == 137);
    const auto not_run = parse_exec_status(
        status(R"("status":"Failure","reason":"InternalError","message":"no such \u001b[31mprogram"})"));
    const auto failed = parse_exec_status(
        status(R"("status":"Failure","reason":"InternalError","message":"no such \u001b[31mprogram")"));
    CHECK(not_run.error().kind == ErrorKind::unknown); // broken JSON
    REQUIRE_FALSE(failed);
    CHECK(failed.error().kind == ErrorKind::failed);
    CHECK(failed.error().message == "the command could not be run: no such \\x1b[31mprogram");
}

TEST_CASE("a status that does not say how it ended is never a success")
{
    for (
        const auto* text :
        {"", "{}", "null", "[]", "\"Success\"", R"({"status":7})", R"({"status":""})",
         R"({"status":"Failure"})", R"({"status":"Failure","reason":"NonZeroExitCode"})",
         R"({"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode"}]}})",
         R"({"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"1e2"}]}})",
         R"({"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"-1"}]}})",
         R"({"status":"Failure","reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"256"}]}})",
         R"({"status":"Failure","reason":"NonZeroExitCode","details":{"causes":17}})"}) {
        INFO(text);
        const auto end = parse_exec_status(text);
        REQUIRE_FALSE(end);
        CHECK(end.error().kind == ErrorKind::unknown);
    }
    CHECK_FALSE(parse_exec_status(std::string(2U << 20U, '[')));
}

TEST_CASE("the port's number comes first on each channel, in whatever pieces")
{
    PortFrames frames(8080); // 0x1f90
    CHECK(frames.feed("\0\x90"s).value().empty());
    CHECK(frames.feed("\0\x1f"s).value().empty());
    CHECK(frames.feed("\x01\x90\x1f"s).value().empty());
    CHECK(frames.feed("\0data"s).value() == "data");
    CHECK(frames.feed("\0\x90\x1f"s).value() == "\x90\x1f");
    CHECK(frames.error().empty());
    CHECK(frames.feed("").value().empty());
    CHECK(frames
              .feed("\x01"
                    "connection refused\n")
              .value()
              .empty());
    CHECK(frames.error() == "connection refused");

    PortFrames at_once(80);
    CHECK(at_once.feed("\0\x50\0first"s).value() == "first");
}

TEST_CASE("another port or channel than the one asked for is not understood")
{
    PortFrames frames(8080);
    CHECK(frames.feed("\0\x50\0"s).error().kind == ErrorKind::unknown);
    PortFrames other(8080);
    CHECK(other.feed("\x02xx"s).error().kind == ErrorKind::unknown);
}

TEST_CASE("no bytes of a server are too odd, and what is kept of them is bounded")
{
    std::mt19937 random(7); // NOLINT(cert-msc51-cpp): the same each time
    PortFrames frames(8080);
    (void)frames.feed("\x01\x90\x1f"s);
    for (int i = 0; i < 20'000; ++i) {
        std::string message(random() % 64, '\0');
        for (auto& c : message)
            c = static_cast<char>(random());
        (void)parse_exec_frame(message);
        (void)parse_exec_status(message);
        (void)PortFrames(8080).feed(message);
        (void)frames.feed("\x01" + message);
    }
    CHECK(frames.error().size() < 64U << 10U);
}

TEST_CASE("a path names the command word by word, encoded, in its order")
{
    const ExecCall call{"audio", "agent-1", "main", {"sh", "-c", "echo \"a&b=c\" > /tmp/x"}, false};
    CHECK(exec_path(call, true, true) ==
          "/api/v1/namespaces/audio/pods/agent-1/exec?stdout=true&stdin=true&stderr=true&tty=false"
          "&container=main&command=sh&command=-c&command=echo%20%22a%26b%3Dc%22%20%3E%20%2Ftmp%2Fx");
    CHECK(exec_path({"audio", "a", "", {"ls"}, true}, false, true) ==
          "/api/v1/namespaces/audio/pods/a/exec?stdout=true&stdin=false&stderr=false&tty=true&command=ls");
    CHECK(port_path({"audio", "a", 8080}) == "/api/v1/namespaces/audio/pods/a/portforward?ports=8080");
}
