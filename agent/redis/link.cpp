// SPDX-License-Identifier: Apache-2.0
#include "agent/redis/link.hpp"

#include "agent/redis/pending.hpp"
#include "core/cancel.hpp"
#include "core/fs.hpp"
#include "core/hash.hpp"
#include "core/redis/connection.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <fmt/format.h>
#include <mutex>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

namespace conduit::agent {
namespace {

constexpr std::size_t k_large = 64U << 10U;

// These say that another connection is needed, perhaps to another server.
bool ends_connection(std::string_view code)
{
    constexpr std::array codes{"READONLY", "LOADING", "MASTERDOWN", "NOAUTH"};
    return std::ranges::find(codes, code) != codes.end();
}

Duration shortened(Duration pause)
{
    std::uint8_t byte = 0;
    random_bytes(&byte, 1);
    return pause - pause * byte / 510;
}

} // namespace

struct RedisLink::Impl {
    explicit Impl(RedisLinkOptions o) : options(o), wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

    void run();
    bool pause(Duration duration); // false: something changed meanwhile
    Error serve(redis::Connection& connection);
    std::optional<Error> step(redis::Connection& connection);
    std::optional<Error> take_replies(redis::Connection& connection);
    bool take_queue();
    void beat();
    void signal() const;
    void go_up(const redis::Connection& connection);
    void go_away(const Error& error);
    std::string where() const;

    const RedisLinkOptions options;
    UniqueFd wake;
    std::thread thread;
    Cancel give_up; // the attempt to connect: with these settings, or at all

    mutable std::mutex mutex; // guards what follows
    std::condition_variable changed;
    std::optional<redis::Settings> settings;
    std::uint64_t version = 0; // of the settings
    std::vector<PendingCommand> queue;
    std::size_t queued_bytes = 0;
    bool accepting = false;
    bool stopping = false;
    RedisState state;

    std::atomic<bool> up{false}; // accepting, and the server does not hang

    // Of the link's thread alone:
    PendingCommands pending;
    std::string out;
    std::size_t sent = 0;
    SteadyTime heard{};
    std::uint64_t used_version = 0;
};

RedisLink::RedisLink(RedisLinkOptions options) : impl_(std::make_unique<Impl>(options)) {}

RedisLink::~RedisLink()
{
    stop();
}

void RedisLink::Impl::signal() const
{
    const std::uint64_t one = 1;
    (void)!::write(wake.get(), &one, sizeof one);
}

void RedisLink::configure(std::optional<redis::Settings> settings)
{
    const std::lock_guard lock(impl_->mutex);
    if (impl_->settings == settings)
        return;
    impl_->settings = std::move(settings);
    ++impl_->version;
    impl_->give_up.request();
    impl_->state.configured = impl_->settings.has_value();
    impl_->state.where = impl_->settings ? impl_->settings->where() : "";
    if (impl_->settings && !impl_->stopping && !impl_->thread.joinable())
        impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
    impl_->changed.notify_all();
    impl_->signal();
}

bool RedisLink::up() const
{
    return impl_->up.load(std::memory_order_relaxed);
}

RedisState RedisLink::state() const
{
    const std::lock_guard lock(impl_->mutex);
    auto state = impl_->state;
    state.up = impl_->up.load();
    return state;
}

void RedisLink::submit(std::string command, Done done, Duration within)
{
    const auto bytes = command.size();
    queue({.bytes = std::move(command), .done = std::move(done)}, bytes, within);
}

void RedisLink::submit_made(std::size_t bytes, const std::function<std::string()>& make, Done done,
                            Duration within)
{
    queue({.make = make, .done = std::move(done)}, bytes, within);
}

void RedisLink::queue(PendingCommand command, std::size_t bytes, Duration within)
{
    std::string why;
    {
        const std::lock_guard lock(impl_->mutex);
        if (!impl_->accepting || !impl_->up.load(std::memory_order_relaxed)) {
            why = "Redis is away: " + impl_->state.error;
        } else if (impl_->queued_bytes + bytes > impl_->options.max_queued) {
            why = "too much waits to be sent to Redis";
        } else {
            impl_->queued_bytes += bytes;
            command.asked = std::chrono::steady_clock::now();
            command.deadline = command.asked + within;
            impl_->queue.push_back(std::move(command));
            if (impl_->queue.size() == 1)
                impl_->signal();
            return;
        }
        ++impl_->state.skipped;
    }
    command.answer(fail(ErrorKind::unreachable, std::move(why)));
}

void RedisLink::stop()
{
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->stopping = true;
        impl_->give_up.request();
        impl_->changed.notify_all();
        impl_->signal();
    }
    if (impl_->thread.joinable())
        impl_->thread.join();
}

bool RedisLink::Impl::pause(Duration duration)
{
    std::unique_lock lock(mutex);
    return !changed.wait_for(lock, duration, [this] { return stopping || version != used_version; });
}

void RedisLink::Impl::go_up(const redis::Connection& connection)
{
    const std::lock_guard lock(mutex);
    accepting = true;
    up = true;
    state.since = system_clock().now();
    state.where = connection.address().text;
    state.error.clear();
    ++state.connects;
}

void RedisLink::Impl::go_away(const Error& error)
{
    std::vector<PendingCommand> left;
    {
        const std::lock_guard lock(mutex);
        if (accepting || state.since == WallTime{})
            state.since = system_clock().now();
        accepting = false;
        up = false;
        state.error = error.message;
        left.swap(queue);
        queued_bytes = 0;
    }
    pending.fail_all(error);
    for (auto& command : left)
        command.answer(error);
    out.clear();
    sent = 0;
}

