// SPDX-License-Identifier: Apache-2.0
#include "cli/redis/nodes.hpp"

#include "cli/redis/info.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <charconv>
#include <deque>
#include <fmt/format.h>
#include <set>

namespace conduit::redis {
namespace {

constexpr std::size_t k_most_nodes = 1'000;

template <class T> bool read_number(std::string_view text, T& value)
{
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

std::unexpected<Error> malformed(std::string_view line)
{
    return fail(ErrorKind::unknown, fmt::format("CLUSTER NODES has a line that makes no sense: '{}'",
                                                printable(line.substr(0, 120))));
}

// "10.1.2.3:6379@16379,redis-0.redis": the port behind the @ is the nodes' own.
void read_address(std::string_view text, ClusterNode& node)
{
    if (const auto comma = text.find(','); comma != std::string_view::npos) {
        const auto rest = text.substr(comma + 1);
        node.host_name = rest.substr(0, rest.find(','));
        text = text.substr(0, comma);
    }
    if (const auto at = text.find('@'); at != std::string_view::npos) {
        read_number(text.substr(at + 1), node.bus_port);
        text = text.substr(0, at);
    }
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0 || text.substr(colon + 1) == "0")
        return;
    const auto host = text.substr(0, colon);
    node.address = host.contains(':') ? fmt::format("[{}]{}", host, text.substr(colon)) : std::string(text);
}

Result<SlotRange> read_slots(std::string_view text)
{
    SlotRange range;
    const auto dash = text.find('-');
    const bool fine = read_number(text.substr(0, dash), range.first) &&
                      (dash == std::string_view::npos ? (range.last = range.first, true)
                                                      : read_number(text.substr(dash + 1), range.last));
    if (!fine || range.last < range.first || range.last >= k_slots)
        return malformed(text);
    return range;
}

Result<ClusterNode> parse_node(std::string_view line)
{
    std::vector<std::string> words = split(line, ' ');
    if (words.size() < 8 || words[0].size() != 40)
        return malformed(line);
    ClusterNode node;
    node.id = words[0];
    read_address(words[1], node);
    for (auto& flag : split(words[2], ','))
        if (flag == "myself")
            node.myself = true;
        else
            node.flags.push_back(std::move(flag));
    if (words[3] != "-")
        node.master = words[3];
    if (!read_number(words[6], node.epoch))
        return malformed(line);
    node.linked = words[7] == "connected";
    for (std::size_t i = 8; i < words.size(); ++i) {
        if (words[i].starts_with('[')) {
            node.moving.push_back(words[i]);
        } else if (!words[i].empty()) {
            TRY_ASSIGN(const auto range, read_slots(words[i]));
            node.slots.push_back(range);
        }
    }
    return node;
}

} // namespace

std::uint16_t slot_of(std::string_view key)
{
    if (const auto open = key.find('{'); open != std::string_view::npos)
        if (const auto close = key.find('}', open + 1); close != std::string_view::npos && close > open + 1)
            key = key.substr(open + 1, close - open - 1);
    std::uint32_t crc = 0; // CRC-16/XMODEM
    for (const char c : key) {
        crc ^= static_cast<std::uint32_t>(static_cast<unsigned char>(c)) << 8U;
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc & 0x8000U) != 0 ? (crc << 1U) ^ 0x1021U : crc << 1U;
        crc &= 0xffffU;
    }
    return static_cast<std::uint16_t>(crc % k_slots);
}

bool ClusterNode::has(std::string_view flag) const
{
    return std::ranges::find(flags, flag) != flags.end();
}

int ClusterNode::slot_count() const
{
    int count = 0;
    for (const auto& range : slots)
        count += range.last - range.first + 1;
    return count;
}

Result<std::vector<ClusterNode>> parse_nodes(std::string_view text)
{
    std::vector<ClusterNode> nodes;
    for (const auto& raw : split(text, '\n')) {
        const auto line = trim(raw);
        if (line.empty())
            continue;
        TRY_ASSIGN(auto node, parse_node(line));
        nodes.push_back(std::move(node));
        if (nodes.size() > k_most_nodes)
            return fail(ErrorKind::unknown,
                        fmt::format("CLUSTER NODES names more than {} nodes", k_most_nodes));
    }
    if (std::ranges::count_if(nodes, &ClusterNode::myself) != 1)
        return fail(ErrorKind::unknown, "CLUSTER NODES does not name the node that was asked");
    return nodes;
}

