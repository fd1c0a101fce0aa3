// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/streams.hpp"

#include "core/text.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace conduit::local {
namespace {

constexpr std::size_t k_piece = 64U << 10U;

// One direction: what was read and is not written yet.
struct Flow {
    int from, to;
    std::array<char, k_piece> bytes{};
    std::size_t at = 0, end = 0;
    bool over = false;

    bool pending() const { return at < end; }
    short wants_in() const { return !over && !pending() ? POLLIN : short{0}; }
    short wants_out() const { return pending() ? POLLOUT : short{0}; }
    bool stuck() const { return errno == EAGAIN || errno == EINTR; }
    // false: an end has gone for good.
    bool move()
    {
        if (!over && !pending()) {
            const auto got = ::recv(from, bytes.data(), bytes.size(), MSG_DONTWAIT);
            if (got < 0)
                return stuck();
            at = 0;
            end = static_cast<std::size_t>(got);
            if (got == 0) {
                over = true;
                ::shutdown(to, SHUT_WR);
            }
        }
        if (!pending())
            return true;
        const auto sent = ::send(to, bytes.data() + at, end - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        at += sent > 0 ? static_cast<std::size_t>(sent) : 0;
        return sent >= 0 || stuck();
    }
};

class JoinedPort final : public PortStream {
  public:
    JoinedPort(UniqueFd local, UniqueFd port)
        : local_(std::move(local)), port_(std::move(port)), wake_(::eventfd(0, EFD_CLOEXEC)),
          thread_([this] { run(); })
    {
    }
    JoinedPort(const JoinedPort&) = delete;
    JoinedPort& operator=(const JoinedPort&) = delete;
    ~JoinedPort() override { wake(); }
    bool ended() const override { return ended_; }
    void wait() override { ended_.wait(false); }
    void cut() override { wake(); }
    std::optional<Error> fault() const override { return {}; }

  private:
    void wake()
    {
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto woken = ::write(wake_.get(), &one, sizeof one);
    }

    void run()
    {
        auto out = std::make_unique<Flow>(Flow{local_.get(), port_.get()});
        auto back = std::make_unique<Flow>(Flow{port_.get(), local_.get()});
        bool alive = true;
        while (alive && !(out->over && back->over && !out->pending() && !back->pending())) {
            const auto wants = [](int fd, int events) {
                return pollfd{events == 0 ? -1 : fd, static_cast<short>(events), 0};
            };
            std::array<pollfd, 3> ready{wants(local_.get(), out->wants_in() | back->wants_out()),
                                        wants(port_.get(), back->wants_in() | out->wants_out()),
                                        pollfd{wake_.get(), POLLIN, 0}};
            if (::poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR)
                break;
            alive = ready[2].revents == 0 && out->move() && back->move();
        }
        local_.reset();
        port_.reset();
        ended_ = true;
        ended_.notify_all();
    }

    UniqueFd local_, port_, wake_;
    std::atomic<bool> ended_{false};
    std::jthread thread_; // the last: it uses all others
};

class LocalStreams final : public InstanceStreams {
  public:
    explicit LocalStreams(Orchestrator& orchestrator) : orchestrator_(orchestrator) {}

    Result<StreamPlace> place(std::string_view name, std::string_view /*container*/,
                              Deadline deadline) override
    {
        TRY_ASSIGN(const auto all, orchestrator_.instances("", deadline));
        std::optional<StreamPlace> found;
        std::vector<std::string> names;
        for (const auto& instance : all) {
            names.insert(names.end(), {instance.name, instance.workload});
            StreamPlace place{instance.name, "", instance.ready};
            if (instance.name == name)
                return place;
            if (instance.workload == name && (!found || (instance.ready && !found->ready)))
                found = std::move(place);
        }
        if (found)
            return *found;
        return fail(ErrorKind::not_found, unknown_name("instance or workload", name, names),
                    "List them: conduitctl ps");
    }

    Result<RemoteEnd> exec(const ExecRequest& request, const RemoteIo& /*io*/, const Cancel& /*cancel*/,
                           Deadline /*deadline*/) override
    {
        return fail(
            ErrorKind::refused,
            fmt::format("{} is a process of this machine: nothing is to be entered", request.instance),
            "Run the command itself, here; or name a context of a cluster with -C.");
    }

    Result<std::unique_ptr<PortStream>> open_port(const std::string& /*instance*/, std::uint16_t port,
                                                  UniqueFd local, const Cancel& /*cancel*/,
                                                  Deadline /*deadline*/) override
    {
        return join_port(port, std::move(local));
    }

  private:
    Orchestrator& orchestrator_;
};

} // namespace

Result<std::unique_ptr<PortStream>> join_port(std::uint16_t port, UniqueFd local)
{
    UniqueFd joined(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (!joined || ::connect(joined.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) // NOLINT
        return fail(ErrorKind::unreachable,
                    fmt::format("port {} of this machine: {}", port, std::strerror(errno)));
    return std::unique_ptr<PortStream>(std::make_unique<JoinedPort>(std::move(local), std::move(joined)));
}

std::unique_ptr<InstanceStreams> make_instance_streams(Orchestrator& orchestrator)
{
    return std::make_unique<LocalStreams>(orchestrator);
}

} // namespace conduit::local
