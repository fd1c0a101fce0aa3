// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/port_relay.hpp"

#include <cerrno>
#include <cstring>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

namespace conduit {
namespace {

constexpr Duration k_open_limit{30'000};
constexpr int k_look = 50; // milliseconds
constexpr int k_backlog = 128;
constexpr std::size_t k_most = 256; // connections at once

// The instance that connections go to, until it is no longer ready.
class Chosen {
  public:
    Chosen(InstanceStreams& streams, std::string name, std::function<void(const std::string&)> told)
        : streams_(streams), name_(std::move(name)), told_(std::move(told))
    {
    }

    Result<std::string> get(Deadline deadline)
    {
        const std::lock_guard lock(mutex_);
        if (!instance_.empty() && instance_ != name_) {
            const auto still = streams_.place(instance_, "", deadline);
            if (still && still->ready && still->instance == instance_)
                return instance_;
        }
        TRY_ASSIGN(const auto place, streams_.place(name_, "", deadline));
        if (!place.ready && place.instance != name_)
            return fail(ErrorKind::unreachable, fmt::format("no instance of {} is ready", name_),
                        fmt::format("See: conduitctl ps {}", name_));
        if (place.instance != instance_ && told_)
            told_(place.instance);
        instance_ = place.instance;
        return instance_;
    }

  private:
    InstanceStreams& streams_;
    const std::string name_;
    const std::function<void(const std::string&)> told_;
    std::mutex mutex_;
    std::string instance_;
};

} // namespace

OpenPort open_port_of(InstanceStreams& streams, std::string name, std::uint16_t port, const Cancel& cancel,
                      std::function<void(const std::string&)> chosen)
{
    auto choice = std::make_shared<Chosen>(streams, std::move(name), std::move(chosen));
    return [choice, &streams, port, &cancel](UniqueFd local) -> Result<std::unique_ptr<PortStream>> {
        const Deadline deadline(k_open_limit);
        TRY_ASSIGN(const auto instance, choice->get(deadline));
        return streams.open_port(instance, port, std::move(local), cancel, deadline);
    };
}

Result<Listener> listen_loopback(std::uint16_t port)
{
    Listener listener{UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), port};
    const int on = 1;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address); // NOLINT: the sockets API
    if (!listener.fd || ::setsockopt(listener.fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::bind(listener.fd.get(), raw, size) != 0 || ::listen(listener.fd.get(), k_backlog) != 0 ||
        ::getsockname(listener.fd.get(), raw, &size) != 0)
        return fail(ErrorKind::failed,
                    fmt::format("cannot listen on 127.0.0.1:{}: {}", port, std::strerror(errno)),
                    "Choose another port, or 0 for one that is free.");
    listener.port = ntohs(address.sin_port);
    return listener;
}

Result<UniqueFd> listen_private(const fs::path& socket)
{
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto text = socket.string();
    if (text.size() >= sizeof address.sun_path)
        return fail(ErrorKind::failed, fmt::format("{} is too long for a socket's name", text),
                    "Set TMPDIR to a shorter path.");
    std::memcpy(static_cast<char*>(address.sun_path), text.data(), text.size());
    if (!fd || ::fchmod(fd.get(), 0600) != 0 ||
        ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || // NOLINT
        ::chmod(text.c_str(), 0600) != 0 || ::listen(fd.get(), k_backlog) != 0)
        return file_error("listen on", socket, errno);
    return fd;
}

PortRelay::PortRelay(UniqueFd listener, OpenPort open, std::function<void(const Error&)> fault)
    : listener_(std::move(listener)), open_(std::move(open)), fault_(std::move(fault)),
      accepting_([this](const std::stop_token& stop) { accept_all(stop); })
{
}

PortRelay::~PortRelay()
{
    accepting_.request_stop();
    accepting_.join();
    for (auto& connection : connections_)
        connection.thread.request_stop();
    connections_.clear();
}

void PortRelay::accept_all(const std::stop_token& stop)
{
    while (!stop.stop_requested()) {
        reap();
        pollfd ready{connections_.size() < k_most ? listener_.get() : -1, POLLIN, 0};
        if (::poll(&ready, 1, k_look) <= 0)
            continue;
        UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!client)
            continue;
        const int on = 1;
        ::setsockopt(client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); // fails on a Unix socket: fine
        ++total_;
        auto& connection = connections_.emplace_back();
        connection.thread =
            std::jthread([this, &connection, taken = std::move(client)](const std::stop_token& end) mutable {
                serve(std::move(taken), end);
                connection.done = true;
            });
    }
}

void PortRelay::serve(UniqueFd client, const std::stop_token& stop)
{
    auto stream = open_(std::move(client));
    if (!stream) {
        if (fault_)
            fault_(stream.error());
        return;
    }
    const std::stop_callback cut(stop, [&stream] { (*stream)->cut(); });
    (*stream)->wait();
    if (const auto fault = (*stream)->fault(); fault && fault_ && !stop.stop_requested())
        fault_(*fault);
}

void PortRelay::reap()
{
    std::erase_if(connections_, [](const Connection& connection) { return connection.done.load(); });
}

} // namespace conduit