std::string slots_text(const std::vector<SlotRange>& slots)
{
    std::string out;
    for (const auto& range : slots)
        out += fmt::format("{}{}{}", out.empty() ? "" : ", ", range.first,
                           range.last == range.first ? "" : fmt::format("-{}", range.last));
    return out;
}

const ClusterNode* ClusterView::find(std::string_view wanted) const
{
    const auto found = std::ranges::find(nodes, wanted, &ClusterNode::id);
    return found == nodes.end() ? nullptr : &*found;
}

Result<ClusterView> read_view(RedisSession& server, const std::string& address, Deadline deadline)
{
    ClusterView view{.address = address};
    TRY_ASSIGN(const auto nodes, server.ask({"CLUSTER", "NODES"}, deadline));
    TRY_ASSIGN(view.nodes, parse_nodes(nodes.text));
    view.id = std::ranges::find_if(view.nodes, &ClusterNode::myself)->id;
    TRY_ASSIGN(const auto said, server.ask({"CLUSTER", "INFO"}, deadline));
    const auto cluster = Info::parse(said.text);
    TRY_ASSIGN(view.state, cluster.text("cluster_state"));
    view.current_epoch = static_cast<std::uint64_t>(cluster.maybe("cluster_current_epoch").value_or(0));
    TRY_ASSIGN(const auto info, read_info(server, "replication", deadline));
    TRY_ASSIGN(view.role, info.text("role"));
    view.link = info.text_or("master_link_status", "");
    view.offset = static_cast<std::uint64_t>(
        info.maybe(view.role == "master" ? "master_repl_offset" : "slave_repl_offset").value_or(0));
    view.link_down_s = static_cast<std::int64_t>(info.maybe("master_link_down_since_seconds").value_or(-1));
    TRY_ASSIGN(const auto keys, server.ask({"DBSIZE"}, deadline));
    view.keys = static_cast<std::uint64_t>(std::max<std::int64_t>(0, keys.integer));
    return view;
}

Result<std::vector<ClusterView>> read_views(RedisServers& servers, Deadline deadline)
{
    std::vector<ClusterView> views;
    TRY_ASSIGN(const auto seed, servers.open(deadline));
    TRY_ASSIGN(const auto info, read_info(*seed, "cluster", deadline));
    if (!is_cluster(info))
        return fail(ErrorKind::refused, fmt::format("Redis {} is of no Cluster", seed->name()),
                    "See what it is: conduitctl redis ping");
    TRY_ASSIGN(auto first, read_view(*seed, seed->name(), deadline));
    // The seed may be named by a service; its own line has the address that the others know it by.
    if (const auto* self = first.self(); !self->address.empty() && !self->address.starts_with(':'))
        first.address = self->address;
    std::set<std::string> known{first.address};
    std::deque<std::string> to_ask;
    const auto learn = [&](const ClusterView& view) {
        for (const auto& node : view.nodes)
            if (!node.address.empty() && !node.myself && known.insert(node.address).second)
                to_ask.push_back(node.address);
    };
    learn(first);
    views.push_back(std::move(first));
    while (!to_ask.empty() && views.size() < k_most_nodes) {
        const auto address = std::move(to_ask.front());
        to_ask.pop_front();
        const auto patience = deadline.sooner(Duration{3'000});
        auto server = servers.open_at(address, patience);
        auto view =
            server ? read_view(**server, address, patience) : Result<ClusterView>(std::move(server).error());
        if (!view && view.error().kind == ErrorKind::interrupted)
            return std::move(view).error();
        if (!view) {
            views.push_back({.address = address, .error = view.error().message});
            continue;
        }
        // A node that moved is known by two addresses for a while.
        if (std::ranges::find(views, view->id, &ClusterView::id) != views.end())
            continue;
        learn(*view);
        views.push_back(*std::move(view));
    }
    return views;
}

} // namespace conduit::redis
