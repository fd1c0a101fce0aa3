// SPDX-License-Identifier: Apache-2.0
// Commands, files and ports of pods on the cluster of CONDUIT_TEST_KUBECONFIG, see tests/cluster.
#include "cli/backend/tunnel.hpp"
#include "cli/orchestrator/copy.hpp"
#include "tests/contract/streams_world.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/socket_client.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::test;

namespace {

std::string random_bytes_of(std::size_t size)
{
    std::string text(size, '\0');
    random_bytes(reinterpret_cast<std::uint8_t*>(text.data()), size);
    return text;
}

struct Ran {
    Result<RemoteEnd> end;
    std::string out, err;
};

Ran run(InstanceStreams& streams, const StreamPlace& place, std::vector<std::string> command, int in = -1,
        Deadline deadline = Deadline(60s))
{
    const Cancel cancel;
    Ran ran{RemoteEnd{}, {}, {}};
    const RemoteIo io{.out =
                          [&](std::string_view bytes) {
                              ran.out += bytes;
                              return true;
                          },
                      .err =
                          [&](std::string_view bytes) {
                              ran.err += bytes;
                              return true;
                          },
                      .in = in,
                      .end_in = true,
                      .size = {}};
    ran.end =
        streams.exec({place.instance, place.container, std::move(command), false}, io, cancel, deadline);
    return ran;
}

Ran sh(const std::string& script, int in = -1)
{
    auto& w = StreamsWorld::get();
    return run(*w.streams, w.box, {"sh", "-c", script}, in);
}

UniqueFd file_with(const TempDir& dir, const std::string& text)
{
    const auto path = dir.path() / "in";
    REQUIRE(write_file(path, text));
    return UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

} // namespace

TEST_CASE("a command ends with its own code, as kubectl says, and its outputs come apart")
{
    CONDUIT_NEEDS_CLUSTER;
    const int code = GENERATE(0, 1, 3, 126, 255);
    const auto script = fmt::format("printf out; printf err >&2; exit {}", code);
    const auto ran = sh(script);
    REQUIRE(ran.end);
    CHECK(ran.end->code == code);
    CHECK(ran.out == "out");
    CHECK(ran.err == "err");
    if (const auto theirs = w.kubectl({"exec", "box", "-c", "main", "--", "sh", "-c", script})) {
        CHECK(theirs->exit_code == ran.end->code);
        CHECK(theirs->out == ran.out);
    }
}

TEST_CASE("fifty megabytes of output arrive whole")
{
    CONDUIT_NEEDS_CLUSTER;
    const auto ran =
        sh("head -c 50000000 /dev/urandom >/t/big; sha256sum </t/big >&2; cat /t/big; rm /t/big");
    REQUIRE(ran.end);
    CHECK(ran.end->code == 0);
    CHECK(ran.out.size() == 50'000'000);
    CHECK(ran.err == sha256_hex(ran.out) + "  -\n");
}

TEST_CASE("an input is read to its end by the command, from a file and from a pipe")
{
    CONDUIT_NEEDS_CLUSTER;
    const TempDir dir = TempDir::make("conduit-in").value();
    const auto text = random_bytes_of(5'000'000);
    const auto file = file_with(dir, text);
    const auto hash = sha256_hex(text) + "  -\n";
    CHECK(sh("sha256sum", file.get()).out == hash);
    int ends[2] = {-1, -1};
    REQUIRE(::pipe(static_cast<int*>(ends)) == 0);
    const UniqueFd in(ends[0]);
    std::jthread writer([&] {
        (void)write_all(ends[1], text, "the pipe").has_value();
        ::close(ends[1]);
    });
    const auto piped = sh("sha256sum; exit 4", in.get());
    REQUIRE(piped.end);
    CHECK(piped.out == hash);
    CHECK(piped.end->code == 4);
    const auto none = file_with(dir, "");
    CHECK(sh("wc -c", none.get()).out == "0\n");
    // A command that does not read its input ends all the same.
    for (int i = 0; i < 5; ++i) {
        ::lseek(file.get(), 0, SEEK_SET);
        const auto ran = sh("exit 9", file.get());
        INFO((ran.end ? std::string() : ran.end.error().message));
        REQUIRE(ran.end);
        CHECK(ran.end->code == 9);
    }
}

TEST_CASE("output goes on while input comes, in both directions at once")
{
    CONDUIT_NEEDS_CLUSTER;
    const TempDir dir = TempDir::make("conduit-in").value();
    const auto text = random_bytes_of(8'000'000);
    const auto file = file_with(dir, text);
    const auto ran = sh("cat", file.get());
    REQUIRE(ran.end);
    CHECK(sha256_hex(ran.out) == sha256_hex(text));
}

TEST_CASE("the container is the one that is meant, and names that are not there are not found")
{
    CONDUIT_NEEDS_CLUSTER;
    const auto side = w.streams->place("box", "side", Deadline(20s)).value();
    CHECK(run(*w.streams, side, {"sh", "-c", "echo $WHO"}).out == "side\n");
    CHECK(sh("echo $WHO").out == "main\n");
    const auto container = w.streams->place("box", "sied", Deadline(20s));
    REQUIRE_FALSE(container);
    CHECK(container.error().kind == ErrorKind::not_found);
    CHECK(container.error().message.contains("side"));
    const auto pod = w.streams->place("bxo", "", Deadline(20s));
    REQUIRE_FALSE(pod);
    CHECK(pod.error().kind == ErrorKind::not_found);
    CHECK(pod.error().message.contains("box"));
    // Gone between the look and the command.
    const auto gone = run(*w.streams, {"nobox", "main", true}, {"true"});
    REQUIRE_FALSE(gone.end);
    CHECK(gone.end.error().kind == ErrorKind::not_found);
}

TEST_CASE("a program that is not in the image is told, and is no success")
{
    CONDUIT_NEEDS_CLUSTER;
    const auto ran = run(*w.streams, w.box, {"no-such-program"});
    REQUIRE_FALSE(ran.end);
    CHECK(ran.end.error().kind == ErrorKind::failed);
    CHECK(ran.end.error().message.contains("no-such-program"));
}

TEST_CASE("who may not is told the verb and the resource, for commands and for ports")
{
    CONDUIT_NEEDS_CLUSTER;
    const auto nobody = w.as("k1-nobody");
    const auto looked = nobody->place("box", "", Deadline(20s));
    REQUIRE_FALSE(looked);
    CHECK(looked.error().kind == ErrorKind::auth);
    const auto ran = run(*nobody, w.box, {"true"});
    REQUIRE_FALSE(ran.end);
    CHECK(ran.end.error().kind == ErrorKind::auth);
    CHECK(ran.end.error().message.contains("cannot get resource \"pods/exec\""));
    CHECK(ran.end.error().hint.contains("create"));
    const Cancel cancel;
    const auto port =
        nobody->open_port("box", 9000, UniqueFd(::socket(AF_UNIX, SOCK_STREAM, 0)), cancel, Deadline(20s));
    REQUIRE_FALSE(port);
    CHECK(port.error().kind == ErrorKind::auth);
    CHECK(port.error().message.contains("cannot get resource \"pods/portforward\""));
}

TEST_CASE("only a server of the kubeconfig's authority and name is entered")
{
    CONDUIT_NEEDS_CLUSTER;
    const Cancel cancel;
    const auto exec = [&](const kube::Access& access) {
        return kube::make_streams(access, kube::make_credentials(access, system_clock()))
            ->exec({w.space, "box", "main", {"sh", "-c", "exit 3"}, false}, {}, cancel, Deadline(20s));
    };
    auto access = w.access();
    CHECK(exec(access).value().code == 3);
    access.cluster.tls_server_name = "kubernetes.default.svc";
    CHECK(exec(access).value().code == 3);
    access.cluster.tls_server_name = "other.test";
    CHECK(exec(access).error().kind == ErrorKind::unreachable);
    access = w.access();
    access.cluster.ca = {}; // the system's, which know nothing of it
    CHECK(exec(access).error().kind == ErrorKind::unreachable);
    access.cluster.insecure = true;
    CHECK(exec(access).value().code == 3);
}

TEST_CASE("a pod that is deleted under its command is no success")
{
    CONDUIT_NEEDS_CLUSTER;
    w.make_pod("short");
    const auto place = w.streams->place("short", "main", Deadline(20s)).value();
    const Cancel cancel;
    std::atomic<bool> began{false};
    const RemoteIo io{.out =
                          [&](std::string_view) {
                              began = true;
                              return true;
                          },
                      .err = {},
                      .in = -1,
                      .end_in = true,
                      .size = {}};
    std::jthread killer([&] {
        eventually([&] { return began.load(); }, 30s);
        w.remove_pod("short");
    });
    const auto end = w.streams->exec({"short", "main", {"sh", "-c", "echo began; sleep 600"}, false}, io,
                                     cancel, Deadline(90s));
    CHECK(began);
    if (end)
        CHECK(end->code != 0);
    else
        CHECK(end.error().kind == ErrorKind::unknown);
}

TEST_CASE("a command that takes too long, or is stopped, is left at once")
{
    CONDUIT_NEEDS_CLUSTER;
    const auto timed = run(*w.streams, w.box, {"sh", "-c", "sleep 30"}, -1, Deadline(1500ms));
    REQUIRE_FALSE(timed.end);
    CHECK(timed.end.error().kind == ErrorKind::unknown);
    Cancel cancel;
    const RemoteIo io{.out =
                          [&](std::string_view) {
                              cancel.request();
                              return true;
                          },
                      .err = {},
                      .in = -1,
                      .end_in = true,
                      .size = {}};
    const auto stopped =
        w.streams->exec({"box", "main", {"sh", "-c", "echo x; sleep 30"}, false}, io, cancel, Deadline(60s));
    REQUIRE_FALSE(stopped);
    CHECK(stopped.error().kind == ErrorKind::interrupted);
}

TEST_CASE("a terminal there has the size of the one here")
{
    CONDUIT_NEEDS_CLUSTER;
    const Cancel cancel;
    std::string out;
    int ends[2] = {-1, -1};
    REQUIRE(::pipe(static_cast<int*>(ends)) == 0);
    const UniqueFd in(ends[0]), writer(ends[1]); // an input that does not end
    std::atomic<int> columns{111};
    const RemoteIo io{.out =
                          [&](std::string_view bytes) {
                              out += bytes;
                              if (out.contains("37 111"))
                                  columns = 99;
                              return true;
                          },
                      .err = {},
                      .in = in.get(),
                      .end_in = true,
                      .size = [&] { return TerminalSize{static_cast<std::uint16_t>(columns.load()), 37}; }};
    const auto end =
        w.streams->exec({"box",
                         "main",
                         {"sh", "-c", "until stty size | grep '37 99'; do stty size; usleep 50000; done"},
                         true},
                        io, cancel, Deadline(30s));
    INFO(out << (end ? std::string() : end.error().message + ": " + end.error().cause));
    REQUIRE(end);
    CHECK(end->code == 0);
    CHECK(out.contains("37 111"));
}

TEST_CASE("files of thirty megabytes and of none go in and out with equal hashes")
{
    CONDUIT_NEEDS_CLUSTER;
    const Cancel cancel;
    const TempDir dir = TempDir::make("conduit-cp").value();
    const auto text = random_bytes_of(GENERATE(std::size_t{0}, std::size_t{30'000'000}));
    REQUIRE(write_file(dir.path() / "a", text));
    const auto in = copy_in(*w.streams, {w.box, "/t/copied", dir.path() / "a"}, cancel, Deadline(120s));
    INFO((in ? std::string() : in.error().message + ": " + in.error().cause));
    REQUIRE(in);
    CHECK(in->sha256 == sha256_hex(text));
    CHECK(sh("sha256sum </t/copied").out == in->sha256 + "  -\n");
    const auto out = copy_out(*w.streams, {w.box, "/t/copied", dir.path() / "b"}, cancel, Deadline(120s));
    REQUIRE(out);
    CHECK(out->sha256 == in->sha256);
    CHECK(sha256_hex(read_file(dir.path() / "b").value()) == in->sha256);
    CHECK_FALSE(sh("ls -a /t").out.contains(".copied")); // what it came as
    (void)sh("rm /t/copied");
}

TEST_CASE("a place that is full or read-only gets no file, and keeps the one it has")
{
    CONDUIT_NEEDS_CLUSTER;
    const Cancel cancel;
    const TempDir dir = TempDir::make("conduit-cp").value();
    REQUIRE(write_file(dir.path() / "big", std::string(4'000'000, 'x')));
    // 64 MiB, as the runtime makes it.
    REQUIRE(sh("echo old >/dev/shm/file; head -c 66000000 /dev/zero >/dev/shm/fill").end);
    const auto full =
        copy_in(*w.streams, {w.box, "/dev/shm/file", dir.path() / "big"}, cancel, Deadline(120s));
    REQUIRE_FALSE(full);
    CHECK(full.error().kind == ErrorKind::failed);
    CHECK_FALSE(full.error().cause.empty()); // in the image's own words
    CHECK(sh("cat /dev/shm/file; ls -A /dev/shm; rm /dev/shm/*").out == "old\nfile\nfill\n");
    const auto nowhere =
        copy_in(*w.streams, {w.box, "/no/such/file", dir.path() / "big"}, cancel, Deadline(120s));
    REQUIRE_FALSE(nowhere);
    CHECK(nowhere.error().kind == ErrorKind::not_found);
    const std::string account = "/var/run/secrets/kubernetes.io/serviceaccount";
    REQUIRE(write_file(dir.path() / "small", "x"));
    const auto denied =
        copy_in(*w.streams, {w.box, account + "/new", dir.path() / "small"}, cancel, Deadline(20s));
    REQUIRE_FALSE(denied);
    CHECK(denied.error().kind == ErrorKind::failed);
    CHECK(denied.error().cause.contains("Read-only"));
    CHECK_FALSE(sh("ls " + account).out.contains("new"));
}

TEST_CASE("fifty connections at once, and twenty megabytes each way, come back as they went")
{
    CONDUIT_NEEDS_CLUSTER;
    const Cancel cancel;
    auto listener = listen_loopback(0).value();
    const auto port = listener.port;
    std::mutex mutex;
    std::vector<std::string> faults;
    PortRelay relay(std::move(listener.fd), open_port_of(*w.streams, "box", 9000, cancel),
                    [&](const Error& error) {
                        const std::lock_guard lock(mutex);
                        faults.push_back(error.message + ": " + error.cause);
                    });
    std::atomic<int> good{0};
    std::vector<std::jthread> clients;
    for (int i = 0; i < 50; ++i)
        clients.emplace_back([&] {
            const auto text = random_bytes_of(200'000);
            good += echoed(connect_to(port), text) == text ? 1 : 0;
        });
    clients.clear();
    CHECK(good == 50);
    const auto text = random_bytes_of(20'000'000);
    CHECK(sha256_hex(echoed(connect_to(port), text)) == sha256_hex(text));
    const std::lock_guard lock(mutex);
    CHECK(faults == std::vector<std::string>{});
}

TEST_CASE("a port that nobody listens on is a fault of the connection")
{
    CONDUIT_NEEDS_CLUSTER;
    const Cancel cancel;
    int pair[2] = {-1, -1};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, static_cast<int*>(pair)) == 0);
    const UniqueFd ours(pair[0]);
    const auto stream = w.streams->open_port("box", 9999, UniqueFd(pair[1]), cancel, Deadline(20s)).value();
    stream->wait();
    REQUIRE(stream->fault());
    CHECK(stream->fault()->message.contains("9999"));
    CHECK(read_to_end(ours.get()).empty());
}

