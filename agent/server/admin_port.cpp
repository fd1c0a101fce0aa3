// SPDX-License-Identifier: Apache-2.0
#include "agent/server/admin_port.hpp"

#include "agent/net/http1.hpp"
#include "agent/net/stream.hpp"
#include "agent/server/answer.hpp"
#include "agent/server/tls_listener.hpp"
#include "agent/server/upload.hpp"

#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace conduit::agent {

namespace {

constexpr std::size_t k_threads = 2;
constexpr std::size_t k_body_limit = 1U << 20U;
constexpr std::size_t k_max_connections = 256;

} // namespace

struct AdminPort::Impl {
    AdminHandler handler;
    int fd;
    TlsListener* tls;
    Loop loop{0};
    std::unique_ptr<Stream> listener;
    std::thread loop_thread;
    std::vector<std::thread> handlers;
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<std::function<void()>> work;
    bool stopping = false;
    std::size_t connections = 0;
    std::atomic<std::uint64_t> kept{0};

    void handler_thread();
    void submit(std::function<void()> job);
    Task<AdminResponse> run(Loop& on, AdminRequest request);
    Task<void> accept_loop();
    Task<void> session(int client);
    Task<bool> request(Stream& stream, HttpParser& parser, ClientInput& input, ClientSink& sink);
    Task<bool> read_head(Stream& stream, HttpParser& parser, ClientInput& input, ClientSink& sink);
};

void AdminPort::Impl::handler_thread()
{
    for (;;) {
        std::function<void()> job;
        {
            std::unique_lock lock(mutex);
            wake.wait(lock, [this] { return stopping || !work.empty(); });
            if (work.empty())
                return;
            job = std::move(work.front());
            work.pop_front();
        }
        job();
    }
}

void AdminPort::Impl::submit(std::function<void()> job)
{
    {
        const std::lock_guard lock(mutex);
        work.push_back(std::move(job));
    }
    wake.notify_one();
}

Task<AdminResponse> AdminPort::Impl::run(Loop& on, AdminRequest request)
{
    struct Handled {
        Impl& impl;
        Loop& on;
        AdminRequest request;
        AdminResponse response;
        // A constructor: g++ 12 frees members of an aggregate twice when it is built inside a coroutine.
        Handled(Impl& owner, Loop& loop, AdminRequest asked)
            : impl(owner), on(loop), request(std::move(asked))
        {
        }
        bool await_ready() const { return false; }
        void await_suspend(std::coroutine_handle<> handle)
        {
            impl.submit([this, handle] {
                response = impl.handler(request);
                on.resume_soon(handle);
            });
        }
        void await_resume() const {}
    };
    Handled handled(*this, on, std::move(request));
    co_await handled;
    co_return std::move(handled.response);
}

Task<bool> AdminPort::Impl::read_head(Stream& stream, HttpParser& parser, ClientInput& input,
                                      ClientSink& sink)
{
    std::memmove(input.buffer.data(), input.buffer.data() + input.begin, input.end - input.begin);
    input.end -= input.begin;
    input.begin = input.floor = 0;
    parser.reset();
    stream.set_deadline(std::chrono::steady_clock::now() + (input.end > 0 ? 10s : 75s));
    for (;;) {
        const auto used = parser.read_head(input.view());
        if (used && *used > 0) {
            input.begin = input.floor = *used;
            co_return true;
        }
        if (!used || input.full()) {
            sink.reset({.keep_alive = false});
            AnswerHead head;
            head.status = input.full() || parser.fault() == HttpFault::head_too_large ? 431 : 400;
            const std::string_view body = R"({"error":{"message":"the request is malformed"}})";
            co_await sink.begin(head, std::span(&body, 1), true);
            co_return false;
        }
        const IoResult got =
            co_await stream.read(input.buffer.data() + input.end, Buffer::k_size - input.end);
        if (!got)
            co_return false;
        input.end += got.bytes;
    }
}

