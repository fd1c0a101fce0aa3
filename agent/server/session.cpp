// SPDX-License-Identifier: Apache-2.0
#include "agent/server/session.hpp"

#include "agent/admin/admin.hpp"
#include "agent/server/routes.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

namespace conduit::agent {

namespace {

constexpr auto k_first_request = 1s; // of a fresh connection, when we are about to end
constexpr auto k_shrink_after = 1s;  // an idle connection gives its buffer back then
constexpr std::uint64_t k_drain_limit = 262'144;

bool sane_id(std::string_view id)
{
    return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
               c == '_' || c == '.' || c == ':' || c == '/';
    });
}

bool sane_trace(std::string_view text)
{
    return text.size() <= 512 &&
           std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

} // namespace

ClientSession::ClientSession(Worker& worker, SessionHost& host, int fd)
    : worker_(worker), host_(host), stream_(worker.loop, fd),
      parser_(HttpParser::Kind::request, worker.snapshot->config.server.max_header),
      sink_(stream_, worker.snapshot->config.server.body_idle_timeout)
{
    worker_.sessions.push_back(this);
    worker_.connections.fetch_add(1, std::memory_order_relaxed);
}

ClientSession::~ClientSession()
{
    std::erase(worker_.sessions, this);
    worker_.connections.fetch_sub(1, std::memory_order_relaxed);
}

void ClientSession::stop_when_idle()
{
    stopping_ = true;
    if (!idle_ || stream_.readable_now()) // a request is being served, or has come: it gets its answer
        return;
    if (requests_ == 0) // who has just connected is about to ask, and cannot know that nobody will answer
        stream_.set_deadline(std::chrono::steady_clock::now() + k_first_request);
    else
        stream_.interrupt_read();
}

// Between two requests. A buffer is held for a second only: a thousand idle connections need none.
Task<ClientSession::HeadResult> ClientSession::wait_idle()
{
    idle_ = true;
    const SteadyTime since = std::chrono::steady_clock::now();
    const bool ending = worker_.shared.draining.load(std::memory_order_relaxed);
    const SteadyTime until =
        since + (ending ? Duration{k_first_request} : worker_.snapshot->config.server.keepalive_timeout);
    IoResult got;
    if (requests_ > 0 && !stopping_) {
        if (!input_.buffer)
            input_.buffer = worker_.loop.buffer();
        stream_.set_deadline(since + k_shrink_after);
        got = co_await stream_.read(input_.buffer.data(), Buffer::k_size);
        if (got)
            input_.end = got.bytes;
    } else {
        got.status = IoStatus::timeout;
    }
    if (got.status == IoStatus::timeout && !stopping_) {
        input_.buffer.reset();
        stream_.set_deadline(until);
        got = co_await stream_.wait_readable();
    }
    idle_ = false;
    co_return got ? HeadResult::ok : HeadResult::closed;
}

Task<void> ClientSession::refuse_head(int status, std::string_view message, std::string_view code)
{
    sink_.reset({.keep_alive = false});
    AnswerHead head;
    head.status = status;
    const std::string body = openai_error(message, "invalid_request_error", code);
    const std::string_view piece = body;
    co_await sink_.begin(head, std::span(&piece, 1), true);
    stream_.shutdown_send();
}