TEST_CASE("a forward to a workload goes on with another pod when the first is gone")
{
    CONDUIT_NEEDS_CLUSTER;
    w.make_deployment("echo");
    const Cancel cancel;
    auto listener = listen_loopback(0).value();
    const auto port = listener.port;
    std::mutex mutex;
    std::vector<std::string> chosen;
    const PortRelay relay(std::move(listener.fd),
                          open_port_of(*w.streams, "echo", 9000, cancel, [&](const std::string& instance) {
                              const std::lock_guard lock(mutex);
                              chosen.push_back(instance);
                          }));
    CHECK(echoed(connect_to(port), "one") == "one");
    const auto first = [&] {
        const std::lock_guard lock(mutex);
        return chosen.at(0);
    }();
    w.remove_pod(first);
    CHECK(eventually([&] { return echoed(connect_to(port), "two") == "two"; }, 60s));
    const std::lock_guard lock(mutex);
    CHECK(chosen.back() != first);
}

TEST_CASE("a tunnel's socket reaches a server in the pod")
{
    CONDUIT_NEEDS_CLUSTER;
    const Cancel cancel;
    const auto tunnel = Tunnel::open(open_port_of(*w.streams, "box", 8080, cancel)).value();
    const auto client = connect_to(tunnel->socket());
    send_all(client.get(), "GET /hello HTTP/1.0\r\n\r\n");
    const auto answer = read_to_end(client.get());
    CHECK(answer.contains(" 200 OK\r\n"));
    CHECK(answer.ends_with("hello from the pod\n"));
}

TEST_CASE("the kubectl of the same cluster finds the same bytes")
{
    CONDUIT_NEEDS_CLUSTER;
    const std::string script = "seq 1 200000; seq 1 1000 >&2; exit 5";
    const auto theirs = w.kubectl({"exec", "box", "-c", "main", "--", "sh", "-c", script});
    if (!theirs)
        return; // it is not here
    const auto ours = sh(script);
    REQUIRE(ours.end);
    CHECK(ours.end->code == theirs->exit_code);
    CHECK(ours.out == theirs->out);
    CHECK(theirs->err.starts_with(ours.err)); // and a line of its own
}
