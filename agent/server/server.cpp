// SPDX-License-Identifier: Apache-2.0
#include "agent/server/server.hpp"

#include "agent/server/admin_port.hpp"
#include "agent/server/fleet.hpp"
#include "agent/server/in_process.hpp"
#include "agent/server/listen.hpp"
#include "agent/server/session.hpp"
#include "agent/server/tls_listener.hpp"

#include <condition_variable>
#include <csignal>
#include <fmt/format.h>
#include <future>
#include <latch>
#include <map>
#include <mutex>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace conduit::agent {

namespace {

class ServerImpl final : public Server, public SessionHost {
  public:
    ServerImpl(Options options, Parts parts)
        : options_(std::move(options)),
          shared_{parts.limiter, parts.health, parts.cache, parts.flights, parts.metrics, parts.records,
                  parts.retries, pools_,       parts.log,   parts.clock,   parts.fleet}
    {
        for (unsigned i = 0; i < options_.threads; ++i)
            workers_.push_back(std::make_unique<Worker>(i, shared_));
        pools_.on_free([this](PoolBoard::Entry& entry) {
            for (auto& worker : workers_)
                worker->loop.post([w = worker.get(), &entry] { w->pool.wake(entry); });
        });
    }
    ~ServerImpl() override { stop(Deadline(0ms)); }

    Result<> listen()
    {
        TRY_ASSIGN(data_fd_, listen_on(options_.data, options_.data_fd));
        if (options_.data_tls.on()) {
            TRY_ASSIGN(data_tls_, TlsListener::open(options_.data_tls, shared_.log));
        }
        if (options_.admin_on && options_.admin_tls.on()) {
            TRY_ASSIGN(admin_tls_, TlsListener::open(options_.admin_tls, shared_.log));
        }
        if (options_.admin_on) {
            TRY_ASSIGN(admin_fd_, listen_on(options_.admin, options_.admin_fd));
        }
        return {};
    }

    void publish(std::shared_ptr<const Snapshot> snapshot, std::shared_ptr<const SafetyRules> rules) override;
    void start(AdminHandler admin) override;
    using Server::stop;
    void stop(Deadline deadline, bool patient) override;
    std::string data_url() const override { return url_of_socket(data_fd_.get(), data_tls_ != nullptr); }
    std::string admin_url() const override
    {
        return admin_fd_ ? url_of_socket(admin_fd_.get(), admin_tls_ != nullptr) : "";
    }
    bool draining() const override { return shared_.draining; }
    Result<> reload_tls() override
    {
        for (const auto* tls : {&data_tls_, &admin_tls_})
            if (*tls)
                TRY((*tls)->reload());
        return {};
    }

    Task<void> answer_admin(Loop& loop, AnswerSink& sink, AdminRequest request) override;

    Result<TestResult> test_provider(const std::string& provider, bool billed, Deadline deadline) override;
    Result<bool> warm_speech(const std::string& body, Deadline deadline) override;
    std::vector<PoolStats> pool_stats() override { return pools_.stats(); }
    std::vector<ConnectionInfo> connections(std::size_t limit) override;
    std::uint64_t in_flight() override;
    std::map<std::string, std::uint64_t> in_flight_by_provider() override;

    std::vector<PoolStats> pools() const override { return pools_.stats(); }
    std::uint64_t cache_bytes() const override { return shared_.cache.stats().bytes; }
    std::uint64_t cache_entries() const override { return shared_.cache.stats().entries; }
    std::uint64_t connections() const override;
    std::uint64_t realtime_sessions() const override;
    Records::Stats records() const override { return shared_.records.stats(); }
    RedisState redis() const override;

  private:
    void on_every_worker(const std::function<void(Worker&)>& work);
    Task<void> accept_loop(Worker& worker);
    void adopt_connection(int fd);
    Task<void> run_session(Worker& worker, int fd);