Task<ClientSession::HeadResult> ClientSession::read_head()
{
    if (input_.begin > 0) { // a pipelined request, or the rest of a buffer
        std::memmove(input_.buffer.data(), input_.buffer.data() + input_.begin, input_.end - input_.begin);
        input_.end -= input_.begin;
    }
    input_.begin = input_.floor = 0;
    if (input_.end == 0) {
        const HeadResult waited = co_await wait_idle();
        if (waited != HeadResult::ok)
            co_return waited;
    }
    if (!input_.buffer)
        input_.buffer = worker_.loop.buffer();
    parser_.reset();
    stream_.set_deadline(std::chrono::steady_clock::now() + worker_.snapshot->config.server.header_timeout);
    for (;;) {
        const auto used = parser_.read_head(input_.view());
        if (!used) {
            const bool large = parser_.fault() == HttpFault::head_too_large;
            co_await refuse_head(large ? 431 : 400,
                                 large ? "the request's head is too large" : "the request is malformed",
                                 large ? "header_too_large" : "malformed_request");
            co_return HeadResult::bad;
        }
        if (*used > 0) {
            input_.begin = input_.floor = *used;
            co_return HeadResult::ok;
        }
        if (input_.end > worker_.snapshot->config.server.max_header || input_.full()) {
            co_await refuse_head(431, "the request's head is too large", "header_too_large");
            co_return HeadResult::bad;
        }
        const IoResult got =
            co_await stream_.read(input_.buffer.data() + input_.end, Buffer::k_size - input_.end);
        if (got.status == IoStatus::timeout && input_.end > 0)
            co_await refuse_head(408, "the request's head did not arrive in time", "header_timeout");
        if (!got)
            co_return got.status == IoStatus::timeout ? HeadResult::bad : HeadResult::closed;
        input_.end += got.bytes;
    }
}

Task<bool> ClientSession::secure(std::shared_ptr<ssl_ctx_st> context)
{
    stream_.set_deadline(std::chrono::steady_clock::now() + worker_.snapshot->config.server.header_timeout);
    const Result<> shaken = co_await stream_.accept_tls(std::move(context));
    co_return shaken.has_value();
}

Task<void> ClientSession::run()
{
    while (!close_ && !stopping_) {
        const HeadResult head = co_await read_head();
        if (head != HeadResult::ok)
            break;
        ++requests_;
        worker_.in_flight.fetch_add(1, std::memory_order_relaxed);
        co_await handle();
        worker_.in_flight.fetch_sub(1, std::memory_order_relaxed);
        if (!sink_.keep_alive() || worker_.shared.draining.load(std::memory_order_relaxed))
            break;
    }
}

std::string_view ClientSession::presented_key() const
{
    const HttpHead& head = parser_.head();
    std::string_view authorization = head.find("authorization");
    if (authorization.size() > 7 && iequals(authorization.substr(0, 7), "Bearer "))
        return trim(authorization.substr(7));
    if (const std::string_view key = head.find("x-api-key"); !key.empty())
        return key;
    // Browsers cannot set headers on a WebSocket: OpenAI's way is a subprotocol.
    constexpr std::string_view mark = "openai-insecure-api-key.";
    const std::string_view protocols = head.find("sec-websocket-protocol");
    const auto at = protocols.find(mark);
    if (at == std::string_view::npos)
        return {};
    const std::string_view key = protocols.substr(at + mark.size());
    return key.substr(0, key.find_first_of(", "));
}

const Sha256Digest& ClientSession::digest_of(std::string_view key)
{
    if (last_key_ != key) {
        last_digest_ = sha256(key);
        last_key_ = key;
    }
    return last_digest_;
}

void ClientSession::begin_call(ClientCall& call)
{
    const HttpHead& head = parser_.head();
    call.client = &stream_;
    if (const std::string_view key = presented_key(); !key.empty())
        call.presented = digest_of(key);
    const std::string_view id = head.find("x-request-id");
    call.record.request_id = sane_id(id) ? std::string(id) : worker_.ids.next(call.record.time);
    if (const std::string_view trace = head.find("traceparent"); !trace.empty() && sane_trace(trace)) {
        call.traceparent = trace;
        if (const std::string_view state = head.find("tracestate"); sane_trace(state))
            call.tracestate = state;
    }
}

Task<void> ClientSession::plain_refusal(Refusal refusal)
{
    AnswerHead head;
    head.status = refusal.status;
    head.headers = std::move(refusal.headers);
    const std::string body = openai_error(refusal.message, refusal.type, refusal.code, refusal.param);
    const std::string_view piece = body;
    co_await sink_.begin(head, std::span(&piece, 1), true);
}

