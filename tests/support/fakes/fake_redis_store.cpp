// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/fake_redis_store.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <fnmatch.h>
#include <iterator>
#include <utility>

namespace conduit::test {
namespace {

using redis::Reply;
using Words = FakeRedisStore::Words;

Reply text(std::string value)
{
    return {.type = Reply::Type::text, .text = std::move(value)};
}
Reply number(std::int64_t value)
{
    return {.type = Reply::Type::integer, .integer = value};
}
Reply error(std::string value)
{
    return {.type = Reply::Type::error, .text = std::move(value)};
}
Reply list(std::vector<Reply> items)
{
    return {.type = Reply::Type::array, .items = std::move(items)};
}
Reply texts(const Words& words)
{
    std::vector<Reply> items;
    for (const auto& word : words)
        items.push_back(text(word));
    return list(std::move(items));
}

bool matches(const std::string& pattern, const std::string& value)
{
    return ::fnmatch(pattern.c_str(), value.c_str(), 0) == 0;
}

// The words of commands that we wrote ourselves.
std::vector<Words> commands_of(std::string_view bytes)
{
    std::vector<Words> out;
    std::size_t at = 0;
    const auto line = [&] {
        const auto end = bytes.find("\r\n", at);
        const auto found = std::string(bytes.substr(at + 1, end - at - 1));
        at = end + 2;
        return static_cast<std::size_t>(std::stoul(found));
    };
    while (at < bytes.size()) {
        Words words(line());
        for (auto& word : words) {
            const auto size = line();
            word = bytes.substr(at, size);
            at += size + 2;
        }
        out.push_back(std::move(words));
    }
    return out;
}

class Session final : public RedisSession {
  public:
    Session(FakeRedisStore& store, std::string address) : store_(store), address_(std::move(address)) {}
    const std::string& name() const override { return address_; }
    Result<std::vector<Reply>> pipeline(std::string_view commands, std::size_t count, Deadline) override
    {
        for (const auto& words : commands_of(commands)) {
            TRY_ASSIGN(auto reply, store_.answer(address_, words));
            replies_.push_back(std::move(reply));
        }
        if (replies_.size() < count)
            return fail(ErrorKind::internal, "more replies are waited for than commands were sent");
        const auto end = replies_.begin() + static_cast<std::ptrdiff_t>(count);
        std::vector<Reply> out(std::make_move_iterator(replies_.begin()), std::make_move_iterator(end));
        replies_.erase(replies_.begin(), end);
        return out;
    }

  private:
    FakeRedisStore& store_;
    const std::string address_;
    std::vector<Reply> replies_; // not yet waited for
};

class Servers final : public RedisServers {
  public:
    explicit Servers(FakeRedisStore& store) : store_(store) {}
    std::string identity() const override { return "fake-redis"; }
    unsigned database() const override { return 0; }
    std::vector<std::string> sentinels() const override { return store_.sentinels; }
    std::string master() const override { return "mymaster"; }
    Result<std::unique_ptr<RedisSession>> open(Deadline deadline) override
    {
        return open_at(store_.sentinels.empty() ? store_.nodes.begin()->first : store_.sentinel_master,
                       deadline);
    }
    Result<std::unique_ptr<RedisSession>> open_at(const std::string& address, Deadline) override
    {
        TRY(store_.answer(address, {"PING"}));
        return std::make_unique<Session>(store_, address);
    }
    Result<std::unique_ptr<RedisSession>> open_sentinel(const std::string& address,
                                                        Deadline deadline) override
    {
        return open_at(address, deadline);
    }

