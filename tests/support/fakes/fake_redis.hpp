// SPDX-License-Identifier: Apache-2.0
// Redis in memory, behind the agent's port: the few commands that the agent uses, their answers as the real
// one gives them (tests/contract/redis_test.cpp runs the same body against both).
#pragma once

#include "agent/limits/shared_limits.hpp"
#include "agent/redis/port.hpp"
#include "core/clock.hpp"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace conduit::test {

class FakeRedis final : public agent::RedisPort {
  public:
    void submit(std::string command, Done done, Duration /*within*/) override
    {
        if (!up_)
            return done(fail(ErrorKind::unreachable, "Redis is away: as the test wants it"));
        auto reply = answer(words_of(command));
        if (reply.is_error())
            return done(
                redis::reply_error(reply, "Redis").with_detail("code", std::string(reply.error_code())));
        done(std::move(reply));
    }
    bool up() const override { return up_; }
    void set_up(bool up) { up_ = up; }
    void forget()
    {
        const std::lock_guard lock(mutex_);
        values_.clear();
    }
    void set(const std::string& key, std::string value)
    {
        const std::lock_guard lock(mutex_);
        values_[key] = {std::move(value), SteadyTime::max()};
    }
    std::string get(const std::string& key)
    {
        const std::lock_guard lock(mutex_);
        const auto found = values_.find(key);
        return found == values_.end() ? "" : found->second.text;
    }

  private:
    using Reply = redis::Reply;
    using Words = std::vector<std::string>;
    struct Value {
        std::string text;
        SteadyTime until;
    };

    static Words words_of(const std::string& command)
    {
        redis::ReplyReader reader;
        reader.feed(command);
        Words words;
        for (auto& item : reader.next().value()->items)
            words.push_back(std::move(item.text));
        return words;
    }
    static Reply text(std::string value) { return {.type = Reply::Type::text, .text = std::move(value)}; }
    static Reply number(std::int64_t value) { return {.type = Reply::Type::integer, .integer = value}; }
    static Reply error(std::string value) { return {.type = Reply::Type::error, .text = std::move(value)}; }

    Value* find(const std::string& key)
    {
        const auto found = values_.find(key);
        if (found != values_.end() && found->second.until <= std::chrono::steady_clock::now()) {
            values_.erase(found);
            return nullptr;
        }
        return found == values_.end() ? nullptr : &found->second;
    }

    Reply answer(const Words& w)
    {
        const std::lock_guard lock(mutex_);
        if (w[0] == "PING")
            return text("PONG");
        if (w[0] == "GET")
            return find(w[1]) != nullptr ? text(find(w[1])->text) : Reply{};
        if (w[0] == "SET")
            return set_with(w);
        if (w[0] == "UNLINK")
            return unlink(w);
        if (w[0] == "SCAN")
            return scan(w);
        if (w[0] == "PTTL")
            return number(find(w[1]) == nullptr ? -2 : left_ms(*find(w[1])));
        if (w[0] == "STRLEN")
            return number(find(w[1]) == nullptr ? 0 : static_cast<std::int64_t>(find(w[1])->text.size()));
        if (w[0] == "GETRANGE")
            return text(find(w[1]) == nullptr
                            ? ""
                            : find(w[1])->text.substr(0, std::strtoul(w[3].c_str(), nullptr, 10) + 1));
        if (w[0] == "INFO")
            return text("# Memory\r\nused_memory:1024\r\n");
        if (w[0] == "EVALSHA" && !loaded_)
            return error("NOSCRIPT No matching script. Please use EVAL.");
        if (w[0] == "EVAL" || w[0] == "EVALSHA")
            return limits(w);
        return error("ERR unknown command '" + w[0] + "'");
    }

    static std::int64_t left_ms(const Value& value)
    {
        if (value.until == SteadyTime::max())
            return -1;
        return std::chrono::ceil<Duration>(value.until - std::chrono::steady_clock::now()).count();
    }
    Reply set_with(const Words& w)
    {
        auto until = SteadyTime::max();
        for (std::size_t i = 3; i < w.size(); ++i) {
            if (w[i] == "NX" && find(w[1]) != nullptr)
                return {};
            if (w[i] == "PX" || w[i] == "EX")
                until = std::chrono::steady_clock::now() +
                        Duration(std::atoll(w[i + 1].c_str()) * (w[i] == "EX" ? 1000 : 1));
        }
        values_[w[1]] = {w[2], until};
        return text("OK");
    }
    Reply unlink(const Words& w)
    {
        std::int64_t gone = 0;
        for (std::size_t i = 1; i < w.size(); ++i)
            gone += static_cast<std::int64_t>(values_.erase(w[i]));
        return number(gone);
    }
    // All at once: a cursor of 0 says that there is no more.
    Reply scan(const Words& w)
    {
        std::string prefix;
        for (std::size_t i = 0; i + 1 < w[3].size(); ++i)
            if (w[3][i] != '\\')
                prefix += w[3][i];
        Reply keys{.type = Reply::Type::array};
        for (const auto& [key, value] : values_)
            if (key.starts_with(prefix))
                keys.items.push_back(text(key));
        return {.type = Reply::Type::array, .items = {text("0"), std::move(keys)}};
    }
    Reply limits(const Words& w)
    {
        loaded_ = true;
        const auto count = std::strtoul(w[2].c_str(), nullptr, 10);
        const double now =
            std::chrono::duration<double, std::micro>(std::chrono::system_clock::now().time_since_epoch())
                .count();
        Reply granted{.type = Reply::Type::array, .items = {number(0)}};
        std::vector<double> tats;
        for (std::size_t i = 0; i < count; ++i) {
            const auto arg = [&](std::size_t at) { return std::atof(w[3 + count + 3 * i + at].c_str()); };
            const double interval = arg(0), burst = arg(1);
            const auto* kept = find(w[3 + i]);
            const double owed = kept == nullptr ? 0 : std::atof(kept->text.c_str());
            const double tat = std::max(now, std::min(owed, now + burst * interval));
            const double room = std::floor((now + burst * interval - tat) / interval + 1e-6);
            if (room < 1)
                return {.type = Reply::Type::array,
                        .items = {number(static_cast<std::int64_t>(i) + 1),
                                  number(static_cast<std::int64_t>(
                                      std::ceil(tat - now - (burst - 1) * interval)))}};
            const double take = std::min(room, arg(2));
            tats.push_back(tat + take * interval);
            granted.items.push_back(number(static_cast<std::int64_t>(take)));
        }
        for (std::size_t i = 0; i < count; ++i)
            values_[w[3 + i]] = {std::to_string(tats[i]), SteadyTime::max()};
        return granted;
    }

    std::mutex mutex_;
    std::map<std::string, Value> values_;
    std::atomic<bool> up_{true};
    bool loaded_ = false;
};

} // namespace conduit::test
