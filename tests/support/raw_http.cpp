// SPDX-License-Identifier: Apache-2.0
#include "tests/support/raw_http.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <unistd.h>

namespace conduit::test {

namespace {

sockaddr_in loopback(int port)
{
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

bool readable(int fd, std::chrono::milliseconds limit)
{
    pollfd watched{fd, POLLIN, 0};
    return ::poll(&watched, 1, static_cast<int>(limit.count())) > 0;
}

} // namespace

RawConnection RawConnection::to(int port)
{
    UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
        throw std::runtime_error(fmt::format("cannot connect to port {}", port));
    const int on = 1;
    setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return RawConnection(std::move(fd));
}

bool RawConnection::send(std::string_view bytes)
{
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

std::string RawConnection::receive(std::chrono::milliseconds limit)
{
    if (!rest_.empty())
        return std::exchange(rest_, {});
    if (!readable(fd_.get(), limit))
        return {};
    std::string bytes(65536, '\0');
    const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
    bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    return bytes;
}

std::string RawConnection::receive_until(std::string_view mark)
{
    std::string all;
    while (!all.contains(mark)) {
        const std::string more = receive();
        if (more.empty())
            break;
        all += more;
    }
    return all;
}

std::string RawConnection::read_exactly(std::size_t bytes)
{
    std::string all;
    while (all.size() < bytes) {
        const std::string more = receive();
        if (more.empty())
            return all;
        all += more;
    }
    rest_ = all.substr(bytes);
    all.resize(bytes);
    return all;
}

int RawConnection::Message::status() const
{
    return start.size() > 12 ? std::atoi(start.c_str() + 9) : 0;
}

std::string RawConnection::Message::header(const std::string& name) const
{
    const auto it = headers.find(name);
    return it == headers.end() ? "" : it->second;
}

RawConnection::Message RawConnection::read_message(bool body)
{
    Message message;
    std::string all;
    while (!all.contains("\r\n\r\n")) {
        const std::string more = receive();
        if (more.empty())
            return message;
        all += more;
    }
    const auto end = all.find("\r\n\r\n");
    const auto lines = split(all.substr(0, end), '\n');
    message.start = std::string(trim(lines.front()));
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const auto colon = lines[i].find(':');
        message.headers[to_lower(lines[i].substr(0, colon))] = std::string(trim(lines[i].substr(colon + 1)));
    }
    rest_ = all.substr(end + 4);
    if (!body)
        return message;
    if (message.header("transfer-encoding") == "chunked") {
        for (;;) {
            std::string line;
            while (!line.ends_with("\r\n")) {
                const std::string byte = read_exactly(1);
                if (byte.empty())
                    return message;
                line += byte;
            }
            const std::size_t size = std::strtoul(line.c_str(), nullptr, 16);
            const std::string chunk = read_exactly(size + 2);
            if (chunk.size() < size + 2) {
                message.body += chunk;
                return message;
            }
            message.body += chunk.substr(0, size);
            if (size == 0)
                break;
        }
        message.whole = true;
    } else if (message.headers.contains("content-length")) {
        const std::size_t size = std::strtoul(message.header("content-length").c_str(), nullptr, 10);
        message.body = read_exactly(size);
        message.whole = message.body.size() == size;
    } else {
        message.whole = true;
    }
    return message;
}

bool RawConnection::closed(std::chrono::milliseconds limit)
{
    return rest_.empty() && readable(fd_.get(), limit) && receive().empty();
}

void RawConnection::reset()
{
    const linger now{1, 0};
    setsockopt(fd_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now); // takes effect at the close
}

void RawConnection::close_send()
{
    ::shutdown(fd_.get(), SHUT_WR);
}

namespace {

std::string with_headers(std::string start, std::string_view content_type, std::string_view body,
                         const HeaderList& headers)
{
    start += "\r\n";
    if (!content_type.empty())
        start += fmt::format("Content-Type: {}\r\n", content_type);
    for (const auto& [name, value] : headers)
        start += fmt::format("{}: {}\r\n", name, value);
    start += fmt::format("Content-Length: {}\r\n\r\n", body.size());
    start += body;
    return start;
}

} // namespace

std::string http_request(std::string_view method, std::string_view path, std::string_view content_type,
                         std::string_view body, const HeaderList& headers)
{
    HeaderList all = headers;
    all.emplace_back("Host", "agent");
    return with_headers(fmt::format("{} {} HTTP/1.1", method, path), content_type, body, all);
}

std::string http_answer(int status, std::string_view content_type, std::string_view body,
                        const HeaderList& headers)
{
    return with_headers(fmt::format("HTTP/1.1 {} Scripted", status), content_type, body, headers);
}

std::string speech_body(std::string_view text, std::string_view format)
{
    return fmt::format(R"({{"model":"tts-1","input":"{}","voice":"alloy","response_format":"{}"}})", text,
                       format);
}

std::string transcription_form(std::string_view boundary, std::size_t audio_bytes, const HeaderList& fields)
{
    std::string form;
    for (const auto& [name, value] : fields)
        form += fmt::format("--{}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n{}\r\n", boundary,
                            name, value);
    form += fmt::format("--{}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n"
                        "Content-Type: audio/wav\r\n\r\n",
                        boundary);
    const auto u32 = [&](std::size_t value) {
        for (unsigned shift = 0; shift < 32; shift += 8)
            form += static_cast<char>(value >> shift & 0xFFU);
    };
    form += "RIFF";
    u32(36 + audio_bytes);
    form += std::string_view("WAVEfmt \x10\0\0\0\x01\0\x01\0", 16);
    u32(16000);
    u32(32000);
    form += std::string_view("\x02\0\x10\0", 4);
    form += "data";
    u32(audio_bytes);
    form.append(audio_bytes, '\x01');
    form += fmt::format("\r\n--{}--\r\n", boundary);
    return form;
}

RawConnection::Message post(int port, std::string_view path, std::string_view content_type,
                            std::string_view body, const HeaderList& headers)
{
    RawConnection connection = RawConnection::to(port);
    connection.send(http_request("POST", path, content_type, body, headers));
    return connection.read_message();
}

ScriptedServer::ScriptedServer(Script script)
    : script_(std::move(script)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
{
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(listener_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(listener_.get(), 1024) != 0 ||
        ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        throw std::runtime_error("cannot listen");
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { run(); });
}

void ScriptedServer::run()
{
    for (;;) {
        const int fd = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
        if (fd < 0 || stopping_) {
            if (fd >= 0)
                ::close(fd);
            return;
        }
        const int number = accepted_++;
        const std::lock_guard lock(mutex_);
        open_.push_back(fd);
        threads_.emplace_back([this, fd, number] {
            RawConnection connection{UniqueFd(fd)};
            script_(connection, number);
            const std::lock_guard held(mutex_); // before the number can be given to another socket
            if (const auto it = std::find(open_.begin(), open_.end(), fd); it != open_.end())
                open_.erase(it);
            connection.close();
        });
    }
}

ScriptedServer::~ScriptedServer()
{
    stopping_ = true;
    ::shutdown(listener_.get(), SHUT_RDWR);
    acceptor_.join();
    {
        const std::lock_guard lock(mutex_);
        for (const int fd : open_)
            ::shutdown(fd, SHUT_RDWR);
    }
    for (auto& thread : threads_)
        thread.join();
}

std::string ScriptedServer::url() const
{
    return fmt::format("http://127.0.0.1:{}", port_);
}

ScriptedProvider::ScriptedProvider(Answer answer) : answer_(std::move(answer))
{
    server_ = std::make_unique<ScriptedServer>([this](RawConnection& connection, int) {
        for (;;) {
            RawConnection::Message request = connection.read_message();
            if (request.start.empty())
                return;
            if (request.start.starts_with("GET /v1/models")) {
                connection.send(http_answer(200, "application/json", R"({"object":"list","data":[]})"));
                continue;
            }
            ++requests_;
            {
                const std::lock_guard lock(mutex_);
                seen_.push_back(request);
            }
            const std::string reply = answer_(request);
            if (reply.empty()) {
                connection.closed(std::chrono::minutes(1));
                return;
            }
            if (reply == "RESET") {
                connection.reset();
                return;
            }
            if (!connection.send(reply))
                return;
        }
    });
}

std::vector<RawConnection::Message> ScriptedProvider::seen() const
{
    const std::lock_guard lock(mutex_);
    return seen_;
}

} // namespace conduit::test
