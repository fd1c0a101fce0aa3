// SPDX-License-Identifier: Apache-2.0
#include "core/kube/channels.hpp"
#include "core/kube/sessions.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <fmt/format.h>
#include <mutex>
#include <poll.h>
#include <sys/socket.h>
#include <thread>

namespace conduit::kube {
namespace {

constexpr std::size_t k_piece = 32U << 10U;
constexpr std::size_t k_high = 1U << 20U; // of bytes kept for one side; then the other is not read
constexpr std::size_t k_low = 256U << 10U;
// The protocol cannot say that one direction has ended. After ours has, the pod's answer is waited for so
// long.
constexpr Duration k_linger{10'000};
constexpr int k_patience = 5'000; // milliseconds, with a client that does not read

class PortSession final : public PortStream {
  public:
    PortSession(std::unique_ptr<WebSocket> socket, std::uint16_t port, UniqueFd local, const Cancel& cancel)
        : socket_(std::move(socket)), local_(std::move(local)), cancel_(cancel), frames_(port), port_(port),
          thread_([this] { run(); })
    {
    }
    PortSession(const PortSession&) = delete;
    PortSession& operator=(const PortSession&) = delete;
    ~PortSession() override { cut_ = true; }

    bool ended() const override { return ended_; }
    void wait() override { ended_.wait(false); }
    void cut() override { cut_ = true; }
    std::optional<Error> fault() const override
    {
        const std::lock_guard lock(mutex_);
        return fault_;
    }

  private:
    void run()
    {
        read_local();
        const auto ran = socket_->run({.message = [this](std::string_view message) { take(message); },
                                       .drained =
                                           [this] {
                                               if (held_back_)
                                                   read_local();
                                           },
                                       .tick = [this] { look(); }});
        if (!ran && !stopped_)
            set_fault(ran.error());
        flush();
        // A client learns from a reset, and not from an end, that what it has is not all.
        if (fault() || tired_) {
            const linger reset{1, 0};
            ::setsockopt(local_.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        }
        socket_.reset();
        local_.reset();
        ended_ = true;
        ended_.notify_all();
    }

    void take(std::string_view message)
    {
        const auto bytes = frames_.feed(message);
        if (!bytes)
            return give_up(bytes.error());
        if (!frames_.error().empty())
            return give_up({ErrorKind::failed, fmt::format("port {}: {}", port_, frames_.error())});
        idle_ = Deadline(k_linger);
        to_local_ += *bytes;
        write_local();
    }

    void write_local()
    {
        if (waiting_to_write_ || local_gone_)
            return;
        while (at_ < to_local_.size()) {
            const auto sent = ::send(local_.get(), to_local_.data() + at_, to_local_.size() - at_,
                                     MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent < 0 && errno == EINTR)
                continue;
            if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
                to_local_.erase(0, at_);
                at_ = 0;
                waiting_to_write_ = true;
                socket_->pause(to_local_.size() > k_high);
                socket_->when_writable(local_.get(), [this] {
                    waiting_to_write_ = false;
                    write_local();
                    if (to_local_.size() < k_low)
                        socket_->pause(false);
                });
                return;
            }
            if (sent < 0) { // it has gone, with what it did not read
                local_gone_ = true;
                return stop();
            }
            at_ += static_cast<std::size_t>(sent);
        }
        to_local_.clear();
        at_ = 0;
    }

    // The pod's side has ended; what is left is written, for as long as somebody takes it.
    void flush()
    {
        while (!local_gone_ && !cut_ && at_ < to_local_.size()) {
            const auto sent = ::send(local_.get(), to_local_.data() + at_, to_local_.size() - at_,
                                     MSG_NOSIGNAL | MSG_DONTWAIT);
            if (sent > 0)
                at_ += static_cast<std::size_t>(sent);
            const bool full = sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
            pollfd room{local_.get(), POLLOUT, 0};
            if ((full && ::poll(&room, 1, k_patience) == 0) || (sent < 0 && !full && errno != EINTR))
                return set_fault({ErrorKind::failed, "the client stopped reading"});
        }
    }

    void read_local()
    {
        held_back_ = false;
        socket_->when_readable(local_.get(), [this] { take_local(); });
    }

    void take_local()
    {
        std::array<char, k_piece> buffer; // NOLINT(cppcoreguidelines-pro-type-member-init): read into
        const auto got = ::recv(local_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
            return read_local();
        if (got < 0)
            return stop();
        if (got == 0) {
            half_closed_ = true;
            idle_ = Deadline(k_linger);
            return;
        }
        socket_->send(port_frame({buffer.data(), static_cast<std::size_t>(got)}));
        if (socket_->queued() > k_low)
            held_back_ = true; // until all has left
        else
            read_local();
    }

    void look()
    {
        const bool quiet = half_closed_ && idle_.passed() && socket_->queued() == 0 && to_local_.empty();
        tired_ = tired_ || quiet;
        if (quiet || cut_ || cancel_.requested())
            stop();
    }

    void stop()
    {
        stopped_ = true;
        socket_->stop();
    }

    void give_up(Error error)
    {
        set_fault(std::move(error));
        stop();
    }

    void set_fault(Error error)
    {
        const std::lock_guard lock(mutex_);
        if (!fault_)
            fault_ = std::move(error);
    }

    std::unique_ptr<WebSocket> socket_;
    UniqueFd local_;
    const Cancel& cancel_;
    PortFrames frames_;
    const std::uint16_t port_;
    std::string to_local_;
    std::size_t at_ = 0;
    bool waiting_to_write_ = false, held_back_ = false, half_closed_ = false, local_gone_ = false;
    bool stopped_ = false, tired_ = false;
    Deadline idle_ = Deadline::never();
    std::atomic<bool> cut_{false}, ended_{false};
    mutable std::mutex mutex_;
    std::optional<Error> fault_;
    std::jthread thread_; // the last: it uses all others
};

} // namespace

std::unique_ptr<PortStream> run_port(std::unique_ptr<WebSocket> socket, std::uint16_t port, UniqueFd local,
                                     const Cancel& cancel)
{
    return std::make_unique<PortSession>(std::move(socket), port, std::move(local), cancel);
}

} // namespace conduit::kube
