// SPDX-License-Identifier: Apache-2.0
// Streams through an API server that says what the test wants: refusals, faults, lies and silence.
#include "core/kube/streams.hpp"
#include "core/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/raw_http.hpp"
#include "tests/support/socket_client.hpp"
#include "tests/support/wait.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/sha.h>

using namespace conduit;
using namespace conduit::kube;
using namespace conduit::test;
using namespace std::string_literals;

namespace {

using Request = RawConnection::Message;
constexpr int k_binary = 2, k_close = 8, k_ping = 9, k_pong = 10;
const auto k_success = "\x03{\"status\":\"Success\"}"s;

std::string frame(int opcode, const std::string& payload)
{
    std::string out(1, static_cast<char>(0x80 | opcode));
    const auto size = payload.size();
    if (size < 126) {
        out += static_cast<char>(size);
    } else {
        out += static_cast<char>(127);
        for (int shift = 56; shift >= 0; shift -= 8)
            out += static_cast<char>(size >> static_cast<unsigned>(shift));
    }
    return out + payload;
}

std::string message(const std::string& payload)
{
    return frame(k_binary, payload);
}

struct Frame {
    int opcode = -1; // -1: the connection ended
    std::string payload;
};

Frame read_frame(RawConnection& from)
{
    const auto head = from.read_exactly(2);
    if (head.size() < 2)
        return {};
    std::size_t size = static_cast<unsigned char>(head[1]) & 0x7fU;
    if (size >= 126) {
        const auto more = from.read_exactly(size == 126 ? 2 : 8);
        size = 0;
        for (const char c : more)
            size = (size << 8U) | static_cast<unsigned char>(c);
    }
    const auto mask = from.read_exactly(4);
    Frame out{head[0] & 0x0f, from.read_exactly(size)};
    if (mask.size() < 4 || out.payload.size() < size)
        return {};
    for (std::size_t i = 0; i < size; ++i)
        out.payload[i] = static_cast<char>(out.payload[i] ^ mask[i % 4]);
    return out;
}

std::string upgrade(const Request& request, const std::string& protocol = "v4.channel.k8s.io")
{
    const auto key = request.header("sec-websocket-key") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    std::string sum(SHA_DIGEST_LENGTH, '\0');
    ::SHA1(reinterpret_cast<const unsigned char*>(key.data()), key.size(),
           reinterpret_cast<unsigned char*>(sum.data()));
    return fmt::format("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                       "Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {}\r\n\r\n",
                       base64_encode(sum), protocol);
}

std::string status_answer(int code, const std::string& reason, const std::string& text)
{
    return http_answer(
        code, "application/json",
        fmt::format(R"({{"kind":"Status","status":"Failure","reason":"{}","message":"{}","code":{}}})",
                    reason, text, code));
}

struct Session {
    ScriptedServer server;
    Cancel cancel;
    std::string out, err;
    Access access;

    explicit Session(ScriptedServer::Script script) : server(std::move(script))
    {
        access.cluster.server = fmt::format("http://127.0.0.1:{}", server.port());
    }
    std::unique_ptr<Streams> streams() const
    {
        return make_streams(access, make_credentials(access, system_clock()));
    }
    Result<RemoteEnd> exec(int in = -1, Deadline deadline = Deadline(10s), bool end_in = true)
    {
        const RemoteIo io{.out =
                              [this](std::string_view bytes) {
                                  out += bytes;
                                  return true;
                              },
                          .err =
                              [this](std::string_view bytes) {
                                  err += bytes;
                                  return true;
                              },
                          .in = in,
                          .end_in = end_in,
                          .size = {}};
        return streams()->exec({"audio", "agent-1", "main", {"ls"}, false}, io, cancel, deadline);
    }
};

// After the upgrade, these bytes, and the end.
ScriptedServer::Script says(std::string bytes, std::string protocol = "v4.channel.k8s.io")
{
    return [=](RawConnection& connection, int) {
        connection.send(upgrade(connection.read_message(false), protocol) + bytes);
        connection.closed();
    };
}

} // namespace

