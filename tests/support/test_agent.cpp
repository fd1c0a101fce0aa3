// SPDX-License-Identifier: Apache-2.0
#include "tests/support/test_agent.hpp"

#include "tests/support/wait.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace conduit::test {

using namespace agent;

struct TestAgent::Kept final : Records {
    void push(unsigned /*worker*/, RequestRecord record) override
    {
        const std::lock_guard lock(mutex);
        all.push_back(std::move(record));
    }
    Result<std::vector<UsageRow>> usage(const UsageQuery& /*query*/) override
    {
        return std::vector<UsageRow>{};
    }
    Stats stats() const override { return {}; }
    Result<> flush(Deadline /*deadline*/) override { return {}; }
    mutable std::mutex mutex;
    std::vector<RequestRecord> all;
};

namespace {

Config read_config(const std::string& yaml)
{
    ::setenv("CONDUIT_TEST_KEY", "sk-up", 1); // configurations name secrets, they do not hold them
    auto config = parse_config(yaml, "agent.yaml");
    if (!config)
        throw std::runtime_error(config.error().front().message);
    config->listen.data = {"127.0.0.1", 0};
    return std::move(*config);
}

template <class T> T must(Result<T> result)
{
    if (!result)
        throw std::runtime_error(result.error().message);
    return std::move(*result);
}

unsigned threads_of(const Config& config)
{
    return config.server.threads > 0 ? config.server.threads : 2;
}

} // namespace

TestAgent::TestAgent(const std::string& yaml, const std::string& keys)
    : config_(read_config(yaml)), cache_(make_memory_cache(config_.cache.max_bytes)),
      metrics_(threads_of(config_)), kept_(std::make_unique<Kept>()),
      log_(std::getenv("CONDUIT_TEST_LOG") != nullptr ? 2 : -1)
{
    if (!keys.empty())
        keys_ = must(parse_keys(keys, "keys.yaml"));
    Server::Options options{.threads = threads_of(config_), .data = config_.listen.data, .admin_on = false};
    server_ = must(Server::open(
        options, {limiter_, health_, *cache_, flights_, metrics_, *kept_, retries_, log_, system_clock()}));
    publish();
    server_->start(nullptr);
}

TestAgent::~TestAgent()
{
    stop(0ms);
}

void TestAgent::stop(Duration drain)
{
    server_->stop(Deadline(drain));
}

int TestAgent::port() const
{
    const std::string url = server_->data_url();
    return std::atoi(url.substr(url.rfind(':') + 1).c_str());
}

void TestAgent::publish()
{
    auto built = build_snapshot(config_, state_, keys_, 1, limiter_);
    if (!built.skipped.empty())
        throw std::runtime_error(built.skipped.front().message);
    built.snapshot->generation = ++generation_;
    server_->publish(built.snapshot, std::make_shared<SafetyRules>());
}

void TestAgent::set(const std::string& path, std::string_view json)
{
    Override override;
    override.value = must(parse_json(json));
    override.revision = ++state_.revision;
    state_.overrides[path] = std::move(override);
    publish();
}

void TestAgent::unset(const std::string& path)
{
    ++state_.revision;
    state_.overrides.erase(path);
    publish();
}

std::vector<RequestRecord> TestAgent::records() const
{
    const std::lock_guard lock(kept_->mutex);
    return kept_->all;
}

std::vector<RequestRecord> TestAgent::wait_records(std::size_t count) const
{
    eventually([&] { return records().size() >= count; });
    return records();
}

} // namespace conduit::test