Task<void> ClientSession::handle_model_route(Operation operation, bool conversation)
{
    ClientCall call(worker_, sink_);
    begin_call(call);
    call.request.operation = call.record.operation = operation;
    const HttpHead& head = parser_.head();
    Upload upload(worker_.loop, stream_, parser_, head, input_);
    upload.limits(call.config().server.max_body, call.config().server.body_idle_timeout);
    if (iequals(head.find("expect"), "100-continue") && head.version == 11)
        upload.expect_continue();
    call.upload = &upload;
    const std::string content_type(head.find("content-type"));
    if (conversation)
        co_await serve_conversation(call, content_type);
    else
        co_await serve(call, content_type);
    const bool clean = co_await upload.drain(k_drain_limit);
    if (call.gone || !clean) {
        sink_.close_after();
        stream_.shutdown_send();
    }
}

Task<void> ClientSession::handle_realtime()
{
    ClientCall call(worker_, sink_);
    begin_call(call);
    call.request.operation = call.record.operation = Operation::realtime;
    const bool upgraded = parser_.head().upgrade;
    co_await relay_realtime(call, stream_, parser_.head(), input_);
    if (upgraded || call.gone)
        sink_.close_after();
    stream_.shutdown_send();
}

Task<void> ClientSession::handle_list(bool voices)
{
    ClientCall call(worker_, sink_);
    begin_call(call);
    std::optional<Refusal> refusal = co_await admit(call);
    if (refusal) {
        co_await plain_refusal(std::move(*refusal));
        co_return;
    }
    const std::string body = voices ? list_voices(call.config()) : list_models(call.config());
    const std::string_view piece = body;
    const AnswerHead head;
    co_await sink_.begin(head, std::span(&piece, 1), true);
}

Task<void> ClientSession::handle_admin()
{
    const HttpHead& head = parser_.head();
    AdminRequest request;
    request.method = head.method == "HEAD" ? "GET" : std::string(head.method);
    const std::string_view target = head.target;
    request.path = target.substr(0, target.find('?'));
    if (const auto mark = target.find('?'); mark != std::string_view::npos)
        request.query = target.substr(mark + 1);
    for (const HttpField& field : head.fields)
        request.headers.emplace_back(field.name, field.value);
    request.on_admin_port = false;
    co_await host_.answer_admin(worker_.loop, sink_, std::move(request));
}

Task<void> ClientSession::handle()
{
    const HttpHead& head = parser_.head();
    const bool ending = stopping_ || worker_.shared.draining.load(std::memory_order_relaxed);
    sink_.reset({.keep_alive = head.keep_alive && !ending,
                 .http10 = head.version == 10,
                 .head_only = head.method == "HEAD"});
    const Route route = find_route(head.method, head.target);
    switch (route.kind) {
    case Route::Kind::model:
        co_await handle_model_route(route.operation, false);
        co_return;
    case Route::Kind::models:
    case Route::Kind::voices:
        co_await handle_list(route.kind == Route::Kind::voices);
        break;
    case Route::Kind::admin:
        co_await handle_admin();
        break;
    case Route::Kind::conversation:
        co_await handle_model_route(Operation::transcription, true);
        co_return;
    case Route::Kind::realtime:
        co_await handle_realtime();
        co_return;
    case Route::Kind::unknown: {
        Refusal refusal{.status = 404, .code = "unknown_route"};
        refusal.message =
            fmt::format("unknown route {} {}", printable(head.method), printable(head.target.substr(0, 200)));
        co_await plain_refusal(std::move(refusal));
        break;
    }
    case Route::Kind::wrong_method: {
        Refusal refusal{.status = 405, .message = "wrong method", .code = "method_not_allowed"};
        refusal.message = fmt::format("{} takes {} only", printable(head.target.substr(0, 200)), route.allow);
        refusal.headers.emplace_back("Allow", route.allow);
        co_await plain_refusal(std::move(refusal));
        break;
    }
    }
    Upload rest(worker_.loop, stream_, parser_, parser_.head(), input_);
    rest.limits(k_drain_limit, 2s);
    const bool clean = co_await rest.drain(k_drain_limit);
    if (!clean)
        sink_.close_after();
}

} // namespace conduit::agent
