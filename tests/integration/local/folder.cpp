// SPDX-License-Identifier: Apache-2.0
#include "tests/integration/local/folder.hpp"

#include "core/url.hpp"

#include <arpa/inet.h>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace conduit::test {

Json Folder::up(std::optional<int> replicas) const
{
    auto result = local::local_up(options(replicas));
    if (!result)
        throw std::runtime_error(result.error().message + " / " + result.error().cause);
    return *result->status;
}

Json Folder::status() const
{
    return local::local_status(dir, Deadline(5s)).value();
}

Result<Json> Folder::ask(const Json& request, Duration limit) const
{
    return local::ask_supervisor(layout, request, Deadline(limit));
}

std::map<std::string, pid_t> Folder::pids() const
{
    std::map<std::string, pid_t> result;
    const auto now = status();
    for (const auto& item : now["instances"])
        if (item["pid"].is_number())
            result[item["name"].get<std::string>()] = item["pid"].get<pid_t>();
    return result;
}

std::uint16_t port_of(const Json& url)
{
    return parse_url(url.get<std::string>()).value().port;
}

std::string get(std::uint16_t port)
{
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    timeval limit{5, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0)
        return {};
    const std::string request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0)
        return {};
    std::string answer;
    char buffer[4096];
    for (;;) {
        const auto n = ::recv(fd.get(), buffer, sizeof buffer, 0);
        if (n < 0)
            return {};
        if (n == 0)
            break;
        answer.append(buffer, static_cast<std::size_t>(n));
    }
    const auto head = answer.find("\r\n\r\n");
    return head == std::string::npos ? "" : answer.substr(head + 4);
}

} // namespace conduit::test