  private:
    FakeRedisStore& store_;
};

} // namespace

void FakeRedisStore::make_cluster()
{
    cluster = true;
    const char* slots[] = {"0-5460", "5461-10922", "10923-16383", ""};
    for (int i = 0; i < 4; ++i) {
        auto& node = nodes[fmt::format("10.0.0.{}:6379", i + 1)];
        node.id = std::string(40, static_cast<char>('a' + i));
        node.slots = slots[i];
    }
    nodes["10.0.0.4:6379"].master = std::string(40, 'a');
}

std::unique_ptr<RedisServers> FakeRedisStore::servers()
{
    return std::make_unique<Servers>(*this);
}

Result<Reply> FakeRedisStore::answer(const std::string& address, const Words& words)
{
    if (cancel != nullptr && cancel->requested())
        return fail(ErrorKind::interrupted, "interrupted");
    if (before)
        before(address, words);
    const auto first = to_upper(words.at(0));
    const auto name = words.size() > 1 && (first == "CLUSTER" || first == "CONFIG" || first == "SENTINEL")
                          ? first + " " + to_upper(words[1])
                          : first;
    for (const auto& key : {std::string("*"), name})
        if (const auto fault = faults.find(key); fault != faults.end())
            return fault->second;
    commands.push_back(name);
    if (first == "PING")
        return text("PONG");
    if (first == "SENTINEL")
        return sentinel_command(words);
    const auto found = nodes.find(address);
    if (found == nodes.end())
        return fail(ErrorKind::unreachable, fmt::format("cannot reach Redis at {}: refused", address));
    auto& node = found->second;
    if (first == "CLUSTER")
        return cluster_command(node, words);
    if (first == "INFO" || first == "CONFIG" || first == "LASTSAVE" || first == "BGSAVE" || first == "TIME" ||
        first == "CLIENT" || first == "SLOWLOG" || first == "SELECT")
        return administration(node, words);
    return keyspace(node, words);
}

Reply FakeRedisStore::info(const FakeRedisNode& node) const
{
    std::string out = fmt::format(
        "# Server\r\nredis_version:7.0.15\r\nredis_mode:{}\r\nuptime_in_seconds:100\r\n# "
        "Memory\r\nused_memory:1000\r\n"
        "maxmemory:{}\r\nmaxmemory_policy:{}\r\n# Persistence\r\nloading:0\r\nrdb_bgsave_in_progress:0\r\n"
        "rdb_last_bgsave_status:ok\r\naof_enabled:0\r\n# Stats\r\nkeyspace_hits:3\r\nkeyspace_misses:1\r\n"
        "evicted_keys:0\r\n# Replication\r\nrole:{}\r\n",
        cluster ? "cluster" : "standalone", node.config.at("maxmemory"), node.config.at("maxmemory-policy"),
        node.master.empty() ? "master" : "slave");
    if (!node.master.empty())
        out += fmt::format("master_host:10.0.0.1\r\nmaster_port:6379\r\nmaster_link_status:{}\r\n"
                           "slave_repl_offset:10\r\n",
                           node.link);
    else
        out += "master_repl_offset:10\r\n";
    return text(out);
}

Reply FakeRedisStore::scan(const FakeRedisNode& node, const Words& words)
{
    std::string pattern = "*";
    std::size_t count = 10;
    for (std::size_t i = 2; i + 1 < words.size(); i += 2)
        (words[i] == "MATCH") ? void(pattern = words[i + 1]) : void(count = std::stoul(words[i + 1]));
    // A cursor stands for the key that was last, so that what goes meanwhile moves nothing.
    const auto from = std::stoul(words.at(1));
    auto at = from == 0 ? node.keys.begin() : node.keys.upper_bound(cursors_.at(from - 1));
    std::vector<Reply> keys;
    for (; at != node.keys.end() && count > 0; ++at, --count)
        if (matches(pattern, at->first))
            keys.push_back(text(at->first));
    if (at == node.keys.end())
        return list({text("0"), list(std::move(keys))});
    cursors_.push_back(std::prev(at)->first);
    return list({text(std::to_string(cursors_.size())), list(std::move(keys))});
}

Reply FakeRedisStore::keyspace(FakeRedisNode& node, const Words& words)
{
    const auto name = to_upper(words[0]);
    if (name == "DBSIZE")
        return number(static_cast<std::int64_t>(node.keys.size()));
    if (name == "SCAN")
        return scan(node, words);
    if (name == "TYPE")
        return text(node.keys.contains(words.at(1)) ? "string" : "none");
    if (name == "MEMORY")
        return number(64);
    if (!node.master.empty())
        return error("READONLY You can't write against a read only replica.");
    if (name == "SET") {
        node.keys[words.at(1)] = words.at(2);
        return text("OK");
    }
    if (name == "UNLINK") {
        std::int64_t gone = 0;
        for (std::size_t i = 1; i < words.size(); ++i)
            gone += static_cast<std::int64_t>(node.keys.erase(words[i]));
        return number(gone);
    }
    if (name == "FLUSHDB") {
        node.keys.clear();
        return text("OK");
    }
    return error(fmt::format("ERR unknown command '{}'", words[0]));
}

Reply FakeRedisStore::administration(FakeRedisNode& node, const Words& words)
{
    const auto name = to_upper(words[0]);
    if (name == "INFO")
        return info(node);
    if (name == "LASTSAVE")
        return number(node.saved);
    if (name == "TIME")
        return texts({std::to_string(node.saved + 5), "0"});
    if (name == "BGSAVE") {
        node.saved += 5;
        return text("Background saving started");
    }
    if (name == "CLIENT")
        return text(
            "id=3 addr=10.9.9.9:5 name=x age=8 idle=1 db=0 cmd=client|list user=default tot-mem=100\n");
    if (name == "SLOWLOG")
        return list({});
    if (name == "SELECT")
        return text("OK");
    if (to_upper(words.at(1)) == "SET") {
        if (!node.config.contains(words.at(2)))
            return error("ERR Unknown option or number of arguments for CONFIG SET");
        node.config[words[2]] = words.at(3);
        return text("OK");
    }
    Words out;
    for (const auto& [key, value] : node.config)
        if (matches(words.at(2), key))
            out.insert(out.end(), {key, value});
    return texts(out);
}

std::string FakeRedisStore::node_lines(const FakeRedisNode& self) const
{
    std::string out;
    for (const auto& [address, node] : nodes)
        if (node.known || &node == &self)
            out += fmt::format("{} {}@16379 {}{} {} 0 0 {} connected{}\n", node.id, address,
                               &node == &self ? "myself," : "", node.master.empty() ? "master" : "slave",
                               node.master.empty() ? "-" : node.master, node.id[0] - 'a' + 1,
                               node.slots.empty() ? "" : " " + node.slots);
    return out;
}

Reply FakeRedisStore::cluster_command(FakeRedisNode& node, const Words& words)
{
    const auto name = to_upper(words.at(1));
    if (!cluster)
        return error("ERR This instance has cluster support disabled");
    if (name == "NODES")
        return text(node_lines(node));
    if (name == "INFO")
        return text("cluster_state:ok\r\ncluster_current_epoch:4\r\n");
    if (name == "FAILOVER") {
        if (node.master.empty())
            return error("ERR You should send CLUSTER FAILOVER to a replica");
        for (auto& [address, other] : nodes)
            if (other.id == node.master) {
                node.slots = std::exchange(other.slots, "");
                other.master = node.id;
            }
        node.master.clear();
        return text("OK");
    }
    if (name == "RESET")
        node.master.clear();
    for (auto& [address, other] : nodes)
        if (name == "FORGET" && other.id == words.at(2))
            other.known = false;
    if (name == "MEET")
        node.known = true;
    if (name == "REPLICATE")
        node.master = words.at(2);
    return text("OK");
}

Reply FakeRedisStore::sentinel_command(const Words& words)
{
    const auto name = to_upper(words.at(1));
    const auto at = [](const std::string& address) {
        const auto colon = address.find(':');
        return Words{"ip", address.substr(0, colon), "port", address.substr(colon + 1)};
    };
    if (name == "MASTER") {
        auto out = at(sentinel_master);
        out.insert(out.end(), {"flags", "master", "quorum", "1", "num-other-sentinels", "0"});
        return texts(out);
    }
    if (name == "CKQUORUM")
        return text("OK 1 usable Sentinels.");
    if (name == "REPLICAS") {
        if (sentinel_replica.empty())
            return list({});
        auto out = at(sentinel_replica);
        out.insert(out.end(), {"flags", "slave", "master-link-status", "ok", "slave-repl-offset", "10",
                               "slave-priority", "100"});
        return list({texts(out)});
    }
    if (name == "FAILOVER") {
        std::swap(nodes[sentinel_master].master, nodes[sentinel_replica].master);
        std::swap(sentinel_master, sentinel_replica);
        return text("OK");
    }
    return error("ERR unknown sentinel subcommand");
}

} // namespace conduit::test
