// SPDX-License-Identifier: Apache-2.0
// Names to addresses. The system's resolver blocks, so each name has a thread of its own while it is looked
// up: one provider's dead name server keeps no other provider waiting.
#include "agent/net/loop_impl.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cstring>
#include <netdb.h>
#include <netinet/in.h>
#include <system_error>
#include <thread>

namespace conduit::agent {

namespace {

constexpr auto k_name_ttl = 30s;
constexpr std::size_t k_max_names = 256;

using Addresses = std::vector<Loop::Address>;

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

Addresses look_up(const std::string& host, std::uint16_t port)
{
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0)
        return {};
    Addresses addresses;
    for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next)
        addresses.push_back(to_address(entry->ai_addr, entry->ai_addrlen));
    freeaddrinfo(found);
    return addresses;
}

} // namespace

void Loop::finish_lookup(const std::string& key, std::vector<Address> found)
{
    Impl& impl = *impl_;
    if (!found.empty()) { // a failing resolver must not take known good addresses away
        if (impl.names.size() > k_max_names)
            impl.names.clear();
        impl.names[key] = {std::move(found), std::chrono::steady_clock::now() + k_name_ttl};
    }
    const auto waiting = std::move(impl.lookups[key].waiting);
    impl.lookups.erase(key);
    for (const auto handle : waiting)
        handle.resume();
}

void Loop::start_lookup(const std::string& key, const std::string& host, std::uint16_t port)
{
    try {
        std::thread([mailbox = impl_->mailbox, key, host, port] {
            Addresses found = look_up(host, port);
            const std::scoped_lock lock(mailbox->mutex);
            if (Loop* loop = mailbox->loop)
                loop->post([loop, key, found = std::move(found)] { loop->finish_lookup(key, found); });
        }).detach();
    } catch (const std::system_error&) { // no more threads now
        post([this, key] { finish_lookup(key, {}); });
    }
}

Task<std::vector<Loop::Address>> Loop::resolve(std::string host, std::uint16_t port)
{
    if (auto address = literal(host, port))
        co_return std::vector<Address>{*address};
    const std::string key = host + ":" + std::to_string(port);
    const auto known = impl_->names.find(key);
    if (known != impl_->names.end() && known->second.until > std::chrono::steady_clock::now())
        co_return known->second.addresses;

    struct Waiting {
        Impl& impl;
        const std::string& key;
        bool await_ready() const { return false; }
        void await_suspend(std::coroutine_handle<> handle) { impl.lookups[key].waiting.push_back(handle); }
        void await_resume() const {}
    };
    if (!impl_->lookups.contains(key)) {
        impl_->lookups[key] = {};
        start_lookup(key, host, port);
    }
    Waiting waiting{*impl_, key};
    co_await waiting;
    const auto now_known = impl_->names.find(key);
    co_return now_known == impl_->names.end() ? std::vector<Address>{} : now_known->second.addresses;
}

} // namespace conduit::agent
