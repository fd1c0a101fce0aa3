// SPDX-License-Identifier: Apache-2.0
#include "cli/redis/reach.hpp"

#include "cli/redis/info.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace conduit::redis {
namespace {

constexpr Duration k_patience{3'000}; // with one of many

Result<std::vector<ClusterNode>> nodes_of(RedisSession& seed, Deadline deadline)
{
    TRY_ASSIGN(const auto reply, seed.ask({"CLUSTER", "NODES"}, deadline));
    return parse_nodes(reply.text);
}

Error not_a_master(RedisSession& server, const Info& info)
{
    const auto host = info.text_or("master_host", "");
    const auto port = info.text_or("master_port", "");
    return {ErrorKind::refused,
            fmt::format("Redis {} is a replica: what is written there is refused, or lost", server.name()),
            host.empty()
                ? "Name the master in the context: conduitctl context set redis.url redis://HOST:PORT"
                : fmt::format("Its master is {}:{}: conduitctl context set redis.url redis://{}:{}", host,
                              port, host, port)};
}

} // namespace

Result<std::vector<Reached>> reach_nodes(RedisServers& servers, Deadline deadline)
{
    std::vector<Reached> out;
    TRY_ASSIGN(auto seed, servers.open(deadline));
    TRY_ASSIGN(const auto info, read_info(*seed, "", deadline));
    if (!is_cluster(info)) {
        out.push_back({seed->name(), std::move(seed), {}});
        return out;
    }
    TRY_ASSIGN(const auto nodes, nodes_of(*seed, deadline));
    const auto name = seed->name();
    for (const auto& node : nodes) {
        if (node.myself) {
            if (seed) // a server that says so twice is not believed the second time
                out.push_back({node.address.empty() ? name : node.address, std::move(seed), {}});
            continue;
        }
        if (node.address.empty())
            continue;
        auto server = servers.open_at(node.address, deadline.sooner(k_patience));
        if (server)
            out.push_back({node.address, *std::move(server), {}});
        else if (server.error().kind == ErrorKind::interrupted)
            return std::move(server).error();
        else
            out.push_back({node.address, nullptr, std::move(server).error()});
    }
    std::ranges::sort(out, {}, &Reached::address);
    return out;
}

Result<Masters> reach_masters(RedisServers& servers, Deadline deadline)
{
    Masters out;
    TRY_ASSIGN(auto seed, servers.open(deadline));
    TRY_ASSIGN(const auto info, read_info(*seed, "", deadline));
    out.cluster = is_cluster(info);
    if (!out.cluster) {
        TRY(info.text("role"));
        if (!is_master(info))
            return not_a_master(*seed, info);
        out.servers.push_back(std::move(seed));
        return out;
    }
    TRY_ASSIGN(const auto nodes, nodes_of(*seed, deadline));
    int slots = 0;
    for (const auto& node : nodes) {
        if (node.slots.empty())
            continue;
        slots += node.slot_count();
        if (node.myself) {
            out.servers.push_back(std::move(seed));
            continue;
        }
        if (node.address.empty())
            return fail(ErrorKind::unreachable, fmt::format("master {} has no address", node.id.substr(0, 8)),
                        "Look at the Cluster: conduitctl redis cluster check");
        TRY_ASSIGN(auto server, servers.open_at(node.address, deadline.sooner(k_patience)));
        out.servers.push_back(std::move(server));
    }
    if (slots != k_slots)
        return fail(ErrorKind::refused, fmt::format("{} of {} slots have an owner", slots, k_slots),
                    "Look at the Cluster: conduitctl redis cluster check");
    return out;
}

} // namespace conduit::redis
