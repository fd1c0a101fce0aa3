// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/local/requests.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace conduit::local {
namespace {

constexpr std::size_t k_events = 500;
constexpr int k_longest_drain_ms = 24 * 3600 * 1000;

Result<int> whole_number(const Json& request, std::string_view key, int most)
{
    const auto* value = json_find(request, key);
    if (value == nullptr || !value->is_number_integer() || value->get<double>() < 0 ||
        value->get<double>() > most)
        return fail(ErrorKind::usage, fmt::format("'{}' must be a whole number from 0 to {}", key, most));
    return value->get<int>();
}

Result<std::string> key_of(const Json& request)
{
    auto key = json_string_or(request, "key", "");
    if (key.size() > 128)
        return fail(ErrorKind::usage, "'key' is longer than 128 characters");
    return key;
}

} // namespace

Requests::Requests(const Layout& layout, LocalSpec& spec, Fleet& fleet, WallTime started_at)
    : layout_(layout), spec_(spec), fleet_(fleet), started_at_(started_at), keys_(layout.done_keys())
{
}

void Requests::handle(Channel::ClientId client, const Json& request)
{
    const auto command = json_string_or(request, "cmd", "");
    if (stop_asked_ && command != "status" && command != "stop")
        return answer(client, fail(ErrorKind::refused, "the supervisor is stopping"));
    if (command == "status")
        return answer(client, status());
    if (command == "events")
        return answer(client, events());
    if (command == "find")
        return answer(client, find(request));
    if (command == "scale")
        return scale(client, request);
    if (command == "restart")
        return restart(client, request);
    if (command == "reconfigure")
        return answer(client, reconfigure());
    if (command == "stop")
        return stop(client);
    const std::vector<std::string> known{"status",  "events",      "find", "scale",
                                         "restart", "reconfigure", "stop"};
    answer(client, fail(ErrorKind::usage, unknown_name("request", printable(command.substr(0, 64)), known)));
}

void Requests::answer(Channel::ClientId client, const Result<Json>& result)
{
    if (result)
        channel_->answer(client, Json{{"result", *result}});
    else
        channel_->answer(client, result.error());
}

void Requests::wait(Channel::ClientId client, std::function<Outcome()> poll)
{
    waiting_.push_back({client, events_total_, std::move(poll)});
}

void Requests::note(std::string_view object, std::string_view reason, const std::string& message, WallTime at)
{
    events_.emplace_back(
        Json{{"at", format_time(at)}, {"object", object}, {"reason", reason}, {"message", message}});
    ++events_total_;
    if (events_.size() > k_events)
        events_.pop_front();
}

void Requests::tick()
{
    for (auto& waiting : waiting_) {
        for (; waiting.seen < events_total_; ++waiting.seen) {
            const auto behind = events_total_ - waiting.seen;
            if (behind <= events_.size())
                channel_->send(waiting.client, Json{{"progress", *events_[events_.size() - behind]}});
        }
    }
    // A request goes on although nobody waits for it any more.
    std::erase_if(waiting_, [&](Waiting& waiting) {
        const auto outcome = waiting.poll();
        if (outcome)
            answer(waiting.client, *outcome);
        return outcome.has_value();
    });
}

Result<Json> Requests::status() const
{
    Json document{{"running", true}, {"dir", layout_.dir.string()}, {"router_url", fleet_.data().url()}};
    document["admin_urls"] = fleet_.admin_urls();
    document["operator_token_file"] = layout_.operator_token().string();
    document["viewer_token_file"] = layout_.viewer_token().string();
    document["api_key_file"] = layout_.api_key().string();
    document["sim_urls"] = nullptr;
    document["sim_control_url"] = nullptr;
    if (const auto& sim = fleet_.sim()) {
        document["sim_urls"] =
            Json{{"openai", sim->openai.url()}, {"google", sim->google.url()}, {"aws", sim->aws.url()}};
        document["sim_control_url"] = sim->control.url();
    }
    document["supervisor_pid"] = ::getpid();
    document["replicas"] = Json{{"wanted", fleet_.wanted()}, {"ready", fleet_.ready()}};
    document["instances"] = fleet_.instances_json();
    document["settled"] = fleet_.settled();
    document["started_at"] = format_time(started_at_);
    document["version"] = CONDUIT_VERSION;
    return document;
}

Result<Json> Requests::events() const
{
    Json items = Json::array();
    for (const auto& event : events_)
        items.push_back(*event);
    return Json{{"items", items}};
}

Result<Json> Requests::find(const Json& request) const
{
    const auto* result = keys_.find(json_string_or(request, "key", ""));
    return Json{{"found", result != nullptr}, {"result", result == nullptr ? Json() : *result}};
}

Result<Json> Requests::reconfigure()
{
    TRY_ASSIGN(const LocalSpec fresh, load_spec(layout_));
    const bool changed = fresh.replicas != spec_.replicas || fresh.sim_args != spec_.sim_args;
    if (fresh.sim_args != spec_.sim_args)
        return fail(ErrorKind::refused, "the simulator's arguments change at its next start only",
                    "Run `conduitctl local down`, then `conduitctl local up`.");
    spec_.replicas = fresh.replicas;
    fleet_.set_wanted(fresh.replicas);
    return Json{{"changed", changed}};
}

