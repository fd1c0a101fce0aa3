// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/channel.hpp"

#include "cli/orchestrator/local/sockets.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>

namespace conduit::local {

Channel::Channel(UniqueFd listener, OnRequest on_request, ChannelLimits limits)
    : listener_(std::move(listener)), on_request_(std::move(on_request)), limits_(limits)
{
}

void Channel::add_polls(std::vector<pollfd>& polls) const
{
    polls.push_back({listener_.get(), POLLIN, 0});
    for (const auto& client : clients_)
        polls.push_back(
            {client.fd.get(), static_cast<short>(client.out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
}

void Channel::handle(const std::vector<pollfd>& polls, SteadyTime now)
{
    const auto woken = [&](int fd) {
        return std::ranges::any_of(polls, [&](const pollfd& p) { return p.fd == fd && p.revents != 0; });
    };
    // A request may be answered at once, which changes no client but its own; new clients come afterwards.
    for (auto& client : clients_) {
        if (woken(client.fd.get()))
            receive(client);
        if (!client.busy && !client.closing)
            take_line(client);
        if (!client.busy && now - client.since > limits_.idle)
            client.closing = true;
        transmit(client);
    }
    std::erase_if(clients_, [](const Client& c) { return !c.fd || (c.closing && c.out.empty()); });
    if (woken(listener_.get()))
        accept_all(now);
}

void Channel::accept_all(SteadyTime now)
{
    for (;;) {
        UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
        if (!fd)
            return;
        // The file mode keeps others out; this holds where the folder was opened up.
        if (!peer_is_me(fd.get()) || clients_.size() >= limits_.clients)
            continue;
        Client client;
        client.id = next_++;
        client.fd = std::move(fd);
        client.since = now;
        clients_.push_back(std::move(client));
    }
}

void Channel::receive(Client& client)
{
    std::array<char, 16'384> buffer{};
    for (;;) {
        const auto n = ::recv(client.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n <= 0) { // whoever hung up waits for no answer
            client.fd.reset();
            return;
        }
        client.in.append(buffer.data(), static_cast<std::size_t>(n));
        if (client.in.size() > limits_.line) {
            client.in.clear();
            answer(client.id,
                   Error{ErrorKind::usage, fmt::format("a request is longer than {} bytes", limits_.line)});
            client.closing = true;
            return;
        }
    }
}

void Channel::take_line(Client& client)
{
    const auto end = client.in.find('\n');
    if (!client.fd || end == std::string::npos)
        return;
    const auto line = client.in.substr(0, end);
    client.in.erase(0, end + 1);
    client.busy = true;
    const auto request = parse_json(line, {.max_bytes = limits_.line, .max_depth = 8});
    if (!request)
        answer(client.id,
               Error{ErrorKind::usage, "a request is not JSON: " + printable(request.error().message)});
    else if (!request->is_object())
        answer(client.id, Error{ErrorKind::usage, "a request is not a JSON object"});
    else
        on_request_(client.id, *request);
}

void Channel::transmit(Client& client)
{
    while (client.fd && !client.out.empty()) {
        const auto n =
            ::send(client.fd.get(), client.out.data(), client.out.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n < 0) {
            client.fd.reset();
            return;
        }
        client.out.erase(0, static_cast<std::size_t>(n));
    }
}

Channel::Client* Channel::find(ClientId id)
{
    const auto at = std::ranges::find(clients_, id, &Client::id);
    return at == clients_.end() ? nullptr : &*at;
}

bool Channel::connected(ClientId client) const
{
    const auto at = std::ranges::find(clients_, client, &Client::id);
    return at != clients_.end() && at->fd;
}

void Channel::send(ClientId id, const Json& line)
{
    auto* client = find(id);
    if (client == nullptr)
        return;
    client->out += dump_json(line) + "\n";
    if (client->out.size() > limits_.unsent)
        client->fd.reset();
}

void Channel::answer(ClientId id, const Json& line)
{
    send(id, line);
    if (auto* client = find(id)) {
        client->busy = false;
        client->since = std::chrono::steady_clock::now();
    }
}

void Channel::answer(ClientId id, const Error& error)
{
    answer(id, Json{{"error", error_json(error)}});
}

void Channel::flush()
{
    for (auto& client : clients_)
        transmit(client);
}

Json error_json(const Error& error)
{
    Json document{{"name", kind_name(error.kind)},
                  {"message", error.message},
                  {"cause", error.cause},
                  {"hint", error.hint}};
    document["details"] = Json(error.details);
    return document;
}

Error error_from_json(const Json& document)
{
    Error error{ErrorKind::unknown, json_string_or(document, "message", "the supervisor gave no reason"),
                json_string_or(document, "hint", "")};
    error.cause = json_string_or(document, "cause", "");
    for (const auto& code : exit_codes())
        if (code.name == json_string_or(document, "name", ""))
            error.kind = code.kind;
    if (const auto* details = json_find(document, "details"); details != nullptr && details->is_object())
        for (const auto& [key, value] : details->items())
            if (value.is_string())
                error.details[key] = value.get<std::string>();
    return error;
}

} // namespace conduit::local
