// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/log_feed.hpp"
#include "cli/orchestrator/kubernetes/log_past.hpp"
#include "cli/orchestrator/kubernetes/pod_logs.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_transport.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <mutex>
#include <thread>

using namespace conduit;
using namespace conduit::kubernetes;

namespace {

const Deadline k_soon(20s);

std::string line(int second, std::string_view text)
{
    return fmt::format("2026-11-22T10:00:{:02}.000000000Z {}\n", second, text);
}

// Two pods whose logs are given in pieces.
class LogServer final : public kube::Transport {
  public:
    std::map<std::string, std::vector<std::string>> logs; // by pod
    bool breaks_off = false;

    Result<kube::Answer> send(const kube::Call& call, Deadline) override
    {
        if (call.path.contains("/pods?"))
            return kube::Answer{200, {}, k_pods};
        return kube::Answer{404, {}, R"({"kind":"Status","reason":"NotFound","message":"no such thing"})"};
    }
    Result<kube::Answer> stream(const kube::Call& call, const kube::OnPiece& piece, Deadline) override
    {
        const auto from = call.path.find("/pods/") + 6;
        const auto pod = call.path.substr(from, call.path.find('/', from) - from);
        {
            const std::lock_guard lock(mutex_);
            asked.push_back(call.path);
        }
        for (const auto& one : logs.at(pod))
            if (!piece(one))
                break;
        kube::Answer answer{200, {}, {}};
        answer.whole = !breaks_off;
        return answer;
    }
    std::string server() const override { return "https://api.test"; }

    std::vector<std::string> asked;

  private:
    static constexpr const char* k_pods =
        R"({"metadata":{},"items":[{"metadata":{"name":"a"},"spec":{"containers":[{"name":"main"}]}},
                                   {"metadata":{"name":"b"},"spec":{"containers":[{"name":"main"}]}}]})";
    std::mutex mutex_;
};

struct Fixture {
    std::unique_ptr<LogServer> owned = std::make_unique<LogServer>();
    LogServer& server = *owned;
    kube::Api api{std::move(owned), system_clock()};
    WorkloadApi workloads{api, "audio"};
    Cancel cancel;
    std::vector<std::string> told;

    Result<> read(LogQuery query, std::size_t enough = 1000)
    {
        told.clear();
        return pod_logs(
            workloads, query,
            [&](const LogLine& one) {
                told.push_back(one.instance + " " + one.text);
                return told.size() < enough;
            },
            cancel, k_soon);
    }
};

using Lines = std::vector<std::string>;

} // namespace

TEST_CASE_METHOD(Fixture, "lines of many pods come in the order of their times, wherever they were cut")
{
    const auto a = line(1, "one") + line(3, "three") + line(5, "five, and no end");
    server.logs["a"] = {a.substr(0, 20), a.substr(20, 30), a.substr(50, a.size() - 51)};
    server.logs["b"] = {line(2, "two") + "  a trace without a time\n" + line(4, "four")};
    const Lines all{"a one",   "b two",  "b   a trace without a time",
                    "a three", "b four", "a five, and no end"};
    REQUIRE(read({.tail = 100}));
    CHECK(told == all);
    CHECK(server.asked[0].contains("tailLines=100"));
    REQUIRE(read({})); // all there is: both are read at once
    CHECK(told == all);
    REQUIRE(read({.tail = 100}, 2));
    CHECK(told == Lines{"a one", "b two"});
}

TEST_CASE_METHOD(Fixture, "of the lines that match an expression the last are kept")
{
    server.logs["a"] = {line(1, "error 1"), line(2, "fine"), line(3, "error 2"), line(5, "error 3")};
    server.logs["b"] = {line(4, "error 4"), line(6, "fine")};
    REQUIRE(read({.tail = 2, .grep = "error"}));
    CHECK(told == Lines{"a error 2", "b error 4", "a error 3"});
    CHECK_FALSE(server.asked[0].contains("tailLines"));
}

TEST_CASE_METHOD(Fixture, "a log that breaks off is not taken for a whole one")
{
    server.logs["a"] = {line(1, "one")};
    server.logs["b"] = {line(2, "two")};
    server.breaks_off = true;
    const auto how = read({.instances = {"b"}, .tail = 10});
    REQUIRE_FALSE(how);
    CHECK(how.error().kind == ErrorKind::unknown);
    CHECK(how.error().message == "the log of b broke off in the middle");
    CHECK(told == Lines{"b two"});
}

TEST_CASE_METHOD(Fixture, "a name that is neither a workload nor an instance is told with the nearest")
{
    const auto how = read({.instances = {"aa"}});
    CHECK(how.error().kind == ErrorKind::not_found);
    CHECK(how.error().message.contains("unknown instance 'aa'"));
}

TEST_CASE("a reader that is ahead of the merger waits, and ends when nobody wants more")
{
    LogFeed feed(100);
    std::atomic<int> pushed{0};
    std::jthread reader([&] {
        while (feed.push(std::string(60, 'x') + "\n"))
            ++pushed;
        feed.end();
    });
    REQUIRE(feed.next());
    CHECK(feed.line().text.size() == 60);
    REQUIRE(feed.next());
    CHECK(pushed <= 4); // one taken, one waiting, and the one that was given on
    feed.stop();
    reader.join();
    CHECK_FALSE(feed.next());
}

TEST_CASE("a line without an end is cut after a mebibyte, so that no log can fill the memory")
{
    LineCutter cutter;
    std::vector<std::size_t> sizes;
    const auto take = [&](std::string_view one) {
        sizes.push_back(one.size());
        return true;
    };
    for (int i = 0; i < 40; ++i)
        cutter.feed(std::string(64U << 10U, 'x'), take);
    cutter.feed("\n", take);
    REQUIRE(sizes.size() == 3);
    CHECK(sizes[0] == (1U << 20U) + (64U << 10U));
    CHECK(sizes[0] + sizes[1] + sizes[2] == 40 * (64U << 10U));
}
