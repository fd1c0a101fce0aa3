// SPDX-License-Identifier: Apache-2.0
#include "agent/net/loop.hpp"

#include "agent/net/loop_impl.hpp"

#include <algorithm>
#include <new>
#include <sys/eventfd.h>
#include <unistd.h>

namespace conduit::agent {

namespace {

constexpr auto k_tick = 100ms;
constexpr std::size_t k_kept_buffers = 32; // 2 MiB a thread stay warm

} // namespace

Timed::Timed(Loop& loop) : loop_(loop), next_(loop.first_)
{
    if (next_ != nullptr)
        next_->previous_ = this;
    loop.first_ = this;
}

Timed::~Timed()
{
    if (loop_.scan_next_ == this)
        loop_.scan_next_ = next_;
    if (previous_ != nullptr)
        previous_->next_ = next_;
    else
        loop_.first_ = next_;
    if (next_ != nullptr)
        next_->previous_ = previous_;
}

Buffer::Buffer(Buffer&& other) noexcept : loop_(other.loop_), data_(std::exchange(other.data_, nullptr)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept
{
    if (this != &other) {
        reset();
        loop_ = other.loop_;
        data_ = std::exchange(other.data_, nullptr);
    }
    return *this;
}

void Buffer::reset()
{
    if (data_ != nullptr)
        loop_->free_buffers_.push_back(std::exchange(data_, nullptr));
}

bool Watched::watch(int fd)
{
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = this;
    watched_ = ::epoll_ctl(watching_.impl_->epoll.get(), EPOLL_CTL_ADD, fd, &event) == 0;
    return watched_;
}

void Watched::unwatch()
{
    if (!watched_)
        return;
    watched_ = false;
    Loop::Impl& impl = *watching_.impl_;
    for (std::size_t i = impl.event_at; i < impl.event_count; ++i)
        if (impl.events[i].data.ptr == this)
            impl.events[i].events = 0;
}

Loop::Loop(unsigned index) : impl_(std::make_unique<Impl>()), index_(index)
{
    free_buffers_.reserve(1024);
    impl_->epoll = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
    impl_->wake = UniqueFd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    if (!impl_->epoll || !impl_->wake ||
        ::epoll_ctl(impl_->epoll.get(), EPOLL_CTL_ADD, impl_->wake.get(), &event) != 0)
        throw std::bad_alloc(); // no descriptors at the very start: nothing sensible can go on
    impl_->mailbox->loop = this;
}

Loop::~Loop()
{
    {
        const std::scoped_lock lock(impl_->mailbox->mutex);
        impl_->mailbox->loop = nullptr;
    }
    for (char* data : free_buffers_)
        std::free(data); // NOLINT(cppcoreguidelines-no-malloc): page-aligned, from aligned_alloc
}

void Loop::run()
{
    tick();
    while (!impl_->stopping.load(std::memory_order_relaxed)) {
        take_events(until_tick());
        run_posted();
        if (std::chrono::steady_clock::now() >= impl_->next_tick)
            tick();
    }
}

int Loop::until_tick() const
{
    const auto left = impl_->next_tick - std::chrono::steady_clock::now();
    return static_cast<int>(
        std::max<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(left).count(), 0));
}

void Loop::take_events(int timeout_ms)
{
    Impl& impl = *impl_;
    const int count =
        ::epoll_wait(impl.epoll.get(), impl.events.data(), static_cast<int>(impl.events.size()), timeout_ms);
    impl.event_count = static_cast<std::size_t>(std::max(count, 0));
    for (impl.event_at = 0; impl.event_at < impl.event_count;) {
        const epoll_event event = impl.events[impl.event_at++];
        if (event.data.ptr != nullptr && event.events != 0)
            static_cast<Watched*>(event.data.ptr)->on_events(event.events);
    }
}

// What the work posts itself runs in the next round, behind the sockets.
void Loop::run_posted()
{
    Impl& impl = *impl_;
    if (!impl.woken.load(std::memory_order_acquire))
        return;
    {
        const std::scoped_lock lock(impl.mutex);
        impl.woken.store(false, std::memory_order_relaxed);
        impl.running.swap(impl.posted);
        std::uint64_t count = 0;
        static_cast<void>(::read(impl.wake.get(), &count, sizeof count) == sizeof count);
    }
    for (auto& work : impl.running)
        work();
    impl.running.clear();
}

void Loop::stop()
{
    impl_->stopping.store(true);
    post([] {});
}

void Loop::post(std::function<void()> work)
{
    const std::scoped_lock lock(impl_->mutex);
    impl_->posted.push_back(std::move(work));
    if (impl_->woken.exchange(true, std::memory_order_acq_rel))
        return;
    const std::uint64_t one = 1;
    static_cast<void>(::write(impl_->wake.get(), &one, sizeof one) == sizeof one);
}

void Loop::resume_soon(std::coroutine_handle<> handle)
{
    post([handle] { handle.resume(); });
}

Buffer Loop::buffer()
{
    if (!free_buffers_.empty()) {
        char* data = free_buffers_.back();
        free_buffers_.pop_back();
        return {this, data};
    }
    // Page-aligned and touched only as far as it is used.
    auto* data = static_cast<char*>(std::aligned_alloc(4096, Buffer::k_size)); // NOLINT
    if (data == nullptr)
        throw std::bad_alloc();
    return {this, data};
}

void Loop::tick()
{
    const SteadyTime now = std::chrono::steady_clock::now();
    scan_next_ = first_;
    while (scan_next_ != nullptr) {
        Timed* item = scan_next_;
        scan_next_ = item->next_;
        item->on_tick(now);
    }
    // What load left behind goes back to the system, an eighth a tick.
    if (free_buffers_.size() > k_kept_buffers) {
        const std::size_t drop = (free_buffers_.size() - k_kept_buffers + 7) / 8;
        for (std::size_t i = 0; i < drop; ++i) {
            std::free(free_buffers_.back()); // NOLINT(cppcoreguidelines-no-malloc)
            free_buffers_.pop_back();
        }
    }
    impl_->next_tick = std::chrono::steady_clock::now() + k_tick;
}

void Signal::set()
{
    if (set_)
        return;
    set_ = true;
    if (waiter_)
        loop_.resume_soon(std::exchange(waiter_, nullptr));
}

void Signal::on_tick(SteadyTime now)
{
    if (waiter_ && now >= deadline_)
        loop_.resume_soon(std::exchange(waiter_, nullptr));
}

} // namespace conduit::agent
