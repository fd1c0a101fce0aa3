// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/fake_cluster.hpp"

#include "core/text.hpp"
#include "core/url.hpp"

#include <array>
#include <charconv>
#include <ctime>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::test {
namespace {

kube::Answer answer(int status, const Json& body)
{
    return {status, {{"content-type", "application/json"}}, dump_json(body)};
}

kube::Answer status(int code, const std::string& reason, const std::string& message)
{
    return answer(code, {{"kind", "Status"},
                         {"apiVersion", "v1"},
                         {"status", "Failure"},
                         {"reason", reason},
                         {"message", message},
                         {"code", code}});
}

std::string name_in(const std::string& path)
{
    return path.substr(path.rfind('/') + 1);
}

// Is it a collection? In /api/v1/namespaces/x/pods the names are at even places after the version.
bool is_collection(const std::string& path)
{
    const auto parts = split(path.substr(1), '/');
    const std::size_t root = parts.at(0) == "api" ? 2 : 3;
    return (parts.size() - root) % 2 == 1;
}

std::string http_date(WallTime time)
{
    const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    std::array<char, 64> text{};
    std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts);
    return text.data();
}

std::string name_selected(const std::multimap<std::string, std::string>& query)
{
    constexpr std::string_view k_by_name = "metadata.name=";
    const auto selector = query.find("fieldSelector");
    const bool by_name = selector != query.end() && selector->second.starts_with(k_by_name);
    return by_name ? selector->second.substr(k_by_name.size()) : std::string();
}

std::string version_of(const Json& object)
{
    const auto* meta = json_find(object, "metadata");
    return meta == nullptr ? "" : json_string_or(*meta, "resourceVersion", "");
}

} // namespace

class FakeClusterTransport final : public kube::Transport {
  public:
    explicit FakeClusterTransport(FakeCluster& cluster) : cluster_(cluster) {}
    std::string server() const override { return "https://fake.test"; }
    Result<kube::Answer> send(const kube::Call& call, Deadline) override
    {
        if (auto own = first(call))
            return *std::move(own);
        auto done = cluster_.handle(call);
        done.headers.emplace_back("date", http_date(system_clock().now() + cluster_.clock_ahead));
        if (call.on_sent)
            call.on_sent();
        return done;
    }
    Result<kube::Answer> stream(const kube::Call& call, const kube::OnPiece& piece, Deadline) override
    {
        if (auto own = first(call))
            return *std::move(own);
        const auto mark = call.path.find('?');
        const auto query = parse_query(mark == std::string::npos ? "" : call.path.substr(mark + 1));
        const auto since = query.find("resourceVersion");
        std::uint64_t version = 0;
        if (since != query.end())
            std::from_chars(since->second.data(), since->second.data() + since->second.size(), version);
        return cluster_.watch(call.path.substr(0, mark), version, piece);
    }

  private:
    std::optional<Result<kube::Answer>> first(const kube::Call& call)
    {
        {
            const std::lock_guard lock(cluster_.mutex_);
            cluster_.calls.push_back(call.method + " " + call.path);
        }
        return cluster_.before ? cluster_.before(call) : std::nullopt;
    }
    FakeCluster& cluster_;
};

std::unique_ptr<kube::Transport> FakeCluster::transport()
{
    return std::make_unique<FakeClusterTransport>(*this);
}

kube::Answer FakeCluster::handle(const kube::Call& call)
{
    const std::lock_guard lock(mutex_);
    if (special)
        if (auto own = special(call))
            return *std::move(own);
    if (auto list = discovery(call.path))
        return *std::move(list);
    auto done = object_call(call);
    if (call.method != "GET" && done.status < 300 && controllers)
        controllers();
    return done;
}

