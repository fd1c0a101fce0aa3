// SPDX-License-Identifier: Apache-2.0
// GET /v1/realtime: frames are checked and passed on untouched, the client's masks included; close codes with
// their reasons go through at once.
#include "agent/server/exchange.hpp"
#include "agent/server/realtime_end.hpp"
#include "agent/server/session.hpp"

#include "agent/net/websocket.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit::agent {

namespace {

constexpr auto k_idle = 15min;
constexpr auto k_close_wait = 5s; // for the provider's answer to a close
constexpr auto k_frame_wait = 2s; // for the end of a frame under way

struct Direction {
    Stream& from;
    Stream& to;
    bool masked; // frames of a client
    WsFrameReader frames{masked};
    std::uint64_t left = 0; // of the frame under way
    bool closed = false;    // a close frame went through
    bool broken = false;    // the sender broke the protocol
    bool to_failed = false; // the receiver is gone
    bool stop = false;      // end at the next frame's end
    std::string_view leave; // why we end it
    std::string held;       // half a frame head
};

// Walks over the frames in `bytes`; how many bytes may be passed on.
std::size_t check_frames(Direction& way, std::string_view bytes)
{
    std::size_t at = 0;
    while (at < bytes.size() && !way.closed) {
        if (way.left > 0) {
            const std::size_t step =
                static_cast<std::size_t>(std::min<std::uint64_t>(way.left, bytes.size() - at));
            way.left -= step;
            at += step;
            continue;
        }
        WsFrameHead head;
        WsFrameReader reader = way.frames;
        const auto used = reader.read(bytes.substr(at), head);
        if (!used) {
            way.broken = true;
            return at;
        }
        // A close frame is passed on whole, so that nothing can come after half of it.
        const bool close = head.opcode == WsOpcode::close;
        if (*used == 0 || (close && bytes.size() - at < *used + head.length))
            return at;
        way.frames = reader;
        at += *used;
        way.left = head.length;
        if (close) {
            at += static_cast<std::size_t>(head.length);
            way.left = 0;
            way.closed = true;
        }
    }
    return at;
}

Task<void> pump(Worker& worker, Direction& way, std::string first)
{
    Buffer buffer = worker.loop.buffer();
    std::size_t end = first.copy(buffer.data(), Buffer::k_size);
    for (;;) {
        const std::size_t ready = check_frames(way, {buffer.data(), end});
        if (ready > 0) {
            way.to.set_write_deadline(std::chrono::steady_clock::now() + 30s);
            const IoResult sent = co_await way.to.write(std::string_view(buffer.data(), ready));
            if (!sent) {
                way.to_failed = true;
                co_return;
            }
            std::copy(buffer.data() + ready, buffer.data() + end, buffer.data());
            end -= ready;
        }
        if (way.closed || way.broken || (way.stop && way.left == 0))
            co_return;
        way.from.set_deadline(std::chrono::steady_clock::now() + k_idle);
        const IoResult got = co_await way.from.read(buffer.data() + end, Buffer::k_size - end);
        if (!got)
            co_return;
        end += got.bytes;
    }
}

Task<void> pump_beside(Worker& worker, Direction& way, std::string first, Signal& ended, Signal& any)
{
    co_await pump(worker, way, std::move(first));
    ended.set();
    any.set();
}

// Tells the receiver why nothing more comes, unless it is in the middle of a frame.
Task<void> say_goodbye(Direction& way, bool receiver_closed)
{
    if (way.closed || way.to_failed || receiver_closed || way.left > 0)
        co_return;
    const bool to_provider = way.masked;
    const bool going = !way.leave.empty();
    const std::uint16_t code = way.broken ? 1002 : to_provider || going ? 1001 : 1011;
    const std::string_view reason = way.broken    ? "protocol error"
                                    : going       ? way.leave
                                    : to_provider ? "the client went away"
                                                  : "the provider's connection was lost";
    const std::string frame = ws_close(code, reason, to_provider);
    co_await way.to.write(std::string_view(frame));
}

// We end it: what the provider sends is cut between two frames, and the client is told to come back.
Task<void> take_leave(Direction& down, Signal& down_ended, std::string_view reason)
{
    down.leave = reason;
    down.stop = true;
    if (down.left == 0)
        down.from.interrupt_read();
    co_await down_ended.wait(std::chrono::steady_clock::now() + k_frame_wait);
}

Task<void> relay(ClientCall& call, ProviderHealth& health, Stream& client, Upstream& upstream,
                 std::string from_client, std::string from_provider)
{
    Stream& provider = *upstream.stream;
    Direction up{client, provider, true};
    Direction down{provider, client, false};
    Signal up_ended(call.worker.loop), down_ended(call.worker.loop), any(call.worker.loop);
    spawn(call.worker.loop.tasks(), pump_beside(call.worker, up, std::move(from_client), up_ended, any));
    spawn(call.worker.loop.tasks(),
          pump_beside(call.worker, down, std::move(from_provider), down_ended, any));
    // Whoever ends first decides; the other one gets a moment to answer a close.
    RealtimeEnd end(call.worker, call.record.provider, upstream.epoch, client, provider, any);
    co_await any.wait(SteadyTime::max());
    const bool sent_away = !up_ended.is_set() && !down_ended.is_set();
    if (sent_away)
        co_await take_leave(down, down_ended, end.reason());
    const bool provider_lost = !sent_away && down_ended.is_set() && !up_ended.is_set() && !down.closed;
    if (up_ended.is_set() && !down_ended.is_set()) {
        co_await say_goodbye(up, down.closed);
        co_await down_ended.wait(std::chrono::steady_clock::now() + k_close_wait);
    } else if (down_ended.is_set() && !up_ended.is_set()) {
        co_await say_goodbye(down, up.closed);
        co_await up_ended.wait(std::chrono::steady_clock::now() + end.close_wait());
    }
    provider.cancel();
    if (!up_ended.is_set() || !down_ended.is_set())
        client.cancel();
    co_await up_ended.wait(SteadyTime::max());
    co_await down_ended.wait(SteadyTime::max());
    if (sent_away) {
        call.record.error = "going_away";
        health.realtime_closed.fetch_add(1);
    }
    if (down.broken || provider_lost)
        call.record.outcome = Outcome::broken;
}

struct Handshake {
    std::unique_ptr<Upstream> connection;
    std::string rest; // frames that came with the answer
    Attempt attempt;
};

Task<void> shake_hands(ClientCall& call, const Adapter& adapter, Handshake& shake, UpstreamRequest& request)
{
    const std::string key = ws_new_key();
    request.method = "GET";
    request.headers.emplace_back("Connection", "Upgrade");
    request.headers.emplace_back("Upgrade", "websocket");
    request.headers.emplace_back("Sec-WebSocket-Version", "13");
    request.headers.emplace_back("Sec-WebSocket-Key", key);
    const std::string head = request_head(request, call, std::nullopt, false);
    Stream& stream = *shake.connection->stream;
    const IoResult sent = co_await stream.write(std::string_view(head));
    Buffer buffer = call.worker.loop.buffer();
    std::string bytes;
    shake.connection->parser.reset();
    shake.attempt.message = "the connection was closed during the WebSocket handshake";
    while (sent && bytes.size() < 65536) {
        const IoResult got = co_await stream.read(buffer.data(), Buffer::k_size);
        if (!got) {
            if (got.status == IoStatus::timeout)
                shake.attempt.code = "timeout";
            co_return;
        }
        bytes.append(buffer.data(), got.bytes);
        const auto used = shake.connection->parser.read_head(bytes);
        if (!used) {
            shake.attempt.message = "the answer to the WebSocket handshake is malformed";
            co_return;
        }
        if (*used == 0)
            continue;
        const HttpHead& answer = shake.connection->parser.head();
        if (answer.status == 101 && answer.find("sec-websocket-accept") == ws_accept(key)) {
            shake.rest = bytes.substr(*used);
            shake.attempt.outcome = Outcome::ok;
            co_return;
        }
        ResponseHead seen;
        seen.status = answer.status;
        for (const HttpField& field : answer.fields)
            seen.headers.emplace_back(to_lower(field.name), std::string(field.value));
        const Classified verdict = adapter.classify(seen, std::string_view(bytes).substr(*used));
        shake.attempt.outcome = verdict.outcome == Outcome::ok ? Outcome::transient : verdict.outcome;
        shake.attempt.status = seen.status;
        shake.attempt.code = verdict.code;
        shake.attempt.message = verdict.message;
        shake.attempt.retry_after = verdict.retry_after;
        co_return;
    }
}

Task<Handshake> open_upstream(ClientCall& call, const ProviderConfig& provider, std::string_view model,
                              std::string_view beta)
{
    Handshake shake;
    const Adapter& adapter = adapter_for(provider.kind);
    auto request = adapter.realtime(provider, model, call.worker.shared.clock.now());
    if (!request) {
        shake.attempt.outcome = Outcome::unsupported;
        shake.attempt.message = request.error().message;
        co_return shake;
    }
    if (!beta.empty())
        request->headers.emplace_back("OpenAI-Beta", std::string(beta));
    const SteadyTime deadline = std::min(call.deadline, call.now() + provider.first_byte_timeout);
    const PoolTarget target{provider, request->url};
    Pool::Acquired acquired = co_await call.worker.pool.open(target, deadline, true);
    if (!acquired.connection) {
        shake.attempt.message = acquired.error;
        shake.attempt.exhausted = acquired.exhausted;
        co_return shake;
    }
    shake.connection = std::move(acquired.connection);
    shake.connection->stream->set_deadline(deadline);
    co_await shake_hands(call, adapter, shake, *request);
    if (shake.attempt.outcome != Outcome::ok)
        call.worker.pool.give_back(std::move(shake.connection), false);
    co_return shake;
}

std::string accept_head(const ClientCall& call, const HttpHead& head, std::string_view key)
{
    std::string out = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    out += fmt::format("Sec-WebSocket-Accept: {}\r\n", ws_accept(key));
    for (const std::string& offered : split(head.find("sec-websocket-protocol"), ','))
        if (trim(offered) == "realtime") {
            out += "Sec-WebSocket-Protocol: realtime\r\n";
            break;
        }
    out += fmt::format("x-conduit-provider: {}\r\nx-conduit-attempts: {}\r\nx-request-id: {}\r\n\r\n",
                       call.record.provider, call.record.attempts, call.record.request_id);
    return out;
}

std::optional<Refusal> check_upgrade(const HttpHead& head)
{
    const std::string_view key = head.find("sec-websocket-key");
    if (!iequals(head.find("upgrade"), "websocket") || !head.upgrade || key.size() != 24) {
        Refusal refusal{
            .status = 426, .message = "this route speaks WebSocket only", .code = "upgrade_required"};
        refusal.headers.emplace_back("Upgrade", "websocket");
        return refusal;
    }
    if (head.find("sec-websocket-version") != "13") {
        Refusal refusal{
            .status = 426, .message = "WebSocket version 13 is needed", .code = "upgrade_required"};
        refusal.headers.emplace_back("Sec-WebSocket-Version", "13");
        return refusal;
    }
    if (head.content_length.value_or(0) > 0 || head.chunked)
        return Refusal{.status = 400, .message = "an upgrade has no body", .code = "malformed_request"};
    return std::nullopt;
}

void report_attempt(ClientCall& call, std::size_t index, const Attempt& attempt)
{
    Shared& shared = call.worker.shared;
    if (attempt.exhausted) {
        call.worker.health[index]->breaker.on_neutral();
        return;
    }
    shared.health.report(*call.worker.health[index], attempt.outcome, call.now(), call.config().health,
                         attempt.retry_after);
    if (attempt.outcome == Outcome::ok)
        return;
    shared.metrics.attempt_failed(call.worker.index(), call.config().providers[index].name, attempt.outcome);
    shared.health.note_error(call.config().providers[index].name, attempt.message);
}

// Connected to a provider, or the reason why not.
Task<std::optional<Refusal>> connect_any(ClientCall& call, std::string model, std::string beta,
                                         Handshake& out)
{
    ProviderSet excluded;
    Refusal refusal{.status = 503,
                    .message = "no provider is available for realtime now",
                    .type = "server_error",
                    .code = "provider_unavailable",
                    .outcome = Outcome::transient};
    for (;;) {
        const auto index = call.worker.chooser.choose(*call.snapshot, call.worker.health, Operation::realtime,
                                                      excluded, call.now());
        if (!index)
            co_return refusal;
        excluded.set(*index);
        if (!call.worker.health[*index]->breaker.allow(call.now()))
            continue;
        const ProviderConfig& provider = call.config().providers[*index];
        ++call.record.attempts;
        call.record.provider = provider.name;
        call.provider_index = *index;
        out = co_await open_upstream(call, provider, model, beta);
        report_attempt(call, *index, out.attempt);
        call.record.outcome = out.attempt.outcome;
        if (out.attempt.outcome == Outcome::ok)
            co_return std::nullopt;
        if (out.attempt.outcome == Outcome::client_error) {
            co_return Refusal{
                .status = out.attempt.status, .message = out.attempt.message, .code = out.attempt.code};
        }
        refusal.outcome = out.attempt.outcome;
    }
}

} // namespace

