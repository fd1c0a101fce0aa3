// SPDX-License-Identifier: Apache-2.0
#include "agent/server/answer.hpp"

#include <array>
#include <charconv>

namespace conduit::agent {

namespace {

void append_number(std::string& out, std::uint64_t value, int base = 10)
{
    std::array<char, 24> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value, base).ptr;
    out.append(text.data(), end);
}

std::uint64_t total(std::span<const std::string_view> pieces)
{
    std::uint64_t size = 0;
    for (std::string_view piece : pieces)
        size += piece.size();
    return size;
}

} // namespace

std::string_view reason_phrase(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 201:
        return "Created";
    case 202:
        return "Accepted";
    case 204:
        return "No Content";
    case 304:
        return "Not Modified";
    case 400:
        return "Bad Request";
    case 401:
        return "Unauthorized";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 408:
        return "Request Timeout";
    case 409:
        return "Conflict";
    case 412:
        return "Precondition Failed";
    case 413:
        return "Content Too Large";
    case 415:
        return "Unsupported Media Type";
    case 422:
        return "Unprocessable Content";
    case 426:
        return "Upgrade Required";
    case 429:
        return "Too Many Requests";
    case 431:
        return "Request Header Fields Too Large";
    case 500:
        return "Internal Server Error";
    case 501:
        return "Not Implemented";
    case 502:
        return "Bad Gateway";
    case 503:
        return "Service Unavailable";
    case 504:
        return "Gateway Timeout";
    default:
        return "Status";
    }
}

void AnswerSink::note_begin(int status)
{
    begun_ = true;
    status_ = status;
    first_byte_at_ = std::chrono::steady_clock::now();
}

void ClientSink::reset(Mode mode)
{
    mode_ = mode;
    begun_ = false;
    chunked_ = false;
    bytes_ = 0;
    status_ = 0;
}

void ClientSink::append_head(const AnswerHead& head, std::uint64_t size, bool last)
{
    head_.clear();
    head_ += "HTTP/1.1 ";
    append_number(head_, static_cast<std::uint64_t>(head.status));
    head_ += ' ';
    head_ += reason_phrase(head.status);
    head_ += "\r\n";
    if (!head.content_type.empty()) {
        head_ += "Content-Type: ";
        head_ += head.content_type;
        head_ += "\r\n";
    }
    const bool no_body = head.status == 204 || head.status == 304;
    if (!no_body && (head.length || last)) {
        head_ += "Content-Length: ";
        append_number(head_, head.length ? *head.length : size);
        head_ += "\r\n";
    } else if (!no_body && mode_.http10) {
        mode_.keep_alive = false;
    } else if (!no_body) {
        chunked_ = true;
        head_ += "Transfer-Encoding: chunked\r\n";
    }
    for (const auto& [name, value] : head.headers) {
        head_ += name;
        head_ += ": ";
        head_ += value;
        head_ += "\r\n";
    }
    if (!mode_.keep_alive)
        head_ += "Connection: close\r\n";
    else if (mode_.http10)
        head_ += "Connection: keep-alive\r\n";
    head_ += "\r\n";
}

Task<bool> ClientSink::begin(const AnswerHead& head, std::span<const std::string_view> pieces, bool last)
{
    append_head(head, total(pieces), last);
    note_begin(head.status);
    if (mode_.head_only)
        return send(head_, {}, false);
    return send(head_, pieces, last);
}

Task<bool> ClientSink::write(std::span<const std::string_view> pieces, bool last)
{
    if (mode_.head_only)
        pieces = {};
    return send({}, pieces, last);
}

Task<bool> ClientSink::send(std::string_view head, std::span<const std::string_view> pieces, bool last)
{
    std::array<std::string_view, Stream::k_max_pieces> out;
    std::size_t count = 0;
    std::array<char, 24> size_line{};
    const std::uint64_t size = total(pieces);
    if (!head.empty())
        out[count++] = head;
    if (chunked_ && size > 0) {
        auto* end = std::to_chars(size_line.data(), size_line.data() + 20, size, 16).ptr;
        *end++ = '\r';
        *end++ = '\n';
        out[count++] = {size_line.data(), static_cast<std::size_t>(end - size_line.data())};
    }
    for (std::size_t i = 0; i < pieces.size(); ++i) {
        if (count == out.size() - 2) { // the rest of the chunk follows
            client_.set_write_deadline(std::chrono::steady_clock::now() + write_timeout_);
            const IoResult sent = co_await client_.write(std::span(out.data(), count));
            if (!sent)
                co_return false;
            count = 0;
        }
        out[count++] = pieces[i];
    }
    if (chunked_ && size > 0)
        out[count++] = last ? "\r\n0\r\n\r\n" : "\r\n";
    else if (chunked_ && last)
        out[count++] = "0\r\n\r\n";
    bytes_ += size;
    if (count == 0)
        co_return true;
    client_.set_write_deadline(std::chrono::steady_clock::now() + write_timeout_);
    const IoResult sent = co_await client_.write(std::span(out.data(), count));
    co_return static_cast<bool>(sent);
}

void ClientSink::cut()
{
    mode_.keep_alive = false;
    if (!chunked_) // without chunks and length the end of the connection would look like the end of the body
        client_.reset_on_close();
}

Task<bool> MemorySink::begin(const AnswerHead& head, std::span<const std::string_view> pieces, bool last)
{
    head_ = head;
    note_begin(head.status);
    return write(pieces, last);
}

Task<bool> MemorySink::write(std::span<const std::string_view> pieces, bool last)
{
    const std::uint64_t size = total(pieces);
    if (body_.size() + size > limit_)
        co_return false;
    for (std::string_view piece : pieces)
        body_.append(piece);
    bytes_ += size;
    complete_ = last;
    co_return true;
}

} // namespace conduit::agent
