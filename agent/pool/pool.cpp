// SPDX-License-Identifier: Apache-2.0
#include "agent/pool/pool.hpp"

#include <algorithm>
#include <cstring>

namespace conduit::agent {

namespace {
constexpr auto k_trusted_idle =
    1s; // a connection used this recently is not looked at before it is used again
constexpr auto k_evict_every = 1s;
} // namespace

struct Endpoint {
    std::string host, ca_file;
    std::uint16_t port = 0;
    bool tls = false;
    PoolBoard::Entry* entry = nullptr;
    std::shared_ptr<TlsSession> session;
    std::vector<std::unique_ptr<Upstream>> idle; // last used at the back
    std::deque<Signal*> waiters;
};

PoolBoard::Entry& PoolBoard::of(const std::string& provider)
{
    const std::lock_guard lock(mutex_);
    for (auto& entry : entries_)
        if (entry->provider == provider)
            return *entry;
    entries_.push_back(std::make_unique<Entry>());
    entries_.back()->provider = provider;
    return *entries_.back();
}

std::vector<PoolStats> PoolBoard::stats() const
{
    const std::lock_guard lock(mutex_);
    std::vector<PoolStats> all;
    for (const auto& entry : entries_) {
        PoolStats stats;
        stats.provider = entry->provider;
        stats.open = entry->open;
        stats.idle = std::min<std::uint64_t>(entry->idle, stats.open);
        stats.in_use = stats.open - stats.idle;
        stats.waiting = entry->waiting;
        stats.draining = entry->draining;
        stats.draining_realtime = entry->draining_realtime;
        stats.created = entry->created;
        stats.reused = entry->reused;
        stats.failed = entry->failed;
        stats.closed = entry->closed;
        stats.limit = entry->limit;
        all.push_back(std::move(stats));
    }
    return all;
}

void PoolBoard::slot_freed(Entry& entry) const
{
    if (entry.waiting > 0 && wake_)
        wake_(entry);
}

Pool::Pool(Loop& loop, PoolBoard& board) : Timed(loop), board_(board) {}
Pool::~Pool() = default;

void Pool::configure(const PoolConfig& config, std::uint64_t epoch)
{
    config_ = config;
    if (epoch > epoch_) {
        epoch_ = epoch;
        close_idle();
        for (Upstream* busy : lent_) {
            if (busy->counted_in != nullptr)
                continue; // since an earlier reset
            PoolBoard::Entry& entry = *busy->endpoint->entry;
            busy->counted_in = busy->realtime ? &entry.draining_realtime : &entry.draining;
            ++*busy->counted_in;
        }
    }
}

void Pool::close_idle()
{
    for (auto& endpoint : endpoints_)
        while (!endpoint->idle.empty()) {
            auto connection = std::move(endpoint->idle.back());
            endpoint->idle.pop_back();
            --endpoint->entry->idle;
            close(std::move(connection));
        }
}

void Pool::close(std::unique_ptr<Upstream> connection)
{
    PoolBoard::Entry& entry = *connection->endpoint->entry;
    connection.reset();
    --entry.open;
    ++entry.closed;
    board_.slot_freed(entry);
}

Endpoint& Pool::endpoint_of(const PoolTarget& target)
{
    for (auto& endpoint : endpoints_)
        if (endpoint->port == target.url.port && endpoint->tls == target.url.tls() &&
            endpoint->host == target.url.host && endpoint->entry->provider == target.provider.name &&
            endpoint->ca_file == target.provider.ca_file)
            return *endpoint;
    auto endpoint = std::make_unique<Endpoint>();
    endpoint->host = target.url.host;
    endpoint->port = target.url.port;
    endpoint->tls = target.url.tls();
    endpoint->ca_file = target.provider.ca_file;
    endpoint->entry = &board_.of(target.provider.name);
    endpoint->session = make_tls_session();
    endpoints_.push_back(std::move(endpoint));
    return *endpoints_.back();
}

std::unique_ptr<Upstream> Pool::take_idle(const PoolTarget& target)
{
    Endpoint& endpoint = endpoint_of(target);
    endpoint.entry->limit.store(target.provider.max_connections, std::memory_order_relaxed);
    const SteadyTime now = std::chrono::steady_clock::now();
    while (!endpoint.idle.empty()) {
        auto connection = std::move(endpoint.idle.back());
        endpoint.idle.pop_back();
        --endpoint.entry->idle;
        const bool old = now - connection->created > config_.max_age;
        if (old || connection->stream->peer_gone() ||
            (now - connection->idle_since > k_trusted_idle && connection->stream->peer_closed())) {
            close(std::move(connection));
            continue;
        }
        connection->reused = true;
        ++connection->requests;
        ++endpoint.entry->reused;
        lent_.push_back(connection.get());
        return connection;
    }
    return nullptr;
}

Task<bool> Pool::wait_for_slot(Endpoint& endpoint, SteadyTime deadline)
{
    Signal signal(loop_);
    endpoint.waiters.push_back(&signal);
    ++endpoint.entry->waiting;
    const bool woken = co_await signal.wait(deadline);
    --endpoint.entry->waiting;
    std::erase(endpoint.waiters, &signal);
    co_return woken;
}

Task<Pool::Acquired> Pool::open(PoolTarget target, SteadyTime deadline, bool fresh)
{
    Endpoint& endpoint = endpoint_of(target);
    PoolBoard::Entry& entry = *endpoint.entry;
    for (;;) {
        if (auto connection = fresh ? nullptr : take_idle(target))
            co_return Acquired{std::move(connection), {}, false};
        if (entry.open.fetch_add(1) < target.provider.max_connections)
            break;
        --entry.open;
        const bool woken = co_await wait_for_slot(endpoint, deadline);
        if (!woken)
            co_return Acquired{nullptr, "all connections to " + entry.provider + " are busy", true};
    }
    std::string host = target.url.host;
    std::string ca_file = target.provider.ca_file;
    const SteadyTime connect_by =
        std::min(deadline, std::chrono::steady_clock::now() + config_.connect_timeout);
    Acquired result = co_await connect(endpoint, std::move(host), std::move(ca_file), connect_by);
    if (!result.connection) {
        --entry.open;
        ++entry.failed;
        board_.slot_freed(entry);
        co_return result;
    }
    ++entry.created;
    lent_.push_back(result.connection.get());
    co_return result;
}

Task<Pool::Acquired> Pool::connect(Endpoint& endpoint, std::string host, std::string ca_file,
                                   SteadyTime deadline)
{
    const std::uint64_t epoch = epoch_;
    const auto addresses = co_await loop_.resolve(host, endpoint.port);
    if (addresses.empty())
        co_return Acquired{nullptr, "the name " + host + " cannot be resolved", false};
    int error = 0;
    std::unique_ptr<Stream> stream;
    for (const Loop::Address& address : addresses) {
        stream = co_await Stream::connect(loop_, address, deadline, error);
        if (stream)
            break;
    }
    if (!stream)
        co_return Acquired{nullptr, "connecting to " + host + " failed: " + std::strerror(error), false};
    if (endpoint.tls) {
        stream->set_deadline(deadline);
        TlsSettings settings{host, std::move(ca_file), endpoint.session};
        const Result<> secured = co_await stream->start_tls(std::move(settings));
        if (!secured)
            co_return Acquired{nullptr, secured.error().message, false};
    }
    auto connection = std::make_unique<Upstream>();
    connection->stream = std::move(stream);
    connection->endpoint = &endpoint;
    connection->created = std::chrono::steady_clock::now();
    connection->epoch = epoch;
    connection->requests = 1;
    co_return Acquired{std::move(connection), {}, false};
}

void Pool::give_back(std::unique_ptr<Upstream> connection, bool reusable)
{
    if (auto it = std::find(lent_.begin(), lent_.end(), connection.get()); it != lent_.end()) {
        *it = lent_.back();
        lent_.pop_back();
    }
    Endpoint& endpoint = *connection->endpoint;
    PoolBoard::Entry& entry = *endpoint.entry;
    const bool drained = connection->epoch < epoch_;
    if (connection->counted_in != nullptr)
        --*connection->counted_in;
    // Somebody on another thread waits for the slot: an idle connection here would be of no use to him.
    const bool wanted_elsewhere = entry.waiting.load(std::memory_order_relaxed) > endpoint.waiters.size();
    if (!reusable || drained || connection->stream->cancelled() ||
        entry.open.load(std::memory_order_relaxed) > entry.limit.load(std::memory_order_relaxed) ||
        (wanted_elsewhere && endpoint.waiters.empty())) {
        close(std::move(connection));
    } else {
        connection->idle_since = std::chrono::steady_clock::now();
        connection->stream->set_deadline(SteadyTime::max());
        endpoint.idle.push_back(std::move(connection));
        ++entry.idle;
    }
    if (!endpoint.waiters.empty())
        wake(entry);
}

void Pool::wake(PoolBoard::Entry& entry)
{
    for (auto& endpoint : endpoints_) {
        if (endpoint->entry != &entry)
            continue;
        for (Signal* waiter : endpoint->waiters)
            if (!waiter->is_set()) {
                waiter->set();
                return;
            }
    }
}

void Pool::evict(Endpoint& endpoint, SteadyTime now)
{
    // Another thread waits and found no slot: give it one of ours.
    bool give_one = endpoint.waiters.empty() && endpoint.entry->waiting > 0;
    for (std::size_t i = 0; i < endpoint.idle.size();) {
        Upstream& connection = *endpoint.idle[i];
        const bool keep = now - connection.idle_since < config_.max_idle &&
                          now - connection.created < config_.max_age && connection.epoch >= epoch_ &&
                          !give_one && !connection.stream->peer_closed();
        if (keep) {
            ++i;
            continue;
        }
        give_one = false;
        auto closing = std::move(endpoint.idle[i]);
        endpoint.idle.erase(endpoint.idle.begin() + static_cast<std::ptrdiff_t>(i));
        --endpoint.entry->idle;
        close(std::move(closing));
    }
}

void Pool::on_tick(SteadyTime now)
{
    const bool full = now >= next_eviction_;
    if (full)
        next_eviction_ = now + k_evict_every;
    for (auto& endpoint : endpoints_) {
        if (full || endpoint->entry->waiting > 0)
            evict(*endpoint, now);
        if (!endpoint->waiters.empty() && endpoint->entry->open.load() < endpoint->entry->limit.load())
            wake(*endpoint->entry);
    }
}

void Pool::describe(std::vector<Info>& out, std::size_t limit) const
{
    const SteadyTime now = std::chrono::steady_clock::now();
    auto add = [&](const Upstream& connection, const char* state) {
        if (out.size() >= limit)
            return;
        const auto age = std::chrono::duration_cast<Duration>(now - connection.created).count();
        out.push_back({connection.endpoint->entry->provider, connection.stream->peer(),
                       connection.epoch < epoch_ ? "draining" : state, static_cast<std::uint64_t>(age),
                       connection.requests, connection.stream->bytes_in(), connection.stream->bytes_out()});
    };
    for (const Upstream* busy : lent_)
        add(*busy, "in_use");
    for (const auto& endpoint : endpoints_)
        for (const auto& idle : endpoint->idle)
            add(*idle, "idle");
}

} // namespace conduit::agent
