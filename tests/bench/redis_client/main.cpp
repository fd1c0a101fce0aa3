// SPDX-License-Identifier: Apache-2.0
// The other clients of tests/bench/redis: what fills a server, and what feels how long it takes to answer.
//   redis_bench_client fill SOCKET PREFIX COUNT     keys PREFIX0 ..., in a pipeline
//   redis_bench_client probe SOCKET                 a GET every millisecond by each of 4 clients until stdin
//   ends;
//                                                   prints "COUNT P50_US P99_US"
#include "core/redis/connection.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fmt/format.h>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

using namespace conduit;

namespace {

constexpr int k_clients = 4;
constexpr std::chrono::milliseconds k_pause{1};

std::unique_ptr<redis::Connection> connect(const std::string& socket)
{
    redis::Settings settings;
    auto address = redis::parse_address(socket);
    auto opened = address ? (settings.address = *address, redis::Connection::open(settings, Deadline(5s)))
                          : Result<std::unique_ptr<redis::Connection>>(address.error());
    if (!opened) {
        std::cerr << opened.error().message << "\n";
        std::exit(1); // NOLINT(concurrency-mt-unsafe)
    }
    return *std::move(opened);
}

int fill(const std::string& socket, const std::string& prefix, int count)
{
    const auto connection = connect(socket);
    for (int from = 0; from < count; from += 1'000) {
        const int to = std::min(count, from + 1'000);
        std::string commands;
        for (int i = from; i < to; ++i)
            commands += redis::command({"SET", prefix + std::to_string(i), "twenty bytes of text"});
        if (!connection->pipeline(commands, static_cast<std::size_t>(to - from), Deadline(30s)))
            return 1;
    }
    return 0;
}

int probe(const std::string& socket)
{
    std::atomic<bool> stop{false};
    std::vector<std::vector<std::int64_t>> took(k_clients);
    {
        std::vector<std::jthread> clients;
        for (auto& mine : took)
            clients.emplace_back([&mine, &stop, &socket] {
                const auto connection = connect(socket);
                while (!stop) {
                    const auto from = std::chrono::steady_clock::now();
                    if (!connection->call({"GET", "user:1"}, Deadline(10s)))
                        return;
                    mine.push_back(std::chrono::duration_cast<std::chrono::microseconds>(
                                       std::chrono::steady_clock::now() - from)
                                       .count());
                    std::this_thread::sleep_for(k_pause);
                }
            });
        while (std::cin.get() != std::char_traits<char>::eof())
            ;
        stop = true;
    }
    std::vector<std::int64_t> all;
    for (const auto& mine : took)
        all.insert(all.end(), mine.begin(), mine.end());
    if (all.empty())
        return 1;
    std::ranges::sort(all);
    fmt::print("{} {} {}\n", all.size(), all[all.size() / 2], all[all.size() * 99 / 100]);
    return 0;
}

} // namespace

int main(int argc, char** argv)
{
    const std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() == 4 && words[0] == "fill")
        return fill(words[1], words[2], std::atoi(words[3].c_str()));
    if (words.size() == 2 && words[0] == "probe")
        return probe(words[1]);
    return 2;
}
