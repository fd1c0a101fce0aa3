// SPDX-License-Identifier: Apache-2.0
#include "agent/limits/shared_limits.hpp"

#include "agent/control/snapshot.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit::agent {
namespace {

// A clock of Redis that goes back would leave a time far ahead: never more than the burst is owed.
constexpr std::string_view k_script = R"lua(
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local tats, grants = {}, {}
for i = 1, #KEYS do
  local interval, burst, want = tonumber(ARGV[3*i-2]), tonumber(ARGV[3*i-1]), tonumber(ARGV[3*i])
  local tat = tonumber(redis.call('GET', KEYS[i]) or '0') or 0
  tat = math.max(now, math.min(tat, now + burst * interval))
  local room = math.floor((now + burst * interval - tat) / interval + 0.000001)
  if room < 1 then
    return {i, math.ceil(tat - now - (burst - 1) * interval)}
  end
  grants[i] = math.min(room, want)
  tats[i] = tat + grants[i] * interval
end
local reply = {0}
for i = 1, #KEYS do
  redis.call('SET', KEYS[i], string.format('%.3f', tats[i]), 'PX', math.ceil((tats[i] - now) / 1000) + 1000)
  reply[i + 1] = grants[i]
end
return reply
)lua";

constexpr double k_ahead_seconds = 0.05;
constexpr std::int64_t k_most_ahead = 64;
constexpr std::int64_t k_token_life_ns = 1'000'000'000;
constexpr std::int64_t k_longest_refusal_ns = 1'000'000'000;

std::int64_t ns_of(SteadyTime time)
{
    return std::chrono::nanoseconds(time.time_since_epoch()).count();
}

std::int64_t batch_of(const Pace& pace)
{
    const double per_second = 1e9 / static_cast<double>(std::max<std::int64_t>(pace.interval_ns, 1));
    const auto ahead =
        static_cast<std::int64_t>(std::min(per_second * k_ahead_seconds, static_cast<double>(k_most_ahead)));
    return std::clamp<std::int64_t>(ahead, 1, std::max<std::int64_t>(pace.burst / 4, 1));
}

bool take_token(LimitSlot& slot, std::int64_t now_ns)
{
    if (slot.tokens_until.load(std::memory_order_relaxed) < now_ns) {
        slot.tokens.store(0, std::memory_order_relaxed);
        return false;
    }
    auto left = slot.tokens.load(std::memory_order_relaxed);
    while (left > 0)
        if (slot.tokens.compare_exchange_weak(left, left - 1, std::memory_order_relaxed))
            return true;
    return false;
}

std::string key_of(const LimitStep& step)
{
    if (step.reason == LimitReason::key)
        return "conduit:limit:key:" + step.key->id;
    return fmt::format("conduit:limit:{}", limit_reason_name(step.reason));
}

const std::string& script_digest()
{
    static const std::string digest = redis::script_digest(k_script);
    return digest;
}

} // namespace

std::string_view limit_script()
{
    return k_script;
}

// A request that waits. The steps are those without a token at hand.
struct SharedLimits::Asked {
    std::shared_ptr<const Snapshot> snapshot;
    const ApiKey* key = nullptr;
    Duration within{0};
    std::function<void(LimitVerdict)> done;
    LimitSteps whole, missing, held;
    std::array<std::int64_t, 3> wanted{};
    std::array<bool, 3> refills{};

    void give_back() const
    {
        for (const auto& step : held)
            step.slot->tokens.fetch_add(1, std::memory_order_relaxed);
    }
    void end_refills()
    {
        for (std::size_t i = 0; i < missing.count; ++i)
            if (std::exchange(refills[i], false))
                missing.steps[i].slot->refilling.store(false, std::memory_order_relaxed);
    }
};

SharedLimits::SharedLimits(RedisPort& port, Limiter& limiter) : port_(port), limiter_(limiter) {}
SharedLimits::~SharedLimits() = default;

SharedLimitsStats SharedLimits::stats() const
{
    return {asked_, fallbacks_};
}

LimitVerdict SharedLimits::allow(const LimitSteps& whole, const Snapshot& snapshot, const ApiKey* key,
                                 SteadyTime now)
{
    for (const auto& step : whole)
        step.slot->allowed.fetch_add(1, std::memory_order_relaxed);
    for (const auto& step : limiter_.steps(snapshot, key, snapshot.replicas))
        gcra_spend(step.slot->tat, ns_of(now), step.pace);
    return {};
}

