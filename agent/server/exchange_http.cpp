// SPDX-License-Identifier: Apache-2.0
// One HTTP attempt: send, read the head, judge it, and only then let anything through to the client.
#include "agent/server/exchange_http.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace conduit::agent {

std::string io_text(const IoResult& result)
{
    switch (result.status) {
    case IoStatus::timeout:
        return "no answer in time";
    case IoStatus::eof:
        return "the connection was closed before the answer";
    case IoStatus::cancelled:
        return "cancelled";
    default:
        return fmt::format("the connection failed (error {})", result.error);
    }
}

Task<bool> HttpExchange::acquire(bool fresh)
{
    const PoolTarget target{provider, upstream.url};
    if (!fresh)
        connection = call.worker.pool.take_idle(target);
    if (!connection) {
        const SteadyTime before = call.now();
        Pool::Acquired acquired = co_await call.worker.pool.open(target, deadline, fresh);
        call.waited += call.now() - before;
        if (!acquired.connection) {
            attempt.message = acquired.error;
            attempt.exhausted = acquired.exhausted;
            co_return false;
        }
        connection = std::move(acquired.connection);
    }
    connection->stream->set_deadline(deadline);
    connection->stream->set_write_deadline(deadline);
    co_return true;
}

Task<IoResult> HttpExchange::fill()
{
    if (!buffer)
        buffer = call.worker.loop.buffer();
    if (begin == end)
        begin = end = 0;
    if (end == Buffer::k_size) {
        if (begin == 0)
            co_return IoResult{IoStatus::failed, 0, EMSGSIZE};
        std::memmove(buffer.data(), buffer.data() + begin, end - begin);
        end -= begin;
        begin = 0;
    }
    const SteadyTime before = call.now();
    const IoResult got = co_await connection->stream->read(buffer.data() + end, Buffer::k_size - end);
    call.waited += call.now() - before;
    if (got)
        end += got.bytes;
    co_return got;
}

Task<IoResult> HttpExchange::read_head()
{
    connection->stream->set_deadline(std::min(deadline, call.now() + provider.first_byte_timeout));
    connection->parser.reset();
    for (;;) {
        const IoResult got = co_await fill();
        if (!got)
            co_return got;
        for (;;) {
            const auto used = connection->parser.read_head({buffer.data() + begin, end - begin});
            if (!used)
                co_return IoResult{IoStatus::failed, 0, EPROTO};
            if (*used == 0)
                break;
            begin += *used;
            const int status = connection->parser.head().status;
            if (status >= 200)
                co_return IoResult{};
            connection->parser.reset(); // 100, 102, 103: the answer is still to come
            if (begin == end)
                break;
        }
    }
}

Task<void> HttpExchange::run()
{
    prepare();
    for (bool fresh = false;; fresh = true) {
        const bool acquired = co_await acquire(fresh);
        if (!acquired) {
            attempt.outcome = Outcome::transient;
            co_return;
        }
        ClientWatch watch(call, *connection->stream);
        const Sent sent = co_await send();
        if (sent == Sent::client_fault)
            co_return;
        // A failed send may still have an answer to read: servers refuse large bodies early.
        const IoResult head = co_await read_head();
        if (head) {
            const HttpHead& answer = connection->parser.head();
            note_quota(call.health, answer);
            reusable = sent == Sent::all && answer.keep_alive;
            if (answer.status >= 400 || answer.status < 200)
                co_await read_error();
            else
                co_await relay();
            co_return;
        }
        const bool untouched = head.status == IoStatus::eof && end == 0;
        const bool repeatable = own_body || call.upload->replayable();
        if (untouched && connection->reused && repeatable && !fresh && !call.gone) {
            call.worker.pool.give_back(std::move(connection), false); // it had gone stale while it was idle
            continue;
        }
        attempt.outcome = call.gone ? Outcome::cancelled : Outcome::transient;
        attempt.message = io_text(head);
        if (head.status == IoStatus::timeout)
            attempt.code = "timeout";
        co_return;
    }
}

Task<Attempt> http_exchange(ClientCall& call, const ProviderConfig& provider, const Adapter& adapter,
                            UpstreamRequest& upstream)
{
    HttpExchange exchange{call, provider, adapter, upstream};
    co_await exchange.run();
    if (exchange.connection)
        call.worker.pool.give_back(std::move(exchange.connection), exchange.reusable);
    co_return std::move(exchange.attempt);
}

} // namespace conduit::agent