TEST_CASE("a command's outputs and its code come from their channels")
{
    Request seen;
    Session s([&](RawConnection& connection, int) {
        seen = connection.read_message(false);
        connection.send(upgrade(seen) + message("\x01") + message("\x02") + message("\x01out") +
                        message("\x02"
                                "err") +
                        message("\x03{\"status\":\"Failure\",\"reason\":\"NonZeroExitCode\",\"details\":"
                                "{\"causes\":[{\"reason\":\"ExitCode\",\"message\":\"42\"}]}}") +
                        frame(k_close, "\x03\xe8"));
        connection.closed();
    });
    s.access.user.token = "secret";
    const auto end = s.exec();
    REQUIRE(end);
    CHECK(end->code == 42);
    CHECK(s.out == "out");
    CHECK(s.err == "err");
    CHECK(seen.start.starts_with("GET /api/v1/namespaces/audio/pods/agent-1/exec?"));
    CHECK(seen.header("authorization") == "Bearer secret");
    CHECK(seen.header("sec-websocket-protocol") == "v5.channel.k8s.io, v4.channel.k8s.io");
}

TEST_CASE("a refused upgrade is the API server's own error")
{
    const auto refusal = [](int code, const std::string& reason, const std::string& text) {
        Session s([=](RawConnection& connection, int) {
            connection.read_message(false);
            connection.send(status_answer(code, reason, text));
        });
        return s.exec().error();
    };
    const auto forbidden =
        refusal(403, "Forbidden", "User maria cannot get resource pods/exec in the namespace audio");
    CHECK(forbidden.kind == ErrorKind::auth);
    CHECK(forbidden.message.contains("cannot get resource pods/exec"));
    CHECK(forbidden.hint.contains("get and create"));
    CHECK(refusal(404, "NotFound", "pods agent-1 not found").kind == ErrorKind::not_found);
    CHECK(refusal(400, "BadRequest", "container nope is not valid").kind == ErrorKind::failed);
    CHECK(refusal(503, "ServiceUnavailable", "later").kind == ErrorKind::unreachable);
    CHECK(refusal(200, "", "a page").message.contains("HTTP 200"));
}

TEST_CASE("a token that is refused is asked for anew, once")
{
    const TempDir dir = TempDir::make("conduit-token").value();
    std::vector<std::string> shown;
    Session s([&](RawConnection& connection, int) {
        const auto request = connection.read_message(false);
        shown.push_back(request.header("authorization"));
        REQUIRE(write_file(dir.path() / "token", "fresh"));
        if (shown.back() == "Bearer fresh")
            connection.send(upgrade(request) + message(k_success));
        else
            connection.send(status_answer(401, "Unauthorized", "Unauthorized"));
        connection.closed(std::chrono::seconds(2));
    });
    REQUIRE(write_file(dir.path() / "token", "stale"));
    s.access.user.token_file = dir.path() / "token";
    CHECK(s.exec());
    CHECK(shown == std::vector<std::string>{"Bearer stale", "Bearer fresh"});

    Session never([](RawConnection& connection, int) {
        connection.read_message(false);
        connection.send(status_answer(401, "Unauthorized", "Unauthorized"));
    });
    CHECK(never.exec().error().kind == ErrorKind::auth);
    CHECK(never.server.accepted() == 2);
}

TEST_CASE("an end without a status is unknown and never a success")
{
    const auto end = [](const std::string& bytes) { return Session(says(bytes)).exec().error().kind; };
    Session cut([](RawConnection& connection, int) {
        connection.send(upgrade(connection.read_message(false)) + message("\x01out"));
        connection.reset();
        connection.close();
    });
    CHECK(cut.exec().error().kind == ErrorKind::unknown);
    CHECK(end(message("\x01out") + frame(k_close, "")) == ErrorKind::unknown);
    CHECK(end(message("\x03") + frame(k_close, "")) == ErrorKind::unknown);
    CHECK(end(message("\x03{\"status\":\"Succ") + frame(k_close, "")) == ErrorKind::unknown);
}

