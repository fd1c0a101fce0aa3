// SPDX-License-Identifier: Apache-2.0
#include "agent/net/loop.hpp"

#include "agent/net/loop_impl.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <boost/asio/post.hpp>
#include <cstring>
#include <netinet/in.h>

namespace conduit::agent {

namespace {

constexpr auto k_tick = 100ms;
constexpr auto k_name_ttl = 30s;
constexpr std::size_t k_kept_buffers = 32; // 2 MiB a thread stay warm

Loop::Address to_address(const void* sockaddr_bytes, std::size_t size)
{
    Loop::Address address;
    address.size = static_cast<std::uint32_t>(std::min(size, sizeof address.bytes));
    std::memcpy(address.bytes, sockaddr_bytes, address.size);
    return address;
}

std::optional<Loop::Address> literal(const std::string& host, std::uint16_t port)
{
    sockaddr_in v4{};
    if (inet_pton(AF_INET, host.c_str(), &v4.sin_addr) == 1) {
        v4.sin_family = AF_INET;
        v4.sin_port = htons(port);
        return to_address(&v4, sizeof v4);
    }
    sockaddr_in6 v6{};
    if (inet_pton(AF_INET6, host.c_str(), &v6.sin6_addr) == 1) {
        v6.sin6_family = AF_INET6;
        v6.sin6_port = htons(port);
        return to_address(&v6, sizeof v6);
    }
    return std::nullopt;
}

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

Loop::Loop(unsigned index) : impl_(std::make_unique<Impl>()), index_(index)
{
    free_buffers_.reserve(1024);
}

Loop::~Loop()
{
    impl_.reset();
    for (char* data : free_buffers_)
        std::free(data); // NOLINT(cppcoreguidelines-no-malloc): page-aligned, from aligned_alloc
}

void Loop::run()
{
    auto work = asio::make_work_guard(impl_->io);
    tick();
    impl_->io.run();
}

void Loop::stop()
{
    impl_->io.stop();
}

void Loop::post(std::function<void()> work)
{
    asio::post(impl_->io, std::move(work));
}

void Loop::resume_soon(std::coroutine_handle<> handle)
{
    asio::post(impl_->io, [handle] { handle.resume(); });
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
    impl_->timer.expires_after(k_tick);
    impl_->timer.async_wait([this](error_code ec) {
        if (!ec)
            tick();
    });
}

Task<std::vector<Loop::Address>> Loop::resolve(std::string host, std::uint16_t port)
{
    if (auto address = literal(host, port))
        co_return std::vector<Address>{*address};
    const std::string key = host + ":" + std::to_string(port);
    const SteadyTime now = std::chrono::steady_clock::now();
    if (auto it = impl_->names.find(key); it != impl_->names.end() && it->second.until > now)
        co_return it->second.addresses;

    struct Lookup {
        Loop& loop;
        const std::string& host;
        std::uint16_t port;
        std::vector<Address> found;
        Lookup(Loop& l, const std::string& h, std::uint16_t p) : loop(l), host(h), port(p) {}
        bool await_ready() const { return false; }
        void await_suspend(std::coroutine_handle<> handle)
        {
            loop.impl_->resolver.async_resolve(
                host, std::to_string(port),
                [this, handle](error_code ec, const asio::ip::tcp::resolver::results_type& results) {
                    for (const auto& entry : results)
                        if (!ec)
                            found.push_back(to_address(entry.endpoint().data(), entry.endpoint().size()));
                    handle.resume();
                });
        }
        void await_resume() const {}
    };
    Lookup lookup(*this, host, port);
    co_await lookup;
    if (lookup.found.empty()) // a failing resolver must not take known good addresses away
        co_return impl_->names.contains(key) ? impl_->names[key].addresses : std::vector<Address>{};
    if (impl_->names.size() > 256)
        impl_->names.clear();
    impl_->names[key] = {lookup.found, now + k_name_ttl};
    co_return std::move(lookup.found);
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
