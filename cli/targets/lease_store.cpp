// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/lease_store.hpp"

#include "core/hash.hpp"
#include "core/kube/lease_time.hpp"
#include "core/text.hpp"
#include "core/url.hpp"

#include <charconv>
#include <condition_variable>
#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>
#include <thread>

namespace conduit {
namespace {

using kube::Api;

constexpr Duration k_call{10'000};
constexpr Duration k_release{2'000};
constexpr int k_tries = 5;
constexpr std::string_view k_managed = "app.kubernetes.io/managed-by";
const kube::Resource k_leases{.group = "coordination.k8s.io", .plural = "leases"};

std::string lease_path(const std::string& name_space, const ops::LockKey& key)
{
    return kube::resource_path(k_leases, name_space, "conduit-" + sha256_hex(key.text()).substr(0, 20));
}

std::optional<WallTime> time_at(const Json& object, std::string_view key)
{
    const auto time = parse_time(json_string_or(object, key, ""));
    return time ? std::optional(*time) : std::nullopt;
}

const Json& spec_of(const Json& lease)
{
    static const Json k_none = Json::object();
    const auto* spec = json_find(lease, "spec");
    return spec != nullptr ? *spec : k_none;
}

ops::LockInfo info_of(const Json& lease)
{
    const auto* meta = json_find(lease, "metadata");
    const auto* notes = meta == nullptr ? nullptr : json_find(*meta, "annotations");
    const Json none = Json::object();
    const Json& n = notes == nullptr ? none : *notes;
    const auto& spec = spec_of(lease);
    ops::LockInfo info;
    info.key = {json_string_or(n, "conduit.dev/target", ""), json_string_or(n, "conduit.dev/scope", "")};
    info.owner.operator_name =
        json_string_or(n, "conduit.dev/operator", json_string_or(spec, "holderIdentity", ""));
    info.owner.host = json_string_or(n, "conduit.dev/host", "");
    const auto pid = json_string_or(n, "conduit.dev/pid", "0");
    std::from_chars(pid.data(), pid.data() + pid.size(), info.owner.pid);
    info.owner.reason = json_string_or(n, "conduit.dev/reason", "");
    info.owner.operation = json_string_or(n, "conduit.dev/operation", "");
    info.owner.since = time_at(spec, "acquireTime").value_or(WallTime{});
    const auto lasts =
        Duration{static_cast<std::int64_t>(json_number_or(spec, "leaseDurationSeconds", 0) * 1000)};
    info.owner.until = time_at(spec, "renewTime").value_or(WallTime{}) + lasts;
    return info;
}

bool held(const Json& lease, WallTime server_now)
{
    return !json_string_or(spec_of(lease), "holderIdentity", "").empty() &&
           info_of(lease).owner.until > server_now;
}

std::uint64_t transitions(const Json& lease)
{
    return static_cast<std::uint64_t>(std::max(0.0, json_number_or(spec_of(lease), "leaseTransitions", 0)));
}

// A lease as read, and the server's time when it was.
struct Reading {
    Json lease; // null: there is none
    Duration ahead{0};
};

// By its name in a list, because a list is an answer of 200 with the server's time even where there is no
// lease yet.
Result<Reading> read_lease(Api& api, const std::string& path, Deadline deadline)
{
    const auto slash = path.rfind('/');
    const kube::Query query{{"fieldSelector", "metadata.name=" + path.substr(slash + 1)}};
    TRY_ASSIGN(const auto answer,
               api.ask({.path = path.substr(0, slash) + "?" + query_string(query)}, deadline));
    TRY_ASSIGN(const auto document, parse_json(answer.body));
    Reading reading{Json(), kube::clock_ahead(answer, api.clock().now())};
    if (const auto* items = json_find(document, "items");
        items != nullptr && items->is_array() && !items->empty()) {
        reading.lease = items->front();
        reading.lease["apiVersion"] = "coordination.k8s.io/v1"; // a list leaves it out
        reading.lease["kind"] = "Lease";
    }
    return reading;
}

class HeldLease final : public ops::Lock {
  public:
    HeldLease(Api& api, std::string path, ops::LockKey key, Json lease, Duration ahead, Duration lasts,
              SteadyTime written)
        : api_(api), path_(std::move(path)), key_(std::move(key)), lease_(std::move(lease)), ahead_(ahead),
          lasts_(lasts), until_(written + lasts), fence_(transitions(lease_)),
          renewing_([this](const std::stop_token& stop) { keep(stop); })
    {
    }
    HeldLease(const HeldLease&) = delete;
    HeldLease& operator=(const HeldLease&) = delete;
    ~HeldLease() override
    {
        renewing_.request_stop();
        wake_.notify_all();
        renewing_.join();
        const std::lock_guard lock(mutex_);
        if (lost_)
            return;
        lease_["spec"]["holderIdentity"] = "";
        lease_["spec"]["renewTime"] = kube::micro_time(server_now());
        (void)api_.replace(path_, lease_, {}, Deadline(k_release)).has_value(); // else it ends by itself
    }

    Result<> still_held(Duration needed) override
    {
        const std::lock_guard lock(mutex_);
        if (!lost_) // asked each time: what somebody took away since the last renewal must stop the next step
            renew();
        if (!lost_ && until_ - api_.clock().steady() >= std::min(needed, lasts_ / 3))
            return {};
        return fail(ErrorKind::locked, fmt::format("the lock on {} was lost", key_.text()),
                    "See who has it: conduitctl lock ls");
    }
    std::uint64_t fence() const override { return fence_; }

  private:
    WallTime server_now() const { return api_.clock().now() + ahead_; }

    void keep(const std::stop_token& stop)
    {
        std::unique_lock lock(mutex_);
        while (!stop.stop_requested()) {
            wake_.wait_for(lock, stop, lasts_ / 3, [] { return false; });
            if (!stop.stop_requested() && !lost_)
                renew();
        }
    }

    // With the lock held. A server that cannot be reached leaves the lock as long as it lasts; what is over
    // is lost for good, though nobody may have taken it: others were free to.
    void renew()
    {
        lost_ = lost_ || api_.clock().steady() >= until_;
        for (int i = 0; i < k_tries && !lost_; ++i) {
            const auto began = api_.clock().steady();
            auto next = lease_;
            next["spec"]["renewTime"] = kube::micro_time(server_now());
            auto written = api_.replace(path_, next, {}, Deadline(lasts_ / 3));
            if (written) {
                lease_ = std::move(**written);
                until_ = began + lasts_;
                return;
            }
            const auto kind = written.error().kind;
            if (kind != ErrorKind::stale && kind != ErrorKind::not_found && kind != ErrorKind::unknown)
                return;
            auto now = read_lease(api_, path_, Deadline(lasts_ / 3));
            if (!now)
                return;
            const auto& mine = spec_of(lease_);
            const auto& theirs = spec_of(now->lease);
            lost_ = now->lease.is_null() || theirs["holderIdentity"] != mine["holderIdentity"] ||
                    transitions(now->lease) != fence_;
            if (lost_)
                return;
            lease_ = std::move(now->lease); // somebody only wrote a note on it, or our write had arrived
        }
    }

    Api& api_;
    const std::string path_;
    const ops::LockKey key_;
    std::mutex mutex_;
    std::condition_variable_any wake_;
    Json lease_;
    const Duration ahead_, lasts_;
    SteadyTime until_;
    const std::uint64_t fence_;
    bool lost_ = false;
    std::jthread renewing_;
};

Json wanted_lease(const Json& before, const std::string& name_space, const std::string& path,
                  const ops::LockKey& key, const ops::LockOwner& owner, WallTime now, Duration lasts)
{
    const auto identity =
        fmt::format("{}@{}/{}/{}", owner.operator_name, owner.host, owner.pid, owner.operation);
    Json lease{{"apiVersion", "coordination.k8s.io/v1"},
               {"kind", "Lease"},
               {"metadata",
                {{"name", path.substr(path.rfind('/') + 1)},
                 {"namespace", name_space},
                 {"labels", {{k_managed, "conduitctl"}}},
                 {"annotations",
                  {{"conduit.dev/target", key.target},
                   {"conduit.dev/scope", key.scope},
                   {"conduit.dev/operator", owner.operator_name},
                   {"conduit.dev/host", owner.host},
                   {"conduit.dev/pid", std::to_string(owner.pid)},
                   {"conduit.dev/reason", owner.reason},
                   {"conduit.dev/operation", owner.operation}}}}},
               {"spec",
                {{"holderIdentity", identity},
                 {"leaseDurationSeconds", std::max<std::int64_t>(1, lasts.count() / 1000)},
                 {"acquireTime", kube::micro_time(now)},
                 {"renewTime", kube::micro_time(now)},
                 {"leaseTransitions", before.is_null() ? 1 : transitions(before) + 1}}}};
    if (!before.is_null())
        lease["metadata"]["resourceVersion"] = before["metadata"]["resourceVersion"];
    return lease;
}

} // namespace

Result<std::unique_ptr<ops::Lock>> LeaseStore::acquire(const ops::LockKey& key, const ops::LockOwner& owner)
{
    const auto path = lease_path(name_space_, key);
    const Deadline deadline(k_call);
    for (int i = 0; i < k_tries; ++i) {
        TRY_ASSIGN(const auto now, read_lease(api_, path, deadline));
        const auto server_now = api_.clock().now() + now.ahead;
        if (!now.lease.is_null() && held(now.lease, server_now))
            return ops::locked_error(info_of(now.lease));
        const auto began = api_.clock().steady();
        const auto lease = wanted_lease(now.lease, name_space_, path, key, owner, server_now, lasts_);
        auto written = now.lease.is_null() ? api_.create(path.substr(0, path.rfind('/')), lease, {}, deadline)
                                           : api_.replace(path, lease, {}, deadline);
        if (written)
            return std::unique_ptr<ops::Lock>(
                std::make_unique<HeldLease>(api_, path, key, std::move(**written), now.ahead, lasts_, began));
        const auto reason = written.error().details.find("reason");
        const bool raced = written.error().kind == ErrorKind::stale ||
                           written.error().kind == ErrorKind::not_found ||
                           (reason != written.error().details.end() && reason->second == "AlreadyExists");
        if (!raced)
            return std::move(written).error();
    }
    return fail(ErrorKind::locked, fmt::format("the lock on {} changes hands too fast", key.text()),
                "See who has it: conduitctl lock ls");
}

Result<std::vector<ops::LockInfo>> LeaseStore::list()
{
    const Deadline deadline(k_call);
    const auto path = kube::resource_path(k_leases, name_space_);
    TRY_ASSIGN(const auto answer,
               api_.ask({.path = path + "?limit=500&labelSelector=app.kubernetes.io%2Fmanaged-by%3D"
                                        "conduitctl"},
                        deadline));
    TRY_ASSIGN(const auto document, parse_json(answer.body));
    const auto now = api_.clock().now() + kube::clock_ahead(answer, api_.clock().now());
    std::vector<ops::LockInfo> out;
    for (const auto& lease : document.value("items", Json::array()))
        if (held(lease, now))
            out.push_back(info_of(lease));
    return out;
}

Result<std::vector<ops::LockKey>> LeaseStore::known()
{
    std::vector<ops::LockKey> out;
    TRY(api_.list(
        kube::resource_path(k_leases, name_space_),
        {{"labelSelector", fmt::format("{}=conduitctl", k_managed)}},
        [&](const Json& lease) { out.push_back(info_of(lease).key); }, [&] { out.clear(); },
        Deadline(k_call)));
    return out;
}

Result<bool> LeaseStore::steal(const ops::LockKey& key)
{
    const auto path = lease_path(name_space_, key);
    const Deadline deadline(k_call);
    for (int i = 0; i < k_tries; ++i) {
        TRY_ASSIGN(auto now, read_lease(api_, path, deadline));
        if (now.lease.is_null() || !held(now.lease, api_.clock().now() + now.ahead))
            return false;
        now.lease["spec"]["holderIdentity"] = "";
        auto written = api_.replace(path, now.lease, {}, deadline);
        if (written)
            return true;
        if (written.error().kind != ErrorKind::stale)
            return std::move(written).error();
    }
    return fail(ErrorKind::locked, fmt::format("the lock on {} changes hands too fast", key.text()));
}

} // namespace conduit