Error Requests::crash_error(const std::string& name) const
{
    return Error{ErrorKind::failed, fmt::format("{} does not stay alive", name)}
        .with_cause(sanitize_utf8(fleet_.log_tail(name, 5)))
        .with_detail("instance", name)
        .with_detail("log", layout_.log_file(name).string())
        .with_hint(fmt::format("Run `conduitctl logs {}` to see why it ends.", name));
}

void Requests::scale(Channel::ClientId client, const Json& request)
{
    const auto replicas = whole_number(request, "replicas", k_max_replicas);
    const auto key = key_of(request);
    if (!replicas || !key)
        return answer(client, replicas ? key.error() : replicas.error());
    const int before = fleet_.wanted();
    const bool repeated = keys_.find(*key) != nullptr;
    if (const auto expected = whole_number(request, "expected", k_max_replicas);
        !repeated && request.contains("expected") && (!expected || *expected != before))
        return answer(client, expected ? Error{ErrorKind::stale,
                                               fmt::format("{} replicas of agent are wanted now, not {}",
                                                           before, *expected)}
                                       : expected.error());
    Json result{
        {"workload", "agent"}, {"changed", before != *replicas}, {"before", before}, {"replicas", *replicas}};
    if (repeated) {
        result = *keys_.find(*key);
    } else {
        spec_.replicas = *replicas;
        if (auto saved = save_spec(layout_, spec_); !saved) {
            spec_.replicas = before;
            return answer(client, saved.error());
        }
        if (auto kept = keys_.put(*key, result); !kept)
            return answer(client, kept.error());
        fleet_.set_wanted(*replicas);
        note("agent", "scaled", fmt::format("{} → {} replicas", before, *replicas), system_clock().now());
    }
    if (!json_bool_or(request, "wait", true))
        return answer(client, result);
    wait(client, [this, result, wanted = *replicas]() -> Outcome {
        if (fleet_.wanted() != wanted)
            return Error{ErrorKind::stale,
                         fmt::format("the number of replicas was changed to {} meanwhile", fleet_.wanted())};
        if (const auto crashing = fleet_.crashing())
            return crash_error(*crashing);
        if (fleet_.settled())
            return result;
        return std::nullopt;
    });
}

Result<std::vector<std::string>> Requests::restarted_names(const Json& request) const
{
    const auto workload = json_string_or(request, "workload", "agent");
    if (workload != "agent" && workload != "sim")
        return fail(ErrorKind::not_found, unknown_name("workload", printable(workload.substr(0, 64)),
                                                       std::vector<std::string>{"agent", "sim"}));
    if (workload == "sim" && !fleet_.sim())
        return fail(ErrorKind::not_found, "no simulator runs here");
    auto known = fleet_.names();
    if (fleet_.sim())
        known.emplace_back("sim");
    std::vector<std::string> names;
    if (const auto* listed = json_find(request, "instances"); listed != nullptr && listed->is_array())
        for (const auto& item : *listed)
            names.push_back(item.is_string() ? item.get<std::string>() : dump_json(item));
    for (const auto& name : names)
        if (std::ranges::find(known, name) == known.end())
            return fail(ErrorKind::not_found, unknown_name("instance", printable(name.substr(0, 64)), known));
    if (names.empty() && workload == "sim")
        names.emplace_back("sim");
    return names;
}

void Requests::restart(Channel::ClientId client, const Json& request)
{
    const auto key = key_of(request);
    const auto names = restarted_names(request);
    std::optional<Duration> drain;
    if (const auto* asked = json_find(request, "drain_ms"); asked != nullptr) {
        const auto milliseconds = whole_number(request, "drain_ms", k_longest_drain_ms);
        if (!milliseconds)
            return answer(client, milliseconds.error());
        drain = Duration{*milliseconds};
    }
    if (!key)
        return answer(client, key.error());
    if (const auto* known = keys_.find(*key))
        return answer(client, *known);
    if (!names)
        return answer(client, names.error());
    const Json accepted{
        {"changed", true}, {"accepted", true}, {"started", Json::array()}, {"ended", Json::array()}};
    if (auto kept = keys_.put(*key, accepted); !kept)
        return answer(client, kept.error());
    const auto id = fleet_.restart(*names, std::chrono::steady_clock::now(), drain);
    const bool wait_for_it = json_bool_or(request, "wait", true);
    if (!wait_for_it)
        answer(client, accepted);
    wait(wait_for_it ? client : 0, [this, id, key = *key]() -> Outcome {
        const auto* job = fleet_.job(id);
        if (job == nullptr)
            return Error{ErrorKind::unknown, "the restart's outcome is no longer known"};
        if (!job->done)
            return std::nullopt;
        Json result{{"changed", !job->started.empty()}, {"started", job->started}, {"ended", job->ended}};
        if (!job->error.empty())
            result["error"] = job->error;
        (void)keys_.put(key, result);
        if (job->error.empty())
            return result;
        const auto kind = job->started.empty() ? ErrorKind::failed : ErrorKind::partial;
        return Error{kind, job->error}
            .with_cause(sanitize_utf8(fleet_.log_tail(job->replacement, 5)))
            .with_hint(job->replacement.empty() ? ""
                                                : fmt::format("See {} for the reason.",
                                                              layout_.log_file(job->replacement).string()));
    });
}

void Requests::stop(Channel::ClientId client)
{
    stop_asked_ = true;
    wait(client, [this]() -> Outcome {
        if (!fleet_.stopped())
            return std::nullopt;
        return Json{{"stopped", true}};
    });
}

} // namespace conduit::local