    Options options_;
    PoolBoard pools_;
    Shared shared_;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<std::thread> threads_;
    UniqueFd data_fd_, admin_fd_;
    std::unique_ptr<TlsListener> data_tls_, admin_tls_; // null: plain
    std::unique_ptr<AdminPort> admin_port_;
    bool has_admin_ = false;
    enum class State : std::uint8_t { opened, running, stopped };
    std::mutex state_mutex_;
    std::string apply_epochs(const Snapshot& snapshot);
    std::uint64_t published_generation_ = 0;
    bool epochs_known_ = false;
    ClearHistory clears_;
    std::map<std::string, std::uint64_t> circuit_epochs_; // publish against start and stop
    State state_ = State::opened;
    std::vector<std::unique_ptr<Stream>> listeners_; // one a worker
};

void ServerImpl::on_every_worker(const std::function<void(Worker&)>& work)
{
    std::latch done(static_cast<std::ptrdiff_t>(workers_.size()));
    for (auto& worker : workers_)
        worker->loop.post([&, w = worker.get()] {
            work(*w);
            done.count_down();
        });
    done.wait();
}

// What a revision asks to be done once: drop cached answers, close circuits. Done before the workers read the
// snapshot, so that a replica that reports the revision has done it. What an epoch was at the start happened
// in another life.
// Returns the prefix of the cached answers that must go, or nothing.
std::string ServerImpl::apply_epochs(const Snapshot& snapshot)
{
    const bool first = !epochs_known_;
    epochs_known_ = true;
    const auto mark = clear_mark(snapshot);
    if (shared_.fleet != nullptr)
        shared_.fleet->cache.note(mark, snapshot.config.cache.store == "redis");
    const auto news = clears_.note(mark);
    for (const auto& [name, epoch] : snapshot.circuit_epochs) {
        auto& seen = circuit_epochs_[name];
        if (!first && epoch > seen)
            shared_.health.of(name).breaker.reset();
        seen = epoch;
    }
    if (news == ClearHistory::News::gap)
        return "audio:";
    return news == ClearHistory::News::clear ? mark.prefix : "";
}

void ServerImpl::publish(std::shared_ptr<const Snapshot> snapshot, std::shared_ptr<const SafetyRules> rules)
{
    const std::lock_guard lock(state_mutex_);
    // The start-up's own publishing may be overtaken by the controller's thread: an older one changes
    // nothing.
    if (state_ == State::stopped || snapshot->generation < published_generation_)
        return;
    published_generation_ = snapshot->generation;
    const auto gone = apply_epochs(*snapshot);
    const auto clear = [&] {
        if (!gone.empty())
            (void)shared_.cache.clear(gone).has_value(); // checked when it was written
    };
    clear();
    if (state_ == State::opened) {
        for (auto& worker : workers_)
            worker->adopt(snapshot, rules);
        return;
    }
    on_every_worker([&](Worker& worker) { worker.adopt(snapshot, rules); });
    clear(); // what a worker kept in the moment before it knew
}

Task<void> ServerImpl::run_session(Worker& worker, int fd)
{
    ClientSession session(worker, *this, fd);
    if (data_tls_) {
        const bool secured = co_await session.secure(data_tls_->context());
        if (!secured)
            co_return;
    }
    co_await session.run();
}

// A new connection goes to the thread with the fewest.
void ServerImpl::adopt_connection(int fd)
{
    Worker* least = workers_.front().get();
    for (auto& worker : workers_)
        if (worker->connections < least->connections)
            least = worker.get();
    least->loop.post([this, least, fd] { spawn(least->loop.tasks(), run_session(*least, fd)); });
}

Task<void> ServerImpl::accept_loop(Worker& worker)
{
    Stream& listener = *listeners_[worker.index()];
    for (;;) {
        const IoResult ready = co_await listener.wait_readable();
        if (!ready)
            co_return;
        const int fd = ::accept4(data_fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            adopt_connection(fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
            Signal pause(worker.loop); // no descriptor left: some will be free soon
            co_await pause.wait(std::chrono::steady_clock::now() + 50ms);
        }
    }
}

void ServerImpl::start(AdminHandler admin)
{
    const std::lock_guard lock(state_mutex_);
    has_admin_ = admin != nullptr;
    std::signal(SIGPIPE, SIG_IGN);
    for (auto& worker : workers_) {
        listeners_.push_back(std::make_unique<Stream>(worker->loop, ::dup(data_fd_.get())));
        worker->loop.post([this, w = worker.get()] { spawn(w->loop.tasks(), accept_loop(*w)); });
    }
    for (auto& worker : workers_)
        threads_.emplace_back([w = worker.get()] { w->loop.run(); });
    admin_port_ = std::make_unique<AdminPort>(std::move(admin), admin_fd_.get(), admin_tls_.get());
    workers_.front()->loop.post(
        [this] { spawn(workers_.front()->loop.tasks(), probe_forever(*workers_.front())); });
    state_ = State::running;
    shared_.ready = true;
}

void ServerImpl::stop(Deadline deadline, bool patient)
{
    {
        const std::lock_guard lock(state_mutex_);
        if (state_ != State::running || shared_.draining)
            return;
    }
    // A realtime session is told to go when the time is over, and gets a moment to say goodbye.
    const Deadline goodbyes(deadline.left() + 1500ms);
    shared_.drain_until = deadline.at();
    shared_.patient = patient;
    shared_.draining = true;
    on_every_worker([this](Worker& worker) {
        listeners_[worker.index()]->cancel();
        for (ClientSession* session : worker.sessions)
            session->stop_when_idle();
    });
    while (connections() > 0 && (!deadline.passed() || (realtime_sessions() > 0 && !goodbyes.passed())))
        std::this_thread::sleep_for(10ms);
    admin_port_->stop();
    const std::lock_guard lock(state_mutex_);
    state_ = State::stopped;
    for (auto& worker : workers_)
        worker->loop.stop();
    for (auto& thread : threads_)
        thread.join();
    threads_.clear();
    for (auto& worker : workers_)
        worker->loop.tasks().drop();
}

Task<void> ServerImpl::answer_admin(Loop& loop, AnswerSink& sink, AdminRequest request)
{
    AdminResponse response;
    if (!has_admin_) {
        response.status = shared_.draining || !shared_.ready ? 503 : 200;
        response.body = shared_.draining ? R"({"status":"draining"})" : R"({"status":"ok"})";
    } else {
        response = co_await admin_port_->run(loop, std::move(request));
    }
    AnswerHead head;
    head.status = response.status;
    head.content_type = response.content_type;
    head.headers = std::move(response.headers);
    const std::string_view body = response.body;
    co_await sink.begin(head, std::span(&body, 1), true);
}

RedisState ServerImpl::redis() const
{
    return shared_.fleet != nullptr ? shared_.fleet->links.state() : RedisState{};
}

std::uint64_t ServerImpl::in_flight()
{
    std::uint64_t sum = 0;
    for (auto& worker : workers_)
        sum += worker->in_flight;
    return sum;
}

std::uint64_t ServerImpl::connections() const
{
    std::uint64_t sum = 0;
    for (const auto& worker : workers_)
        sum += worker->connections;
    return sum;
}

std::uint64_t ServerImpl::realtime_sessions() const
{
    std::uint64_t sum = 0;
    for (const auto& worker : workers_)
        sum += worker->realtime;
    return sum;
}

std::map<std::string, std::uint64_t> ServerImpl::in_flight_by_provider()
{
    std::map<std::string, std::uint64_t> counts;
    on_every_worker([&](Worker& worker) {
        if (worker.index() != 0)
            return;
        const auto& providers = worker.snapshot->config.providers;
        for (std::size_t i = 0; i < providers.size(); ++i)
            counts[providers[i].name] = worker.health[i]->in_flight;
    });
    return counts;
}

// Runs a task on a worker and waits for its result.
template <class T>
std::optional<T> on_loop(Worker& worker, std::function<Task<T>(Worker&)> make, Deadline deadline)
{
    struct Box {
        std::promise<T> promise;
        std::function<Task<T>(Worker&)> make;
        static Task<void> run(Worker& worker, std::shared_ptr<Box> box)
        {
            T value = co_await box->make(worker);
            box->promise.set_value(std::move(value));
        }
    };
    auto box = std::make_shared<Box>();
    box->make = std::move(make);
    auto future = box->promise.get_future();
    worker.loop.post([&worker, box] { spawn(worker.loop.tasks(), Box::run(worker, box)); });
    if (future.wait_for(deadline.left()) != std::future_status::ready)
        return std::nullopt;
    return future.get();
}

Result<DataPlane::TestResult> ServerImpl::test_provider(const std::string& provider, bool billed,
                                                        Deadline deadline)
{
    const Duration timeout = deadline.left();
    auto result = on_loop<Result<TestResult>>(
        *workers_.front(),
        [provider, billed, timeout](Worker& worker) { return test_on(worker, provider, billed, timeout); },
        Deadline(timeout + 500ms));
    if (!result)
        return fail(ErrorKind::unknown, "the test of " + provider + " did not end in time");
    return std::move(*result);
}

Result<bool> ServerImpl::warm_speech(const std::string& body, Deadline deadline)
{
    const Duration timeout = deadline.left();
    auto result = on_loop<Result<bool>>(
        *workers_.front(), [body, timeout](Worker& worker) { return warm_one(worker, body, timeout); },
        Deadline(timeout + 500ms));
    if (!result)
        return fail(ErrorKind::unknown, "warming the cache did not end in time");
    return std::move(*result);
}

std::vector<ConnectionInfo> ServerImpl::connections(std::size_t limit)
{
    std::mutex mutex;
    std::vector<ConnectionInfo> all;
    on_every_worker([&](Worker& worker) {
        std::vector<ConnectionInfo> here;
        const SteadyTime now = std::chrono::steady_clock::now();
        for (const ClientSession* session : worker.sessions) {
            if (here.size() >= limit)
                break;
            const auto age = std::chrono::duration_cast<Duration>(now - session->since()).count();
            here.push_back({"client", session->stream().peer(), session->idle() ? "idle" : "in_use",
                            static_cast<std::uint64_t>(age), session->requests(),
                            session->stream().bytes_in(), session->stream().bytes_out()});
        }
        std::vector<Pool::Info> upstream;
        worker.pool.describe(upstream, limit);
        for (Pool::Info& info : upstream)
            here.push_back({info.provider, info.peer, info.state, info.age_ms, info.requests, info.bytes_in,
                            info.bytes_out});
        const std::lock_guard lock(mutex);
        for (auto& info : here)
            if (all.size() < limit)
                all.push_back(std::move(info));
    });
    return all;
}

} // namespace

Result<std::unique_ptr<Server>> Server::open(Options options, Parts parts)
{
    auto server = std::make_unique<ServerImpl>(std::move(options), parts);
    TRY(server->listen());
    return std::unique_ptr<Server>(std::move(server));
}

} // namespace conduit::agent