std::optional<kube::Answer> FakeCluster::discovery(const std::string& path) const
{
    if (path == "/api")
        return answer(200, {{"kind", "APIVersions"}, {"versions", {"v1"}}});
    Json groups = Json::array();
    for (const auto& [version, names] : served) {
        if (version != "v1")
            groups.push_back({{"versions", {{{"groupVersion", version}}}}});
        if (path != (version == "v1" ? "/api/v1" : "/apis/" + version))
            continue;
        Json resources = Json::array();
        for (const auto& [name, kind] : names) {
            const auto slash = kind.find('/');
            resources.push_back({{"name", name}, {"namespaced", true}});
            if (slash != std::string::npos)
                resources.back().update(
                    {{"group", kind.substr(0, slash)}, {"version", kind.substr(slash + 1)}});
        }
        return answer(200, {{"kind", "APIResourceList"}, {"resources", std::move(resources)}});
    }
    if (path == "/apis")
        return answer(200, {{"kind", "APIGroupList"}, {"groups", std::move(groups)}});
    return std::nullopt;
}

kube::Answer FakeCluster::object_call(const kube::Call& call)
{
    const auto mark = call.path.find('?');
    const auto path = call.path.substr(0, mark);
    const auto query = parse_query(mark == std::string::npos ? "" : call.path.substr(mark + 1));
    const bool dry_run = query.contains("dryRun");
    if (call.method == "GET")
        return is_collection(path) ? list(path, name_selected(query)) : get(path);
    if (call.method == "DELETE")
        return erase(path);
    if (call.method == "PATCH")
        return patch(path, call, dry_run);
    auto body = parse_json(call.body);
    if (!body)
        return status(400, "BadRequest", body.error().message);
    const auto manager = query.find("fieldManager");
    return call.method == "POST"
               ? create(path, *std::move(body), dry_run, manager == query.end() ? "" : manager->second)
               : replace(path, *std::move(body), dry_run);
}

kube::Answer FakeCluster::get(const std::string& path) const
{
    const auto found = objects_.find(path);
    if (found == objects_.end())
        return status(
            404, "NotFound",
            fmt::format("{} \"{}\" not found", name_in(path.substr(0, path.rfind('/'))), name_in(path)));
    return answer(200, *found->second);
}

kube::Answer FakeCluster::list(const std::string& path, const std::string& only) const
{
    Json items = Json::array();
    for (const auto& [where, object] : objects_)
        if (where.starts_with(path + "/") && where.find('/', path.size() + 1) == std::string::npos &&
            (only.empty() || name_in(where) == only))
            items.push_back(*object);
    return answer(200, {{"kind", "List"},
                        {"metadata", {{"resourceVersion", std::to_string(version_)}}},
                        {"items", std::move(items)}});
}

void FakeCluster::record(const std::string& type, const std::string& path, const Json& object)
{
    changes_.push_back({version_, type, path, object});
}

kube::Answer FakeCluster::store(const std::string& path, Json object, const std::string& type, int code,
                                bool dry_run)
{
    auto& meta = object["metadata"];
    if (dry_run)
        return answer(code, object);
    meta["resourceVersion"] = std::to_string(++version_);
    now_ += 1s;
    if (!meta.contains("creationTimestamp"))
        meta["creationTimestamp"] = format_time(now_);
    objects_[path] = object;
    record(type, path, object);
    return answer(code, object);
}

// Who wrote which keys of its data, as the server keeps it.
void FakeCluster::manage(Json& object, const Json& was_before, const std::string& manager, bool apply)
{
    if (manager.empty() || !object.contains("data"))
        return;
    Json entry{{"manager", manager},
               {"operation", apply ? "Apply" : "Update"},
               {"time", format_time(now_ + 1s)},
               {"fieldsV1", {{"f:data", Json::object()}}}};
    Json kept = Json::array();
    for (auto& other : object["metadata"]["managedFields"]) {
        if (other["manager"] == entry["manager"] && other["operation"] == entry["operation"])
            entry["fieldsV1"] = other["fieldsV1"];
        else
            kept.push_back(other);
    }
    for (const auto& [key, value] : object["data"].items()) {
        if (const auto* was = json_find(was_before, "data");
            was != nullptr && was->contains(key) && (*was)[key] == value)
            continue;
        entry["fieldsV1"]["f:data"]["f:" + key] = Json::object();
        for (auto& other : kept)
            other["fieldsV1"]["f:data"].erase("f:" + key);
    }
    kept.push_back(std::move(entry));
    object["metadata"]["managedFields"] = std::move(kept);
}

