// SPDX-License-Identifier: Apache-2.0
// A server that sends back what it gets, and clients of sockets.
#pragma once

#include "core/fs.hpp"

#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <list>
#include <mutex>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>

namespace conduit::test {

inline UniqueFd connect_to(std::uint16_t port)
{
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) // NOLINT
        fd.reset();
    return fd;
}

inline UniqueFd connect_to(const fs::path& socket)
{
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un to{};
    to.sun_family = AF_UNIX;
    std::strncpy(static_cast<char*>(to.sun_path), socket.c_str(), sizeof to.sun_path - 1);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) // NOLINT
        fd.reset();
    return fd;
}

// What comes until the end, or until so much has come. A minute of silence is an end too.
inline std::string read_to_end(int fd, std::size_t most = SIZE_MAX)
{
    std::string text;
    std::array<char, 65536> buffer{};
    while (text.size() < most) {
        pollfd ready{fd, POLLIN, 0};
        if (::poll(&ready, 1, 60'000) <= 0)
            break;
        const auto got = ::recv(fd, buffer.data(), std::min(buffer.size(), most - text.size()), 0);
        if (got <= 0)
            break;
        text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    return text;
}

inline void send_all(int fd, std::string_view text)
{
    while (!text.empty()) {
        const auto sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
}

// Sends all while it reads as much back.
inline std::string echoed(const UniqueFd& fd, const std::string& text)
{
    const std::jthread sender([&] { send_all(fd.get(), text); });
    return read_to_end(fd.get(), text.size());
}

class EchoServer {
  public:
    EchoServer() : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
    {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        auto* raw = reinterpret_cast<sockaddr*>(&address); // NOLINT
        ::bind(fd_.get(), raw, size);
        ::listen(fd_.get(), 64);
        ::getsockname(fd_.get(), raw, &size);
        port_ = ntohs(address.sin_port);
        accepting_ = std::jthread([this] { accept_all(); });
    }
    EchoServer(const EchoServer&) = delete;
    EchoServer& operator=(const EchoServer&) = delete;
    ~EchoServer()
    {
        ::shutdown(fd_.get(), SHUT_RDWR);
        accepting_.join();
        const std::lock_guard lock(mutex_);
        for (const auto& client : clients_)
            ::shutdown(client.get(), SHUT_RDWR);
    }
    std::uint16_t port() const { return port_; }

  private:
    void accept_all()
    {
        for (;;) {
            UniqueFd client(::accept(fd_.get(), nullptr, nullptr));
            if (!client)
                return;
            const std::lock_guard lock(mutex_);
            const int fd = clients_.emplace_back(std::move(client)).get();
            threads_.emplace_back([fd] {
                std::array<char, 65536> buffer{};
                for (;;) {
                    const auto got = ::recv(fd, buffer.data(), buffer.size(), 0);
                    if (got <= 0)
                        break;
                    send_all(fd, {buffer.data(), static_cast<std::size_t>(got)});
                }
                ::shutdown(fd, SHUT_RDWR);
            });
        }
    }
    UniqueFd fd_;
    std::uint16_t port_ = 0;
    std::mutex mutex_;
    std::list<UniqueFd> clients_;
    std::list<std::jthread> threads_;
    std::jthread accepting_;
};

} // namespace conduit::test
