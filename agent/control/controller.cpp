// SPDX-License-Identifier: Apache-2.0
#include "agent/control/controller.hpp"

#include "agent/control/guard.hpp"
#include "agent/control/inputs.hpp"
#include "agent/control/last_state.hpp"
#include "agent/control/timer.hpp"

#include <algorithm>
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <thread>
#include <unistd.h>

namespace conduit::agent {
namespace {

using Steady = std::chrono::steady_clock;

constexpr Duration k_apply_wait{5'000};
constexpr int k_patch_tries = 20;

class ControllerImpl final : public Controller {
  public:
    ControllerImpl(Options options, Inputs inputs, std::unique_ptr<ControlStore> store, Limiter& limiter,
                   const Clock& clock, Publish publish)
        : options_(std::move(options)), inputs_(std::move(inputs)), store_(std::move(store)),
          limiter_(limiter), clock_(clock), publish_(std::move(publish)), files_due_(options_.file_interval),
          heartbeat_due_(options_.heartbeat_interval), expiry_due_(options_.poll_interval * 2)
    {
        admin_url_ = options_.admin_url;
        store_answered_ = Steady::now();
    }

    ~ControllerImpl() override { stop(); }

    void start()
    {
        rebuild(); // on the base configuration alone: something to read before the first publish
        thread_ = std::thread([this] { run(); });
    }

    std::shared_ptr<const Snapshot> snapshot() const override
    {
        const std::lock_guard lock(mutex_);
        return snapshot_;
    }
    std::shared_ptr<const SafetyRules> rules() const override
    {
        const std::lock_guard lock(mutex_);
        return inputs_.rules();
    }
    std::vector<AdminToken> tokens() const override
    {
        const std::lock_guard lock(mutex_);
        return inputs_.tokens();
    }
    void set_admin_url(std::string url) override
    {
        const std::lock_guard lock(mutex_);
        admin_url_ = std::move(url);
        beat_now_ = true;
    }
    ControlStore& store() override { return *store_; }

    ControlStatus status() const override
    {
        const std::lock_guard lock(mutex_);
        auto status = status_;
        status.store_age = std::chrono::duration_cast<Duration>(Steady::now() - store_answered_);
        status.config_error = inputs_.error();
        status.warnings = inputs_.warnings();
        if (!disk_error_.empty())
            status.warnings.push_back(disk_error_);
        status.config_file = inputs_.base().file.string();
        status.config_sha256 = inputs_.base().sha256;
        status.replicas = replicas_;
        status.replica = options_.replica_name;
        status.admin_url = admin_url_;
        return status;
    }

    Result<ControlState> patch(StatePatch patch, bool force) override
    {
        TRY(check_patch_form(patch));
        TRY_ASSIGN(auto state, write(patch, force));
        apply_now();
        return state;
    }

    void farewell() override
    {
        const std::lock_guard beating(beat_mutex_);
        leaving_ = true;
        ReplicaInfo info;
        info.name = options_.replica_name;
        info.pid = ::getpid();
        (void)store_->farewell(info).has_value(); // else it counts until its last beat is old
    }

    void reload() override
    {
        const std::lock_guard lock(mutex_);
        force_files_ = true;
        wake_.notify_all();
    }

    void stop() override
    {
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
            wake_.notify_all();
            applied_.notify_all();
        }
        if (thread_.joinable())
            thread_.join();
    }

  private:
    // The guards are judged on one state and the write is bound to that state's revision, so that two changes
    // that only together break a guard cannot both pass.
    Result<ControlState> write(const StatePatch& patch, bool force)
    {
        for (int i = 0; i < k_patch_tries; ++i) {
            TRY_ASSIGN(const bool repeated, was_done(patch));
            TRY(store_->expire_due());
            TRY_ASSIGN(const auto before, store_->load());
            auto bound = patch;
            if (!repeated) {
                const auto [base, keys] = files();
                TRY(check_patch({base, keys, options_.healthy}, before, patch, force));
                if (!patch.if_revision)
                    bound.if_revision = before.revision;
            }
            auto state = store_->apply(bound);
            const bool moved_on = !state && state.error().kind == ErrorKind::stale && !patch.if_revision &&
                                  !state.error().details.contains("path");
            if (!moved_on)
                return state;
        }
        return fail(ErrorKind::unreachable, "the control state changes too fast to write to it",
                    "Try again in a moment.");
    }

    Result<bool> was_done(const StatePatch& patch)
    {
        if (patch.operation.empty())
            return false;
        TRY_ASSIGN(const auto history, store_->history(1, patch.operation));
        return !history.empty() && history.front().operation == patch.operation;
    }

    std::pair<Config, std::vector<ApiKey>> files() const
    {
        const std::lock_guard lock(mutex_);
        return {inputs_.base(), inputs_.keys()};
    }

    void apply_now()
    {
        std::unique_lock lock(mutex_);
        const auto mine = ++asked_;
        wake_.notify_all();
        applied_.wait_for(lock, k_apply_wait, [&] { return done_ >= mine || stopping_; });
    }

    void run()
    {
        for (;;) {
            std::uint64_t serving = 0;
            bool force = false;
            {
                std::unique_lock lock(mutex_);
                if (stopping_)
                    return;
                serving = asked_;
                force = std::exchange(force_files_, false);
            }
            round(force);
            std::unique_lock lock(mutex_);
            done_ = serving;
            applied_.notify_all();
            wake_.wait_for(lock, options_.poll_interval,
                           [&] { return stopping_ || asked_ != done_ || force_files_; });
        }
    }

    void round(bool force)
    {
        bool news = look_at_store();
        if (files_due_.due() || force)
            news |= look_at_files(force);
        news |= count_replicas();
        if (read_once_ && (news || !published_)) {
            rebuild();
            publish();
            heartbeat();
        }
    }

    bool look_at_store()
    {
        if (expiry_due_.due())
            note(store_->expire_due());
        const auto revision = store_->revision();
        if (!note(revision))
            return without_store();
        if (read_once_ && !from_disk() && *revision == state_.revision)
            return false;
        auto state = store_->load();
        if (!note(state))
            return without_store();
        state_ = *std::move(state);
        read_once_ = true;
        keep_on_disk();
        const std::lock_guard lock(mutex_);
        status_.revision = state_.revision;
        status_.from_disk = false;
        return true;
    }

    // Remembers whether the store answered; true when it did.
    template <class T> bool note(const Result<T>& result)
    {
        const std::lock_guard lock(mutex_);
        status_.store_ok = result.has_value();
        status_.store_error.clear();
        if (!result)
            status_.store_error = result.error().cause.empty()
                                      ? result.error().message
                                      : fmt::format("{}: {}", result.error().message, result.error().cause);
        if (result)
            store_answered_ = Steady::now();
        return result.has_value();
    }

    bool from_disk() const
    {
        const std::lock_guard lock(mutex_);
        return status_.from_disk;
    }

    // Overrides still end in time, and a start does not wait for ever.
    bool without_store()
    {
        if (read_once_) {
            const auto now = clock_.now();
            return std::erase_if(state_.overrides, [&](const auto& item) {
                       return item.second.expires_at && *item.second.expires_at <= now;
                   }) > 0;
        }
        if (Steady::now() - store_answered_ < options_.without_store_after || options_.last_state.empty())
            return false;
        auto state = load_last_state(options_.last_state);
        if (!state) {
            disk_failed(state.error().message);
            return false;
        }
        state_ = *std::move(state);
        read_once_ = true;
        const std::lock_guard lock(mutex_);
        status_.revision = state_.revision;
        status_.from_disk = true;
        return true;
    }

    void keep_on_disk()
    {
        if (options_.last_state.empty())
            return;
        const auto saved = save_last_state(options_.last_state, state_);
        disk_failed(saved ? std::string() : saved.error().message);
    }

    void disk_failed(std::string message)
    {
        const std::lock_guard lock(mutex_);
        disk_error_ = std::move(message);
    }

    bool look_at_files(bool force)
    {
        // Reading and parsing happen on a copy, so that nobody waits for the lock meanwhile.
        auto inputs = [&] {
            const std::lock_guard lock(mutex_);
            return inputs_;
        }();
        const bool news = inputs.refresh(force);
        const std::lock_guard lock(mutex_);
        if (inputs.base().sha256 != inputs_.base().sha256 || force)
            status_.config_loaded_at = clock_.now();
        inputs_ = std::move(inputs);
        return news;
    }

    bool count_replicas()
    {
        const bool asked = [&] {
            const std::lock_guard lock(mutex_);
            return std::exchange(beat_now_, false);
        }();
        if (!heartbeat_due_.due() && !asked)
            return false;
        heartbeat();
        const auto alive = store_->replicas(options_.alive_within);
        if (!alive) // the last known number is nearer to the truth than one
            return false;
        const auto count = static_cast<std::uint32_t>(std::max<std::size_t>(alive->size(), 1));
        const std::lock_guard lock(mutex_);
        return std::exchange(replicas_, count) != count;
    }

    void heartbeat()
    {
        const std::lock_guard beating(beat_mutex_);
        if (leaving_)
            return;
        ReplicaInfo info;
        {
            const std::lock_guard lock(mutex_);
            if (!status_.store_ok)
                return;
            info = {options_.replica_name,    admin_url_,   ::getpid(),
                    status_.applied_revision, clock_.now(), options_.version};
        }
        note(store_->heartbeat(info));
    }

    void rebuild()
    {
        std::unique_lock lock(mutex_);
        const auto base = inputs_.base();
        const auto keys = inputs_.keys();
        const auto replicas = replicas_;
        const auto previous = snapshot_;
        lock.unlock();
        auto built = build_snapshot(base, state_, keys, replicas, limiter_);
        built.snapshot->generation = previous ? previous->generation + 1 : 1;
        // More than one clearing since the last look: their prefixes are not known any more, so all goes.
        if (previous && built.snapshot->cache_clear.epoch > previous->cache_clear.epoch + 1 && published_)
            built.snapshot->cache_clear.prefix = "audio:";
        lock.lock();
        snapshot_ = std::move(built.snapshot);
        status_.skipped.clear();
        for (const auto& error : built.skipped)
            status_.skipped.push_back(error.message);
        if (previous == nullptr)
            status_.config_loaded_at = clock_.now();
    }

    void publish()
    {
        publish_(snapshot(), rules());
        published_ = true;
        const std::lock_guard lock(mutex_);
        status_.applied_revision = snapshot_->revision;
        status_.ready = true;
    }

    const Options options_;
    std::mutex beat_mutex_; // taken before mutex_
    bool leaving_ = false;
    mutable std::mutex mutex_; // guards what the thread shares with callers
    std::condition_variable wake_, applied_;
    Inputs inputs_;
    std::string admin_url_;
    std::string disk_error_;
    ControlStatus status_;
    std::shared_ptr<const Snapshot> snapshot_;
    Steady::time_point store_answered_;
    std::uint32_t replicas_ = 1;
    std::uint64_t asked_ = 0, done_ = 0; // rounds that a caller waits for
    bool force_files_ = false, beat_now_ = false;
    bool stopping_ = false;

    std::unique_ptr<ControlStore> store_;
    Limiter& limiter_;
    const Clock& clock_;
    Publish publish_;
    Timer files_due_, heartbeat_due_, expiry_due_;
    ControlState state_; // the thread's own from here on
    bool read_once_ = false;
    bool published_ = false;
    std::thread thread_;
};

} // namespace

Result<std::unique_ptr<Controller>> Controller::start(Options options, std::unique_ptr<ControlStore> store,
                                                      Limiter& limiter, const Clock& clock, Publish publish)
{
    TRY_ASSIGN(auto inputs, Inputs::load(options.base));
    auto controller = std::make_unique<ControllerImpl>(std::move(options), std::move(inputs),
                                                       std::move(store), limiter, clock, std::move(publish));
    controller->start();
    return std::unique_ptr<Controller>(std::move(controller));
}

} // namespace conduit::agent