TEST_CASE("bytes that break the protocol end the stream as unknown")
{
    const auto end = [](const std::string& bytes) { return Session(says(bytes)).exec().error().kind; };
    CHECK(end(message("\x07what")) == ErrorKind::unknown);
    CHECK(end("\xff\xff\xff\xff\xff\xff") == ErrorKind::unknown);
    CHECK(end("\x82\x7f\x7f\xff\xff\xff\xff\xff\xff\xff") == ErrorKind::unknown); // of 9 exabytes
    CHECK(end(message("\x01"s + std::string(5U << 20U, 'x'))) == ErrorKind::unknown);
    CHECK(end("HTTP/1.1 400 Bad Request\r\n\r\n") == ErrorKind::unknown);
    std::string statuses;
    for (int i = 0; i < 40; ++i)
        statuses += message("\x03"s + std::string(60'000, ' '));
    CHECK(end(statuses) == ErrorKind::unknown);
}

TEST_CASE("a status may come in pieces, and a server that does not hang up is left after it")
{
    Session s(says(message("\x03{\"status\":") + message("\x03\"Success\"}") + message("\x01late")));
    const auto end = s.exec();
    REQUIRE(end);
    CHECK(end->code == 0);
    CHECK(s.out == "late");
}

TEST_CASE("a server that never answers the upgrade is unknown, one that is not there unreachable")
{
    Session silent([](RawConnection& connection, int) { connection.closed(); });
    CHECK(silent.exec(-1, Deadline(300ms)).error().kind == ErrorKind::unknown);
    Session other([](RawConnection&, int) {});
    other.access.cluster.server = "http://127.0.0.1:1";
    CHECK(other.exec().error().kind == ErrorKind::unreachable);
    other.access.cluster.server = fmt::format("https://127.0.0.1:{}", other.server.port());
    CHECK(other.exec().error().kind == ErrorKind::unreachable);
    Session strange(says("", "v9.channel.k8s.io"));
    CHECK(strange.exec().error().kind == ErrorKind::failed);
}

TEST_CASE("a stop and the deadline end a stream that says nothing")
{
    Session late(says(""));
    CHECK(late.exec(-1, Deadline(300ms)).error().kind == ErrorKind::unknown);
    std::atomic<bool> upgraded{false};
    Session stopped([&](RawConnection& connection, int) {
        connection.send(upgrade(connection.read_message(false)));
        upgraded = true;
        connection.closed();
    });
    const std::jthread stopper([&] {
        eventually([&] { return upgraded.load(); });
        stopped.cancel.request();
    });
    CHECK(stopped.exec().error().kind == ErrorKind::interrupted);
}

TEST_CASE("a ping is answered, and the input comes unbroken with its end told in v5")
{
    const TempDir dir = TempDir::make("conduit-in").value();
    std::string text(300'000, 'x');
    for (std::size_t i = 0; i < text.size(); ++i)
        text[i] = static_cast<char>(i * 7);
    REQUIRE(write_file(dir.path() / "in", text));
    const UniqueFd in(::open((dir.path() / "in").c_str(), O_RDONLY));
    std::string got;
    bool pong = false, ended = false;
    Session s([&](RawConnection& connection, int) {
        connection.send(upgrade(connection.read_message(false), "v5.channel.k8s.io") +
                        frame(k_ping, "there?"));
        while (!(ended && pong)) {
            const auto next = read_frame(connection);
            if (next.opcode < 0)
                return;
            pong = pong || (next.opcode == k_pong && next.payload == "there?");
            if (next.opcode == k_binary && next.payload == "\xff\0"s)
                ended = true;
            else if (next.opcode == k_binary && next.payload.starts_with('\0'))
                got += next.payload.substr(1);
        }
        connection.send(message(k_success) + frame(k_close, ""));
        connection.closed();
    });
    REQUIRE(s.exec(in.get()));
    CHECK(pong);
    CHECK(ended);
    CHECK(got == text);
}

TEST_CASE("an input that ends where its end cannot be told is no success")
{
    Session s(says(""));
    const UniqueFd nothing(::open("/dev/null", O_RDONLY));
    const auto end = s.exec(nothing.get());
    REQUIRE_FALSE(end);
    CHECK(end.error().kind == ErrorKind::unknown);
    CHECK(end.error().hint.contains("-t"));
}

TEST_CASE("a proxy is asked for the way, and its refusal told")
{
    Session target(says(message(k_success)));
    std::string asked;
    ScriptedServer proxy([&](RawConnection& connection, int number) {
        asked = connection.read_message(false).start;
        if (number > 0) {
            connection.send("HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        connection.send("HTTP/1.1 200 OK\r\n\r\n");
        connection.send(upgrade(connection.read_message(false)) + message(k_success));
        connection.closed();
    });
    const auto address = target.access.cluster.server.substr(7);
    target.access.cluster.proxy_url = fmt::format("http://127.0.0.1:{}", proxy.port());
    CHECK(target.exec());
    CHECK(asked == fmt::format("CONNECT {} HTTP/1.1", address));
    CHECK(target.server.accepted() == 0);
    const auto refused = target.exec();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::unreachable);
    CHECK(refused.error().cause.contains("407"));
    target.access.cluster.proxy_url = "socks5://127.0.0.1:1080";
    CHECK(target.exec().error().kind == ErrorKind::usage);
}

TEST_CASE("a port's bytes go both ways, and its fault reaches the one who joined it")
{
    Session s([](RawConnection& connection, int number) {
        connection.send(upgrade(connection.read_message(false)) + message("\0\x90\x1f"s) +
                        message("\x01\x90\x1f"));
        if (number == 1) {
            connection.send(message("\x01"
                                    "connection refused"));
            connection.closed();
            return;
        }
        const auto got = read_frame(connection).payload;
        connection.send(message(got + " back") + frame(k_close, ""));
        connection.closed();
    });
    const auto join = [&] {
        int pair[2] = {-1, -1};
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, static_cast<int*>(pair)) == 0);
        auto stream =
            s.streams()->open_port({"audio", "agent-1", 8080}, UniqueFd(pair[1]), s.cancel, Deadline(10s));
        REQUIRE(stream);
        return std::pair(UniqueFd(pair[0]), *std::move(stream));
    };
    const auto [good, stream] = join();
    send_all(good.get(), "hello");
    CHECK(read_to_end(good.get()) == "hello back");
    stream->wait();
    CHECK_FALSE(stream->fault());
    const auto [bad, faulty] = join();
    faulty->wait();
    REQUIRE(faulty->fault());
    CHECK(faulty->fault()->message == "port 8080: connection refused");
}

TEST_CASE("a client that goes away, or is cut, ends the port's stream")
{
    std::atomic<int> left{0};
    Session s([&](RawConnection& connection, int) {
        connection.send(upgrade(connection.read_message(false)) + message("\0\x90\x1f"s));
        while (read_frame(connection).opcode == k_binary) {
        }
        ++left;
    });
    int pair[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, static_cast<int*>(pair)) == 0);
    UniqueFd ours(pair[0]);
    auto stream = s.streams()
                      ->open_port({"audio", "agent-1", 8080}, UniqueFd(pair[1]), s.cancel, Deadline(10s))
                      .value();
    send_all(ours.get(), "x");
    stream->cut();
    stream->wait();
    CHECK(eventually([&] { return left == 1; }));
    CHECK(read_to_end(ours.get()).empty());
}
