// SPDX-License-Identifier: Apache-2.0
#include "sim/server/writer.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/status.hpp>
#include <fmt/format.h>
#include <iterator>

namespace conduit::sim {
namespace {

constexpr auto k_try = asio::as_tuple(k_await);
constexpr std::size_t k_chunk = 16U << 10U;

std::string head_of(const WireResponse& response, const WriteOptions& options, bool chunked)
{
    fmt::memory_buffer out;
    const auto reason = http::obsolete_reason(http::int_to_status(static_cast<unsigned>(response.status)));
    fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", response.status,
                   std::string_view(reason.data(), reason.size()));
    for (const auto& [name, value] : response.headers)
        fmt::format_to(std::back_inserter(out), "{}: {}\r\n", name, value);
    if (chunked)
        fmt::format_to(std::back_inserter(out), "Transfer-Encoding: chunked\r\n");
    else
        fmt::format_to(std::back_inserter(out), "Content-Length: {}\r\n", response.body.size());
    if (!options.keep_alive)
        fmt::format_to(std::back_inserter(out), "Connection: close\r\n");
    else if (!options.http11)
        fmt::format_to(std::back_inserter(out), "Connection: keep-alive\r\n");
    fmt::format_to(std::back_inserter(out), "\r\n");
    return fmt::to_string(out);
}

// Everything at once: the kernel sends the first bytes while the later ones are copied.
Task<Written> write_at_once(Socket& socket, std::string head, const std::string& body, bool chunked)
{
    std::vector<asio::const_buffer> buffers{asio::buffer(head)};
    std::vector<std::string> marks;
    if (!chunked) {
        buffers.push_back(asio::buffer(body));
    } else {
        marks.reserve(body.size() / k_chunk + 2);
        for (std::size_t at = 0; at < body.size(); at += k_chunk) {
            const auto size = std::min(k_chunk, body.size() - at);
            marks.push_back(fmt::format("{}{:x}\r\n", at == 0 ? "" : "\r\n", size));
            buffers.push_back(asio::buffer(marks.back()));
            buffers.push_back(asio::buffer(body.data() + at, size));
        }
        marks.emplace_back(body.empty() ? "0\r\n\r\n" : "\r\n0\r\n\r\n");
        buffers.push_back(asio::buffer(marks.back()));
    }
    auto [ec, size] = co_await asio::async_write(socket, buffers, k_try);
    co_return Written{size, !ec};
}

Task<bool> write_some(Socket& socket, std::string_view bytes, Written& written)
{
    auto [ec, size] = co_await asio::async_write(socket, asio::buffer(bytes), k_try);
    written.bytes += size;
    co_return !ec;
}

Task<Written> write_slowly(Socket& socket, std::string head, const std::string& body, bool chunked,
                           const Fault& fault)
{
    Written written;
    bool open = co_await write_some(socket, head, written);
    if (open && fault.first_byte.count() > 0)
        co_await pause(fault.first_byte);
    const auto rate = fault.bytes_per_second;
    const auto piece = rate == 0 ? k_chunk : std::clamp<std::size_t>(rate / 20, 1, k_chunk);
    const auto limit = std::min<std::uint64_t>(body.size(), fault.cut_after_bytes.value_or(~0ULL));
    const bool cut = fault.cut_after_bytes && *fault.cut_after_bytes < body.size();
    const auto start = std::chrono::steady_clock::now();
    for (std::size_t at = 0; at < limit && open; at += piece) {
        const auto part = std::string_view(body).substr(at, std::min(piece, limit - at));
        // A chunk that is cut off is announced whole, as a broken connection leaves it.
        const auto announced = std::min(piece, body.size() - at);
        std::string framed = chunked ? fmt::format("{:x}\r\n", announced) : std::string{};
        framed += part;
        if (chunked && part.size() == announced)
            framed += "\r\n";
        open = co_await write_some(socket, framed, written);
        if (rate > 0 && open && at + piece < limit) {
            const auto due = start + std::chrono::microseconds((at + piece) * 1000000 / rate);
            const auto left = std::chrono::ceil<Duration>(due - std::chrono::steady_clock::now());
            if (left.count() > 0)
                co_await pause(left);
        }
    }
    if (cut) {
        // The bytes must leave before the reset discards what is still queued.
        co_await pause(Duration{20});
        reset_socket(socket);
        co_return written;
    }
    if (open && chunked)
        open = co_await write_some(socket, "0\r\n\r\n", written);
    written.complete = open;
    co_return written;
}

} // namespace

Task<Written> write_response(Socket& socket, const WireResponse& response, WriteOptions options)
{
    const bool chunked = response.chunked && options.http11;
    auto head = head_of(response, options, chunked);
    const auto* fault = options.fault;
    const bool slow = fault != nullptr && (fault->first_byte.count() > 0 || fault->bytes_per_second > 0 ||
                                           fault->cut_after_bytes);
    if (slow)
        co_return co_await write_slowly(socket, std::move(head), response.body, chunked, *fault);
    co_return co_await write_at_once(socket, std::move(head), response.body, chunked);
}

} // namespace conduit::sim
