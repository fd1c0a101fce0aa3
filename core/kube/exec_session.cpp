// SPDX-License-Identifier: Apache-2.0
#include "core/kube/channels.hpp"
#include "core/kube/sessions.hpp"

#include <array>
#include <cerrno>
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

namespace conduit::kube {
namespace {

constexpr std::size_t k_piece = 32U << 10U;
constexpr std::size_t k_ahead = 512U << 10U; // read of the input before it has left
constexpr std::size_t k_max_status = 1U << 20U;
constexpr Duration k_last_words{1'000}; // of a server that has sent the status

// Reads stdin in a thread of its own: a terminal and a file cannot both be waited for in a loop.
class InputReader {
  public:
    // piece: "" at the end. It is called in the reader's thread; the next piece waits for next().
    InputReader(int fd, std::function<void(std::string piece)> piece)
        : fd_(fd), wake_(::eventfd(0, EFD_CLOEXEC)), piece_(std::move(piece)), thread_([this] { run(); })
    {
    }
    InputReader(const InputReader&) = delete;
    InputReader& operator=(const InputReader&) = delete;
    ~InputReader()
    {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
        }
        wanted_.notify_all();
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto woken = ::write(wake_.get(), &one, sizeof one);
    }

    void next()
    {
        {
            const std::lock_guard lock(mutex_);
            may_ = true;
        }
        wanted_.notify_all();
    }

  private:
    bool allowed()
    {
        std::unique_lock lock(mutex_);
        wanted_.wait(lock, [this] { return may_ || stopping_; });
        may_ = false;
        return !stopping_;
    }

    void run()
    {
        std::string buffer(k_piece, '\0');
        while (allowed()) {
            std::array<pollfd, 2> ready{{{fd_, POLLIN, 0}, {wake_.get(), POLLIN, 0}}};
            while (::poll(ready.data(), ready.size(), -1) < 0 && errno == EINTR) {
            }
            if (ready[1].revents != 0)
                return;
            auto got = ::read(fd_, buffer.data(), buffer.size());
            while (got < 0 && errno == EINTR)
                got = ::read(fd_, buffer.data(), buffer.size());
            piece_(got > 0 ? buffer.substr(0, static_cast<std::size_t>(got)) : std::string());
            if (got <= 0)
                return;
        }
    }

    const int fd_;
    const UniqueFd wake_;
    const std::function<void(std::string)> piece_;
    std::mutex mutex_;
    std::condition_variable wanted_;
    bool may_ = true, stopping_ = false;
    std::jthread thread_;
};

class ExecSession {
  public:
    ExecSession(WebSocket& socket, const RemoteIo& io, bool tty, const Cancel& cancel, Deadline deadline)
        : socket_(socket), io_(io), tty_(tty), cancel_(cancel), deadline_(deadline)
    {
    }

    Result<RemoteEnd> run()
    {
        if (tty_ && io_.size)
            tell_size();
        if (io_.in >= 0)
            input_ = std::make_unique<InputReader>(
                io_.in, [this](std::string piece) { // the socket outlives the reader
                    socket_.post([this, piece = std::move(piece)] { take_input(piece); });
                });
        const auto ran = socket_.run({.message = [this](std::string_view message) { take(message); },
                                      .drained =
                                          [this] {
                                              if (input_ && !input_ended_)
                                                  input_->next();
                                          },
                                      .tick = [this] { look(); }});
        input_.reset();
        if (!status_.empty())
            return parse_exec_status(status_);
        if (fault_)
            return *fault_;
        if (!ran)
            return Error{ErrorKind::unknown, "the connection ended before the command did"}.with_cause(
                ran.error().cause.empty() ? ran.error().message : ran.error().cause);
        return fail(ErrorKind::unknown,
                    "the API server ended the stream without saying how the command ended");
    }

  private:
    void take(std::string_view message)
    {
        const auto frame = parse_exec_frame(message);
        if (!frame)
            return give_up(frame.error());
        if (!*frame)
            return;
        const auto& [channel, bytes] = **frame;
        if (channel == ExecChannel::status) {
            if (status_.size() + bytes.size() > k_max_status)
                return give_up({ErrorKind::unknown, "the API server sent too long a status"});
            status_ += bytes;
            said_ = Deadline(k_last_words);
            return;
        }
        const auto& sink = channel == ExecChannel::err ? io_.err : io_.out;
        if (sink && !sink(bytes))
            give_up({ErrorKind::interrupted, "nobody reads the command's output any more"});
    }

    void take_input(const std::string& piece)
    {
        if (!piece.empty()) {
            socket_.send(channel_frame(ExecChannel::in, piece));
            if (socket_.queued() < k_ahead)
                input_->next();
            return;
        }
        input_ended_ = true;
        if (socket_.protocol() == k_protocol_v5)
            return socket_.send(close_frame(ExecChannel::in));
        if (tty_)
            return socket_.send(channel_frame(ExecChannel::in, "\x04"));
        if (io_.end_in)
            give_up({ErrorKind::unknown,
                     "the input has ended, and this API server has no way to tell the command so",
                     "Give the input from a file or a pipe, or run it on a terminal with -t."});
    }

    void tell_size()
    {
        const auto now = io_.size();
        if (now == size_)
            return;
        size_ = now;
        socket_.send(resize_frame(now));
    }

    void look()
    {
        if (said_.passed())
            return socket_.stop(); // it has said how the command ended, and does not hang up
        if (cancel_.requested())
            return give_up({ErrorKind::interrupted, "interrupted; the command may go on where it runs"});
        if (deadline_.passed())
            return give_up({ErrorKind::unknown, "the command was still running when the time was over"});
        if (tty_ && io_.size)
            tell_size();
    }

    void give_up(Error error)
    {
        if (!fault_)
            fault_ = std::move(error);
        socket_.stop();
    }

    WebSocket& socket_;
    const RemoteIo& io_;
    const bool tty_;
    const Cancel& cancel_;
    const Deadline deadline_;
    std::unique_ptr<InputReader> input_;
    bool input_ended_ = false;
    std::optional<TerminalSize> size_;
    std::string status_;
    Deadline said_ = Deadline::never();
    std::optional<Error> fault_;
};

} // namespace

Result<RemoteEnd> run_exec(WebSocket& socket, const RemoteIo& io, bool tty, const Cancel& cancel,
                           Deadline deadline)
{
    return ExecSession(socket, io, tty, cancel, deadline).run();
}

} // namespace conduit::kube