Task<bool> AdminPort::Impl::request(Stream& stream, HttpParser& parser, ClientInput& input, ClientSink& sink)
{
    const bool have_head = co_await read_head(stream, parser, input, sink);
    if (!have_head)
        co_return false;
    const HttpHead& head = parser.head();
    sink.reset(
        {.keep_alive = head.keep_alive, .http10 = head.version == 10, .head_only = head.method == "HEAD"});
    AdminRequest request;
    request.method = head.method == "HEAD" ? "GET" : std::string(head.method);
    request.path = head.target.substr(0, head.target.find('?'));
    if (const auto mark = head.target.find('?'); mark != std::string_view::npos)
        request.query = head.target.substr(mark + 1);
    for (const HttpField& field : head.fields)
        request.headers.emplace_back(field.name, field.value);
    Upload upload(loop, stream, parser, head, input);
    upload.limits(k_body_limit, 10s);
    if (head.find("expect") == "100-continue")
        upload.expect_continue();
    const UploadFault fault = co_await upload.keep_all(k_body_limit, kept);
    for (std::string_view piece : upload.kept())
        request.body.append(piece);
    AdminResponse response;
    if (fault == UploadFault::none) {
        response = co_await run(loop, std::move(request));
    } else {
        sink.close_after();
        response.status = fault == UploadFault::too_large ? 413 : 400;
        response.body = R"({"error":{"message":"the body is too large or malformed"}})";
    }
    AnswerHead answer;
    answer.status = response.status;
    answer.content_type = response.content_type;
    answer.headers = std::move(response.headers);
    const std::string_view body = response.body;
    const bool sent = co_await sink.begin(answer, std::span(&body, 1), true);
    co_return sent&& sink.keep_alive();
}

Task<void> AdminPort::Impl::session(int client)
{
    ++connections;
    {
        Stream stream(loop, client);
        HttpParser parser(HttpParser::Kind::request, 32768);
        ClientInput input;
        input.buffer = loop.buffer();
        ClientSink sink(stream, 10s);
        bool secured = true;
        if (tls != nullptr) {
            stream.set_deadline(std::chrono::steady_clock::now() + 10s);
            const Result<> shaken = co_await stream.accept_tls(tls->context());
            secured = shaken.has_value();
        }
        while (secured) {
            const bool again = co_await request(stream, parser, input, sink);
            if (!again)
                break;
        }
        stream.shutdown_send();
    }
    --connections;
}

Task<void> AdminPort::Impl::accept_loop()
{
    for (;;) {
        const IoResult ready = co_await listener->wait_readable();
        if (!ready)
            co_return;
        const int client = ::accept4(fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0)
            continue;
        if (connections >= k_max_connections)
            ::close(client);
        else
            spawn(loop.tasks(), session(client));
    }
}

AdminPort::AdminPort(AdminHandler handler, int fd, TlsListener* tls)
    : impl_(std::make_unique<Impl>(std::move(handler), fd, tls))
{
    if (!impl_->handler)
        return;
    for (std::size_t i = 0; i < k_threads; ++i)
        impl_->handlers.emplace_back([this] { impl_->handler_thread(); });
    if (fd >= 0) {
        impl_->listener = std::make_unique<Stream>(impl_->loop, ::dup(fd));
        impl_->loop.post([this] { spawn(impl_->loop.tasks(), impl_->accept_loop()); });
    }
    impl_->loop_thread = std::thread([this] { impl_->loop.run(); });
}

AdminPort::~AdminPort()
{
    stop();
}

Task<AdminResponse> AdminPort::run(Loop& loop, AdminRequest request)
{
    return impl_->run(loop, std::move(request));
}

void AdminPort::stop()
{
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->stopping = true;
    }
    impl_->wake.notify_all();
    for (auto& thread : impl_->handlers)
        thread.join();
    impl_->handlers.clear();
    impl_->loop.stop();
    if (impl_->loop_thread.joinable())
        impl_->loop_thread.join();
    impl_->loop.tasks().drop();
}

} // namespace conduit::agent
