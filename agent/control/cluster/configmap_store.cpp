// SPDX-License-Identifier: Apache-2.0
#include "agent/control/cluster/configmap_store.hpp"

#include "agent/control/cluster/document.hpp"
#include "agent/control/cluster/leases.hpp"
#include "core/kube/watch.hpp"
#include "core/text.hpp"

#include <charconv>
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

namespace conduit::agent {
namespace {

constexpr Duration k_call{3'000};
constexpr Duration k_look{1'000}; // while the watch is lost
constexpr int k_tries = 30;
constexpr std::size_t k_max_line = 256U << 10U;
const kube::Resource k_config_maps{.plural = "configmaps"};

std::string version_of(const Json& object)
{
    const auto* meta = json_find(object, "metadata");
    return meta == nullptr ? std::string() : json_string_or(*meta, "resourceVersion", "");
}

std::string name_of(const Json& object)
{
    const auto* meta = json_find(object, "metadata");
    return meta == nullptr ? std::string() : json_string_or(*meta, "name", "");
}

// Versions are opaque by the letter and numbers in every server; what is no number is never called older.
bool older(const std::string& one, const std::string& other)
{
    std::uint64_t a = 0, b = 0;
    const auto read = [](const std::string& text, std::uint64_t& out) {
        return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc{};
    };
    return read(one, a) && read(other, b) && a < b;
}

Json empty_map(const std::string& name_space, const std::string& name)
{
    return {{"apiVersion", "v1"},
            {"kind", "ConfigMap"},
            {"metadata",
             {{"name", name},
              {"namespace", name_space},
              {"labels", {{"app.kubernetes.io/managed-by", "conduit-agent"}}}}}};
}

class ConfigMapStore final : public ControlStore {
  public:
    ConfigMapStore(std::unique_ptr<kube::Api> api, Cancel& cancel, ConfigMapStoreOptions options,
                   const Clock& clock)
        : api_(std::move(api)), cancel_(cancel), options_(std::move(options)), clock_(clock),
          path_(kube::resource_path(k_config_maps, options_.name_space, options_.name)),
          journal_path_(path_ + "-journal"), leases_(*api_, options_.name_space, options_.name, clock),
          watching_([this](const std::stop_token& stop) { follow(stop); })
    {
    }
    ConfigMapStore(const ConfigMapStore&) = delete;
    ConfigMapStore& operator=(const ConfigMapStore&) = delete;
    ~ConfigMapStore() override
    {
        cancel_.request();
        watching_.request_stop();
        wake_.notify_all();
    }

    Result<std::uint64_t> revision() override
    {
        look_when_lost();
        const std::lock_guard lock(mutex_);
        TRY(standing());
        return known_.state.revision;
    }

    Result<ControlState> load() override
    {
        const std::lock_guard lock(mutex_);
        TRY(standing());
        return known_.state;
    }

    Result<ControlState> apply(const StatePatch& patch) override
    {
        bool sent = false;
        std::optional<StateChange> change;
        TRY(rewrite(!patch.operation.empty(), sent, [&](ControlDocument& document) -> Result<bool> {
            TRY_ASSIGN(change, change_document(document, patch, clock_.now()));
            return change && (change->state.changed || !change->history.empty() || patch.fence ||
                              !patch.operation.empty());
        }));
        if (change)
            return std::move(change->state);
        const std::lock_guard lock(mutex_);
        auto state = known_.state;
        state.changed = sent; // our own write, whose answer was lost
        return state;
    }

    Result<std::uint64_t> expire_due() override
    {
        {
            const std::lock_guard lock(mutex_);
            if (!missing_)
                TRY(standing());
            if (!missing_ && !is_due(known_.state, clock_.now()))
                return known_.state.revision;
        }
        bool sent = false;
        TRY(rewrite(true, sent, [&](ControlDocument& document) -> Result<bool> {
            return expire_document(document, clock_.now());
        }));
        const std::lock_guard lock(mutex_);
        return known_.state.revision;
    }

    Result<std::vector<HistoryEntry>> history(std::size_t limit, const std::string& operation) override
    {
        const std::lock_guard lock(mutex_);
        TRY(standing());
        std::vector<HistoryEntry> found;
        for (auto it = known_.history.rbegin(); it != known_.history.rend() && found.size() < limit; ++it)
            if (operation.empty() || it->operation == operation || it->operation.starts_with(operation + "/"))
                found.push_back(*it);
        return found;
    }

    // A server that does not take it may have gone without a word to the watch: that is looked at.
    Result<> heartbeat(const ReplicaInfo& replica) override
    {
        auto beaten = leases_.beat(replica);
        if (!beaten &&
            (beaten.error().kind == ErrorKind::unreachable || beaten.error().kind == ErrorKind::unknown))
            lose(beaten.error());
        return beaten;
    }
    Result<> farewell(const ReplicaInfo& replica) override { return leases_.end(replica); }
    Result<std::vector<ReplicaInfo>> replicas(Duration seen_within) override
    {
        return leases_.alive(seen_within);
    }

    Result<> append_journal(const std::string& line) override
    {
        if (line.size() > k_max_line || line.contains('\n'))
            return fail(ErrorKind::usage,
                        fmt::format("a journal line is one line of at most {}", format_bytes(k_max_line)));
        const std::lock_guard writing(write_mutex_);
        for (int i = 0; i < k_tries; ++i) {
            TRY_ASSIGN(auto map, read(journal_path_));
            append_line(map, line);
            const auto written = put(journal_path_, map);
            if (written)
                return {};
            if (!moved(written.error()))
                return written.error();
        }
        return too_fast();
    }

    Result<std::vector<std::string>> journal(std::size_t limit) override
    {
        TRY_ASSIGN(const auto map, read(journal_path_));
        return last_lines(map, limit);
    }

  private:
    // --- what is known -----------------------------------------------------------------------------------
    Result<> standing() const // with mutex_ held
    {
        if (!trouble_)
            return {};
        return *trouble_;
    }

    // The newest wins, whether the watch or our own write brought it.
    void take(const Json& object)
    {
        const std::lock_guard lock(mutex_);
        if (older(version_of(object), version_))
            return;
        if (!has_state(object) && known_.state.revision > 0) {
            miss("emptied");
            return;
        }
        auto document = read_document(object);
        if (!document) { // what was good stays in use
            trouble_ = document.error();
            return;
        }
        known_ = *std::move(document);
        version_ = version_of(object);
        missing_ = false;
        trouble_.reset();
    }

    void take_absence()
    {
        const std::lock_guard lock(mutex_);
        trouble_.reset();
        if (known_.state.revision > 0)
            miss("removed");
    }

    // Nobody takes every override away by removing an object: what was known stays in force, and is written
    // again as soon as there is a place for it. With mutex_ held.
    void miss(std::string_view what)
    {
        version_.clear(); // of the next one; its versions are higher anyway
        missing_ = true;
        trouble_ = Error{
            ErrorKind::unreachable,
            fmt::format("ConfigMap {} in namespace {} was {}", options_.name, options_.name_space, what),
            fmt::format("What was known stays in force. It is written back where the agent may "
                        "create it; else: kubectl -n {} create configmap {}",
                        options_.name_space, options_.name)};
    }

    void lose(const Error& error)
    {
        const std::lock_guard lock(mutex_);
        lost_ = true;
        trouble_ = error;
    }

    // --- the watch ---------------------------------------------------------------------------------------
    void follow(const std::stop_token& stop)
    {
        const auto slash = path_.rfind('/');
        kube::WatchOptions watch;
        watch.query = {{"fieldSelector", "metadata.name=" + options_.name}};
        watch.lost = [this](const Error& error) { lose(error); };
        while (!stop.stop_requested()) {
            bool there = false;
            const auto ended = kube::watch(
                *api_, path_.substr(0, slash), watch,
                [&](const kube::Event& event) {
                    on_event(event, there);
                    return !stop.stop_requested();
                },
                Deadline(options_.watch));
            if (stop.stop_requested())
                return;
            if (!ended && ended.error().kind == ErrorKind::unverified)
                continue; // its time is over: listed anew
            if (!ended)
                lose(ended.error());
            std::unique_lock lock(mutex_);
            wake_.wait_for(lock, stop, options_.retry, [] { return false; });
        }
    }

    void on_event(const kube::Event& event, bool& there)
    {
        using enum kube::Change;
        const bool other = event.object != nullptr && name_of(*event.object) != options_.name;
        if (other)
            return;
        if (event.change == anew)
            there = false;
        else if (event.change == deleted || (event.change == whole && !there))
            take_absence();
        else if (event.object != nullptr)
            take(*event.object);
        there = there || event.change == listed;
        const std::lock_guard lock(mutex_);
        lost_ = false;
    }

    // A watch that comes back tells nothing until something changes: meanwhile the object itself is asked
    // for.
    void look_when_lost()
    {
        {
            const std::lock_guard lock(mutex_);
            if (!lost_ || clock_.steady() - looked_ < k_look)
                return;
            looked_ = clock_.steady();
        }
        const auto object = api_->get(path_, Deadline(k_look));
        if (object)
            take(**object);
        else if (object.error().kind == ErrorKind::not_found)
            take_absence();
        const bool answered = object || object.error().kind == ErrorKind::not_found;
        const std::lock_guard lock(mutex_);
        if (answered)
            lost_ = false;
        else
            trouble_ = object.error();
    }

    // --- writing -----------------------------------------------------------------------------------------
    static bool moved(const Error& error) // somebody else was there first
    {
        const auto reason = error.details.find("reason");
        return error.kind == ErrorKind::stale || error.kind == ErrorKind::not_found ||
               (reason != error.details.end() && reason->second == "AlreadyExists");
    }

    static std::unexpected<Error> too_fast()
    {
        return fail(ErrorKind::unreachable, "the control state changes too fast to write to it",
                    "Try again in a moment.");
    }

    // An absent one is an object without a version.
    Result<Json> read(const std::string& path)
    {
        auto object = api_->get(path, Deadline(k_call));
        if (object)
            return std::move(**object);
        if (object.error().kind == ErrorKind::not_found)
            return empty_map(options_.name_space, path.substr(path.rfind('/') + 1));
        return object.error();
    }

    Result<JsonBox> put(const std::string& path, const Json& map)
    {
        const kube::WriteOptions options{.field_manager = "conduit-agent"};
        if (version_of(map).empty())
            return api_->create(path.substr(0, path.rfind('/')), map, options, Deadline(k_call));
        return api_->replace(path, map, options, Deadline(k_call));
    }

    bool restore(const Json& map, ControlDocument& document) const
    {
        const std::lock_guard lock(mutex_);
        const bool restores = !has_state(map) && known_.state.revision > 0;
        if (restores)
            document = known_;
        return restores;
    }

    // Reads, lets `edit` decide (false: nothing to write) and writes if nobody else did meanwhile; else anew.
    // sent: a write left us, whatever came of it; repeatable: then `edit` tells whether it arrived.
    template <class Edit> Result<> rewrite(bool repeatable, bool& sent, const Edit& edit)
    {
        const std::lock_guard writing(write_mutex_);
        for (int i = 0; i < k_tries; ++i) {
            TRY_ASSIGN(auto map, read(path_));
            if (!version_of(map).empty())
                take(map);
            TRY_ASSIGN(auto document, read_document(map));
            const bool restores = restore(map, document);
            TRY_ASSIGN(const bool wanted, edit(document));
            if (!wanted && !restores)
                return {};
            TRY(write_document(map, document));
            const auto written = put(path_, map);
            if (written) {
                take(**written);
                return {};
            }
            const bool unknown = written.error().kind == ErrorKind::unknown;
            sent = sent || unknown;
            if (!moved(written.error()) && !(unknown && repeatable))
                return written.error();
        }
        return too_fast();
    }

    const std::unique_ptr<kube::Api> api_;
    Cancel& cancel_;
    const ConfigMapStoreOptions options_;
    const Clock& clock_;
    const std::string path_, journal_path_;
    ReplicaLeases leases_;
    std::mutex write_mutex_; // one write of ours at a time; taken before mutex_
    mutable std::mutex mutex_;
    std::condition_variable_any wake_;
    ControlDocument known_;
    std::string version_; // of known_
    std::optional<Error> trouble_ = Error{ErrorKind::unreachable, "the API server has not answered yet"};
    bool lost_ = false;
    bool missing_ = false; // there was a state, and its ConfigMap is empty or gone
    SteadyTime looked_{};
    std::jthread watching_; // last: it uses everything above
};

} // namespace

std::unique_ptr<ControlStore> make_configmap_store(std::unique_ptr<kube::Api> api, Cancel& cancel,
                                                   ConfigMapStoreOptions options, const Clock& clock)
{
    return std::make_unique<ConfigMapStore>(std::move(api), cancel, std::move(options), clock);
}

} // namespace conduit::agent
