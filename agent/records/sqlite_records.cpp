// SPDX-License-Identifier: Apache-2.0
// Workers push to rings; one thread writes them to SQLite, or to the spool while SQLite fails.
#include "agent/records/record_queue.hpp"
#include "agent/records/record_spool.hpp"
#include "agent/records/record_store.hpp"

#include "core/hash.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <optional>
#include <poll.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>

namespace conduit::agent {
namespace {

constexpr std::size_t k_max_batch = 20'000;
constexpr Duration k_replay_slice{250}; // of each round, so that fresh records never wait for old ones
constexpr Duration k_prune_pause{5'000};

class SqliteRecords final : public Records {
  public:
    SqliteRecords(RecordsConfig config, unsigned workers, UniqueFd wake)
        : config_(std::move(config)), writer_id_(random_token(8)), wake_(std::move(wake))
    {
        for (unsigned i = 0; i < std::max(workers, 1U); ++i)
            queues_.push_back(std::make_unique<RecordQueue>());
    }

    ~SqliteRecords() override
    {
        if (!thread_.joinable())
            return;
        stopping_.store(true);
        wake();
        thread_.join();
    }

    Result<> start()
    {
        auto spool_path = config_.spool;
        if (spool_path.empty())
            spool_path = config_.path.string() + ".spool";
        auto opened = RecordStore::open(config_.path);
        auto spool = RecordSpool::open(spool_path, config_.spool_bytes);
        if (!opened && !spool)
            return std::unexpected(std::move(opened).error());
        if (opened)
            store_ = std::move(*opened);
        else
            note(opened.error());
        if (spool)
            spool_.emplace(std::move(*spool));
        else
            note(spool.error());
        publish_spool_size();
        thread_ = std::thread([this] { run(); });
        return {};
    }

    void push(unsigned worker, RequestRecord record) override
    {
        if (worker >= queues_.size() || !queues_[worker]->push(std::move(record))) {
            dropped_.fetch_add(1, std::memory_order_relaxed);
            return;
        }
        // Half full: the writer is wanted before its time. One call into the system, not one a record.
        if (queues_[worker]->size() > RecordQueue::k_capacity / 2 &&
            !woken_.exchange(true, std::memory_order_acq_rel))
            wake();
    }

    Result<std::vector<UsageRow>> usage(const UsageQuery& query) override
    {
        TRY(flush(Deadline{3s}));
        return RecordStore::usage(config_.path, query);
    }

    Stats stats() const override
    {
        Stats stats;
        for (const auto& queue : queues_)
            stats.queued += queue->size();
        stats.written = written_.load(std::memory_order_relaxed);
        stats.spooled = spooled_.load(std::memory_order_relaxed);
        stats.dropped = dropped_.load(std::memory_order_relaxed);
        stats.spool_bytes = spool_size_.load(std::memory_order_relaxed);
        const std::scoped_lock lock(mutex_);
        stats.last_error = last_error_;
        return stats;
    }

    // Everything pushed before is in the store or, while that fails, in the spool.
    Result<> flush(Deadline deadline) override
    {
        std::unique_lock lock(mutex_);
        const auto mine = ++flush_wanted_;
        wake();
        if (flushed_.wait_until(lock, deadline.at(), [&] { return flush_done_ >= mine; }))
            return {};
        return fail(ErrorKind::unknown,
                    fmt::format("the records for {} are still being written", config_.path.string()),
                    "Try again; conduit_records_queued tells how many wait.");
    }

  private:
    void wake()
    {
        const std::uint64_t one = 1;
        static_cast<void>(::write(wake_.get(), &one, sizeof one) == sizeof one);
    }

    // Until the next round is due, counted from the beginning of the last one, or somebody wakes us.
    void wait(const Deadline& due)
    {
        pollfd poll{wake_.get(), POLLIN, 0};
        const auto left = std::clamp<std::int64_t>(due.left().count(), 0, 60'000);
        if (::poll(&poll, 1, static_cast<int>(left)) > 0) {
            std::uint64_t count = 0;
            static_cast<void>(::read(wake_.get(), &count, sizeof count) == sizeof count);
        }
        woken_.store(false, std::memory_order_release);
    }

    void run()
    {
        bool last = false;
        Deadline due{config_.flush_interval};
        while (!last) {
            wait(due);
            due = Deadline{config_.flush_interval};
            last = stopping_.load();
            std::uint64_t wanted = 0;
            {
                const std::scoped_lock lock(mutex_);
                wanted = flush_wanted_;
            }
            round();
            {
                const std::scoped_lock lock(mutex_);
                flush_done_ = wanted;
            }
            flushed_.notify_all();
        }
    }

    // Fresh records first: with a full spool they are safe on disk before the store is tried again.
    void round()
    {
        for (bool full = true; full;) {
            const auto batch = drain();
            full = batch.records.size() >= k_max_batch;
            if (!batch.records.empty())
                save(batch);
        }
        replay();
        prune();
        publish_spool_size();
    }

    RecordBatch drain()
    {
        RecordBatch batch;
        RequestRecord record;
        for (auto& queue : queues_)
            while (batch.records.size() < k_max_batch && queue->pop(record))
                batch.records.push_back(std::move(record));
        if (!batch.records.empty()) {
            batch.writer = writer_id_;
            batch.number = ++batch_number_;
        }
        return batch;
    }

    // While the spool holds anything new batches go behind it: the numbers must arrive in order.
    void save(const RecordBatch& batch)
    {
        if (!spool_ || spool_->empty()) {
            if (store(batch))
                return;
        }
        const auto count = batch.records.size();
        if (spool_) {
            const auto kept = spool_->append(batch);
            if (kept && *kept) {
                spooled_.fetch_add(count, std::memory_order_relaxed);
                return;
            }
            if (!kept)
                note(kept.error());
        }
        dropped_.fetch_add(count, std::memory_order_relaxed);
    }

    bool store(const RecordBatch& batch)
    {
        if (!store_) {
            auto opened = RecordStore::open(config_.path);
            if (!opened) {
                note(opened.error());
                return false;
            }
            store_ = std::move(*opened);
        }
        const auto written = store_->write(batch, system_clock().now());
        if (!written) {
            note(written.error());
            store_.reset(); // a new connection for the next attempt: the file may have been replaced
            return false;
        }
        if (*written)
            written_.fetch_add(batch.records.size(), std::memory_order_relaxed);
        return true;
    }

    void replay()
    {
        if (!spool_ || spool_->empty())
            return;
        const Deadline slice{k_replay_slice};
        while (!slice.passed()) {
            std::uint64_t damaged = 0;
            const auto batch = spool_->next(damaged);
            if (!batch)
                return note(batch.error());
            if (*batch && !store(**batch))
                return;
            dropped_.fetch_add(damaged, std::memory_order_relaxed);
            if (*batch) {
                spool_->taken();
                continue;
            }
            if (const auto cleared = spool_->clear_when_done(); !cleared)
                note(cleared.error());
            return;
        }
    }

    void prune()
    {
        const auto now = system_clock().steady();
        if (config_.keep_days == 0 || !store_ || now < next_prune_)
            return;
        const auto before = system_clock().now() - std::chrono::days{config_.keep_days};
        const auto removed = store_->prune(before);
        if (!removed)
            note(removed.error());
        next_prune_ = now + (removed && *removed > 0 ? k_prune_pause : Duration{600'000});
    }

    void note(const Error& error)
    {
        const std::scoped_lock lock(mutex_);
        last_error_ = error.message;
    }

    void publish_spool_size() { spool_size_.store(spool_ ? spool_->size() : 0, std::memory_order_relaxed); }

    const RecordsConfig config_;
    const std::string writer_id_;
    UniqueFd wake_;
    std::vector<std::unique_ptr<RecordQueue>> queues_;
    std::atomic<bool> woken_{false};
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint64_t> written_{0}, spooled_{0}, dropped_{0}, spool_size_{0};

    mutable std::mutex mutex_; // between flush(), stats() and the writer; never taken by push()
    std::condition_variable flushed_;
    std::uint64_t flush_wanted_ = 0;
    std::uint64_t flush_done_ = 0;
    std::string last_error_;

    // The writer thread's alone:
    std::unique_ptr<RecordStore> store_;
    std::optional<RecordSpool> spool_;
    std::int64_t batch_number_ = 0;
    SteadyTime next_prune_{};
    std::thread thread_;
};

} // namespace

Result<std::unique_ptr<Records>> make_sqlite_records(const RecordsConfig& config, unsigned workers)
{
    if (config.path.empty())
        return fail(ErrorKind::usage, "records.path is empty", "Set records.path, or records.store to none.");
    UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!wake)
        return std::unexpected(file_error("create an eventfd for", config.path, errno));
    auto records = std::make_unique<SqliteRecords>(config, workers, std::move(wake));
    TRY(records->start());
    return std::unique_ptr<Records>(std::move(records));
}

} // namespace conduit::agent