Task<void> relay_realtime(ClientCall& call, Stream& client, const HttpHead& head, ClientInput& input)
{
    std::optional<Refusal> refusal = check_upgrade(head);
    if (!refusal)
        refusal = co_await admit(call);
    if (!refusal && call.config().safety.emergency)
        refusal = check_safety(call, {});
    const std::string_view target = head.target;
    const auto mark = target.find('?');
    const auto query = parse_query(mark == std::string_view::npos ? "" : target.substr(mark + 1));
    const auto model = query.find("model");
    call.record.model = model == query.end() ? "" : model->second;
    Handshake shake;
    if (!refusal) {
        std::string beta(head.find("openai-beta"));
        refusal = co_await connect_any(call, call.record.model, std::move(beta), shake);
    }
    if (refusal) {
        co_await refuse(call, std::move(*refusal));
        account(call);
        co_return;
    }
    ProviderHealth& health = *call.worker.health[call.provider_index];
    health.in_flight.fetch_add(1);
    health.realtime.fetch_add(1);
    call.worker.realtime.fetch_add(1);
    shake.connection->realtime = true;
    const std::string accept = accept_head(call, head, head.find("sec-websocket-key"));
    const IoResult sent = co_await client.write(std::string_view(accept));
    const SteadyTime opened = call.now();
    const std::uint64_t in_before = client.bytes_in(), out_before = client.bytes_out();
    if (sent) {
        std::string early(input.view());
        input.begin = input.end = input.floor = 0;
        input.buffer.reset();
        co_await relay(call, health, client, *shake.connection, std::move(early), std::move(shake.rest));
    }
    call.record.status = 101;
    call.record.streamed = true;
    call.record.bytes_in = client.bytes_in() - in_before;
    call.record.bytes_out = client.bytes_out() - out_before;
    // A session is billed by its length: the audio inside is not looked at.
    call.record.audio_seconds = std::chrono::duration<double>(call.now() - opened).count();
    call.worker.realtime.fetch_sub(1);
    health.realtime.fetch_sub(1);
    health.in_flight.fetch_sub(1);
    call.worker.pool.give_back(std::move(shake.connection), false);
    account(call);
}

} // namespace conduit::agent