kube::Answer FakeCluster::create(const std::string& path, Json object, bool dry_run,
                                 const std::string& manager)
{
    const auto name = json_string_or(object["metadata"], "name", "");
    const auto where = path + "/" + name;
    if (name.empty())
        return status(422, "Invalid", "metadata.name: Required value");
    if (objects_.contains(where))
        return status(409, "AlreadyExists", fmt::format("{} \"{}\" already exists", name_in(path), name));
    object["metadata"]["uid"] = fmt::format("uid-{}", version_);
    manage(object, Json::object(), manager, false);
    return store(where, std::move(object), "ADDED", 201, dry_run);
}

kube::Answer FakeCluster::replace(const std::string& path, Json object, bool dry_run)
{
    const auto found = objects_.find(path);
    if (found == objects_.end())
        return get(path);
    if (const auto expected = version_of(object); !expected.empty() && expected != version_of(*found->second))
        return status(409, "Conflict",
                      "the object has been modified; please apply your changes to the latest version");
    object["metadata"]["uid"] = (*found->second)["metadata"]["uid"];
    return store(path, std::move(object), "MODIFIED", 200, dry_run);
}

kube::Answer FakeCluster::patch(const std::string& path, const kube::Call& call, bool dry_run)
{
    const auto body = parse_json(call.body);
    if (!body)
        return status(400, "BadRequest", body.error().message);
    const auto found = objects_.find(path);
    const bool apply = call.content_type.contains("apply-patch");
    const auto query = parse_query(call.path.contains('?') ? call.path.substr(call.path.find('?') + 1) : "");
    const auto named = query.find("fieldManager");
    const auto manager = named == query.end() ? std::string() : named->second;
    if (found == objects_.end())
        return apply ? create(path.substr(0, path.rfind('/')), *body, dry_run, manager) : get(path);
    if (const auto expected = version_of(*body); !expected.empty() && expected != version_of(*found->second))
        return status(409, "Conflict",
                      "the object has been modified; please apply your changes to the latest version");
    Json next = *found->second;
    next.merge_patch(*body);
    manage(next, *found->second, manager, apply);
    return store(path, std::move(next), "MODIFIED", 200, dry_run);
}

kube::Answer FakeCluster::erase(const std::string& path)
{
    const auto found = objects_.find(path);
    if (found == objects_.end())
        return get(path);
    ++version_;
    record("DELETED", path, *found->second);
    objects_.erase(found);
    return answer(200, {{"kind", "Status"}, {"status", "Success"}});
}

// What has happened since, then the end of the stream: a watcher comes again.
kube::Answer FakeCluster::watch(const std::string& path, std::uint64_t since,
                                const kube::OnPiece& piece) const
{
    std::vector<std::string> lines;
    {
        const std::lock_guard lock(mutex_);
        for (const auto& change : changes_)
            if (change.version > since && change.path.starts_with(path + "/"))
                lines.push_back(dump_json(Json{{"type", change.type}, {"object", *change.object}}) + "\n");
    }
    for (const auto& line : lines)
        if (!piece(line))
            break;
    return {200, {}, {}};
}

void FakeCluster::put(const std::string& path, Json object)
{
    const std::lock_guard lock(mutex_);
    const bool known = objects_.contains(path);
    object["metadata"]["name"] = name_in(path);
    if (!known)
        object["metadata"]["uid"] = fmt::format("uid-{}", version_);
    store(path, std::move(object), known ? "MODIFIED" : "ADDED", 200, false);
}

Json FakeCluster::at(const std::string& path) const
{
    const std::lock_guard lock(mutex_);
    const auto found = objects_.find(path);
    return found == objects_.end() ? Json() : *found->second;
}

void FakeCluster::remove(const std::string& path)
{
    const std::lock_guard lock(mutex_);
    erase(path);
}

std::size_t FakeCluster::objects() const
{
    const std::lock_guard lock(mutex_);
    return objects_.size();
}

} // namespace conduit::test