void RedisLink::Impl::run()
{
    Duration next_pause = options.first_pause;
    for (;;) {
        std::optional<redis::Settings> use;
        {
            std::unique_lock lock(mutex);
            changed.wait(lock, [this] { return stopping || settings; });
            if (stopping)
                break;
            use = settings;
            used_version = version;
            give_up.clear();
        }
        const Duration within = use->connect_timeout * static_cast<int>(1 + 2 * use->sentinels.size());
        auto connection = redis::Connection::open(*use, Deadline(within), &give_up);
        const auto began = std::chrono::steady_clock::now();
        if (connection) {
            go_up(**connection);
            go_away(serve(**connection));
        } else {
            go_away(connection.error());
        }
        if (std::chrono::steady_clock::now() - began >= options.settled)
            next_pause = options.first_pause;
        if (!pause(shortened(next_pause)))
            next_pause = options.first_pause;
        else
            next_pause = std::min(next_pause * 2, options.longest_pause);
    }
    go_away({ErrorKind::unreachable, "the agent ends"});
}

// True: something else is wanted than this connection.
bool RedisLink::Impl::take_queue()
{
    std::vector<PendingCommand> taken;
    {
        const std::lock_guard lock(mutex);
        if (stopping || version != used_version)
            return true;
        if (out.size() - sent <
            options.max_queued) { // a server that takes nothing makes nobody's memory grow
            taken.swap(queue);
            queued_bytes = 0;
        }
    }
    if (pending.empty() && !taken.empty())
        heard = std::chrono::steady_clock::now(); // silence counts from the asking
    for (auto& command : taken) {
        out += command.make ? command.make() : command.bytes;
        pending.add(std::move(command));
    }
    return false;
}

void RedisLink::Impl::beat()
{
    const auto now = std::chrono::steady_clock::now();
    if (!pending.empty() || now - heard < options.heartbeat)
        return;
    heard = now;
    out += redis::command({"PING"});
    pending.add(
        {.done = [](const Result<redis::Reply>& /*pong*/) {}, .asked = now, .deadline = now + options.hang});
}

std::optional<Error> RedisLink::Impl::take_replies(redis::Connection& connection)
{
    auto any = connection.receive_some();
    if (!any)
        return std::move(any).error();
    if (*any) {
        heard = std::chrono::steady_clock::now();
        up = true; // it was only slow
    }
    for (;;) {
        auto read = connection.next();
        if (!read)
            return std::move(read).error();
        auto& reply = *read;
        if (!reply)
            return std::nullopt;
        if (pending.empty())
            return Error{ErrorKind::failed, "Redis sent an answer that nobody asked for"};
        const auto now = std::chrono::steady_clock::now();
        auto command = pending.take();
        const bool refused = reply->is_error();
        {
            const std::lock_guard lock(mutex);
            ++state.commands;
            state.errors += refused ? 1U : 0U;
            state.seconds += std::chrono::duration<double>(now - command.asked).count();
            if (refused)
                state.error = redis::reply_error(*reply, "Redis").message;
        }
        if (!refused) {
            command.answer(*std::move(reply));
            continue;
        }
        auto error =
            redis::reply_error(*reply, "Redis").with_detail("code", std::string(reply->error_code()));
        command.answer(error);
        if (ends_connection(reply->error_code()))
            return error;
    }
}

std::optional<Error> RedisLink::Impl::step(redis::Connection& connection)
{
    if (take_queue())
        return Error{ErrorKind::unreachable, "the connection is made anew"};
    beat();
    if (sent < out.size()) {
        auto more = connection.send_some(std::string_view(out).substr(sent));
        if (!more)
            return std::move(more).error();
        sent += *more;
        if (*more >=
            k_large) // a large value takes its time; small ones fit into the system's buffers of a server
            heard = std::chrono::steady_clock::now(); // that hangs, and say nothing
        if (sent == out.size()) {
            out.clear();
            sent = 0;
        }
    }
    const auto now = std::chrono::steady_clock::now();
    auto until = pending.empty() ? heard + options.heartbeat : heard + options.hang;
    until = std::min(until, pending.next_deadline());
    const auto wait = std::max<std::int64_t>(0, std::chrono::ceil<Duration>(until - now).count());
    std::array<pollfd, 2> fds{
        {{connection.fd(), connection.events(sent < out.size()), 0}, {wake.get(), POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), connection.pending() ? 0 : static_cast<int>(wait));
    if (fds[1].revents != 0) {
        std::uint64_t count = 0;
        (void)!::read(wake.get(), &count, sizeof count);
    }
    if (fds[0].revents != 0 || connection.pending())
        if (auto fault = take_replies(connection))
            return fault;
    const auto late = pending.expire(std::chrono::steady_clock::now());
    if (late > 0) {
        const std::lock_guard lock(mutex);
        state.timeouts += late;
        state.error = "an answer did not come in time";
        up = std::chrono::steady_clock::now() - heard <
             options.hang / 10; // else it may hang: ask no more until it speaks
    }
    if (!pending.empty() && std::chrono::steady_clock::now() - heard >= options.hang)
        return Error{ErrorKind::unreachable,
                     fmt::format("Redis at {} hangs: no answer for {}", connection.address().text,
                                 format_duration(options.hang))};
    return std::nullopt;
}

Error RedisLink::Impl::serve(redis::Connection& connection)
{
    heard = std::chrono::steady_clock::now();
    for (;;)
        if (auto fault = step(connection))
            return *std::move(fault);
}

} // namespace conduit::agent