std::optional<LimitVerdict> SharedLimits::take(const Snapshot& snapshot, const ApiKey* key, SteadyTime now)
{
    if (!port_.up()) {
        fallbacks_.fetch_add(1, std::memory_order_relaxed);
        return limiter_.take(snapshot, key, now);
    }
    const auto now_ns = ns_of(now);
    const auto whole = limiter_.steps(snapshot, key, 1);
    for (const auto& step : whole)
        if (const auto until = step.slot->refused_until.load(std::memory_order_relaxed); until > now_ns) {
            step.slot->refused.fetch_add(1, std::memory_order_relaxed);
            return LimitVerdict{step.reason, wait_of(until - now_ns)};
        }
    for (const auto& step : whole) {
        if (take_token(*step.slot, now_ns))
            continue;
        for (const auto* taken = whole.begin(); taken != &step; ++taken)
            taken->slot->tokens.fetch_add(1, std::memory_order_relaxed);
        return std::nullopt;
    }
    return allow(whole, snapshot, key, now);
}

void SharedLimits::ask(std::shared_ptr<const Snapshot> snapshot, const ApiKey* key, Duration within,
                       std::function<void(LimitVerdict)> done)
{
    auto asked = std::make_shared<Asked>();
    asked->key = key;
    asked->within = within;
    asked->done = std::move(done);
    asked->whole = limiter_.steps(*snapshot, key, 1);
    asked->snapshot = std::move(snapshot);
    const auto now_ns = ns_of(std::chrono::steady_clock::now());
    for (const auto& step : asked->whole) {
        auto& into = take_token(*step.slot, now_ns) ? asked->held : asked->missing;
        const auto at = into.count++;
        into.steps[at] = step;
        if (&into == &asked->held)
            continue;
        // Of those who ask at one moment, one brings more than it needs.
        const auto batch = batch_of(step.pace);
        asked->refills[at] = batch > 1 && !step.slot->refilling.exchange(true, std::memory_order_relaxed);
        asked->wanted[at] = asked->refills[at] ? batch : 1;
    }
    send(asked, false);
}

void SharedLimits::send(const std::shared_ptr<Asked>& asked, bool with_text)
{
    std::vector<std::string> words{with_text ? "EVAL" : "EVALSHA",
                                   with_text ? std::string(k_script) : script_digest(),
                                   std::to_string(asked->missing.count)};
    for (const auto& step : asked->missing)
        words.push_back(key_of(step));
    for (std::size_t i = 0; i < asked->missing.count; ++i) {
        const auto& pace = asked->missing.steps[i].pace;
        words.push_back(fmt::format("{:.3f}", static_cast<double>(pace.interval_ns) / 1000));
        words.push_back(std::to_string(pace.burst));
        words.push_back(std::to_string(asked->wanted[i]));
    }
    port_.submit(
        redis::command(words),
        [this, asked, with_text](Result<redis::Reply> reply) {
            take_reply(asked, std::move(reply), with_text);
        },
        asked->within);
}

void SharedLimits::take_reply(const std::shared_ptr<Asked>& asked, Result<redis::Reply> reply, bool with_text)
{
    if (!reply && !with_text && reply.error().details["code"] == "NOSCRIPT")
        return send(asked, true);
    asked->end_refills();
    const auto now = std::chrono::steady_clock::now();
    const auto count = asked->missing.count;
    const bool fits = reply && reply->is_array() && reply->items.size() >= 2 &&
                      std::ranges::all_of(reply->items, &redis::Reply::is_integer) &&
                      (reply->items[0].integer != 0 || reply->items.size() == count + 1);
    const auto refusing = fits ? reply->items[0].integer : -1;
    if (!fits || refusing < 0 || refusing > static_cast<std::int64_t>(count)) {
        asked->give_back();
        fallbacks_.fetch_add(1, std::memory_order_relaxed);
        return asked->done(limiter_.take(*asked->snapshot, asked->key, now));
    }
    asked_.fetch_add(1, std::memory_order_relaxed);
    if (refusing > 0) {
        asked->give_back();
        const auto& step = asked->missing.steps[static_cast<std::size_t>(refusing - 1)];
        const auto wait_ns =
            std::max<std::int64_t>(std::min(reply->items[1].integer, std::int64_t{1} << 40), 1) * 1000;
        step.slot->refused.fetch_add(1, std::memory_order_relaxed);
        step.slot->refused_until.store(ns_of(now) + std::min(wait_ns, k_longest_refusal_ns),
                                       std::memory_order_relaxed);
        return asked->done({step.reason, wait_of(wait_ns)});
    }
    for (std::size_t i = 0; i < count; ++i) {
        const auto more = std::clamp<std::int64_t>(reply->items[i + 1].integer, 1, asked->wanted[i]) - 1;
        if (more == 0)
            continue;
        auto& slot = *asked->missing.steps[i].slot;
        slot.tokens_until.store(ns_of(now) + k_token_life_ns, std::memory_order_relaxed);
        slot.tokens.fetch_add(more, std::memory_order_relaxed);
    }
    asked->done(allow(asked->whole, *asked->snapshot, asked->key, now));
}

} // namespace conduit::agent
