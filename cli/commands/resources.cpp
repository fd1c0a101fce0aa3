// SPDX-License-Identifier: Apache-2.0
// `resources`: what containers ask for and may use at most.
#include "cli/commands/all.hpp"
#include "cli/commands/releases.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

struct ShowOptions {
    std::string workload = "agent";
};

struct SetOptions {
    std::string workload = "agent";
    std::string container;
    std::string limit_memory, limit_cpu, request_memory, request_cpu;
    ops::ChangeOptions change;
};

Result<Report> show(App& app, const ShowOptions& o)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    TRY_ASSIGN(const auto all, releases->resources(o.workload, app.deadline(k_read_timeout)));
    Json items = Json::array();
    for (const auto& one : all) {
        Json item{{"name", one.container}, {"workload", o.workload}};
        for (const auto& [group, values] : {std::pair{"request", &one.requests}, {"limit", &one.limits}})
            for (const auto* what : {"cpu", "memory"}) {
                const auto found = values->find(what);
                item[fmt::format("{}_{}", group, what)] =
                    found == values->end() ? Json() : Json(found->second);
            }
        items.push_back(std::move(item));
    }
    return list_report(std::move(items), {{.head = "CONTAINER", .field = "name"},
                                          {.head = "CPU-REQUEST", .field = "request_cpu"},
                                          {.head = "CPU-LIMIT", .field = "limit_cpu"},
                                          {.head = "MEMORY-REQUEST", .field = "request_memory"},
                                          {.head = "MEMORY-LIMIT", .field = "limit_memory"}});
}

void set_value(ContainerResources& container, const std::string& key, const Json& value)
{
    auto& group = key.starts_with("limits.") ? container.limits : container.requests;
    const auto what = key.substr(key.find('.') + 1);
    if (value.is_null())
        group.erase(what);
    else
        group[what] = value.get<std::string>();
}

// For comparing amounts of one kind: bytes, or thousandths of a processor.
double amount(const std::string& text)
{
    const bool milli = text.ends_with('m');
    const auto bytes = parse_bytes(milli ? text.substr(0, text.size() - 1) : text);
    return bytes ? static_cast<double>(*bytes) * (milli ? 1 : 1000) : 0;
}

Result<> check_order(const ContainerResources& container)
{
    for (const auto& [what, request] : container.requests)
        if (const auto limit = container.limits.find(what);
            limit != container.limits.end() && amount(request) > amount(limit->second))
            return fail(ErrorKind::usage,
                        fmt::format("{} would ask for {} of {} and may use {} at most", container.container,
                                    request, what, limit->second),
                        fmt::format("Give both: --request-{} AMOUNT --limit-{} AMOUNT", what, what));
    return {};
}

using Lines = std::vector<std::pair<std::string, std::string>>;

// A limit without a request is a request too, of every replica.
void add_lines(const ContainerResources& container, int replicas, Lines& lines)
{
    for (const auto* what : {"cpu", "memory"}) {
        const auto limit = container.limits.find(what);
        const auto request = container.requests.find(what);
        const auto shown = [](auto it, const auto& map) {
            return it == map.end() ? std::string("-") : it->second;
        };
        lines.emplace_back(what, fmt::format("request {}, limit {}", shown(request, container.requests),
                                             shown(limit, container.limits)));
        if (limit != container.limits.end() && request == container.requests.end())
            lines.emplace_back("note",
                               fmt::format("without a request the limit is one: {} replicas reserve {} "
                                           "of {} each",
                                           replicas, limit->second, what));
    }
}

Result<ops::ReleaseChange> plan_set(const SetOptions& o, ContainerResources& container)
{
    ops::ReleaseChange change{
        .verb = "resources set",
        .workload = o.workload,
        .summary = fmt::format("set the resources of {} in {}", container.container, o.workload)};
    const std::array<std::pair<const char*, const std::string*>, 4> flags{
        {{"limits.memory", &o.limit_memory},
         {"limits.cpu", &o.limit_cpu},
         {"requests.memory", &o.request_memory},
         {"requests.cpu", &o.request_cpu}}};
    for (const auto& [key, text] : flags) {
        if (text->empty())
            continue;
        Json value;
        if (*text != "none") {
            TRY_ASSIGN(const std::string canonical, canonical_quantity(*text));
            value = canonical;
        }
        set_value(container, key, value);
        change.fields.emplace_back(
            setting(o.workload, fmt::format("resources/{}/{}", container.container, key)), JsonBox(value));
    }
    if (change.fields.empty())
        return fail(ErrorKind::usage, "nothing to set",
                    "Give --limit-memory, --limit-cpu, --request-memory or --request-cpu.");
    TRY(check_order(container));
    return change;
}

Result<Report> set(App& app, const SetOptions& o)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    TRY_ASSIGN(const std::string name, container_of(app, o.workload, o.container));
    const auto deadline = app.deadline(k_read_timeout);
    TRY_ASSIGN(auto all, releases->resources(o.workload, deadline));
    auto& container = *std::ranges::find(all, name, &ContainerResources::container);
    TRY_ASSIGN(auto change, plan_set(o, container));
    TRY_ASSIGN(const auto status, releases->status(o.workload, deadline));
    add_lines(container, status.wanted, change.lines);
    TRY_ASSIGN(const auto room, releases->fits(o.workload, all, deadline));
    if (room.verdict == ReleaseCheck::Verdict::failed && !o.change.force)
        return fail(ErrorKind::refused, fmt::format("{} could not be placed: {}", o.workload, room.detail),
                    room.hint);
    change.lines.emplace_back("nodes", room.detail);
    return change_release(app, std::move(change), o.change);
}

} // namespace

Noun resources()
{
    return {
        .name = "resources",
        .summary = "Processor and memory of the containers",
        .group = Group::capacity,
        .verbs = {
            verb<ShowOptions>(
                {.name = "show",
                 .summary = "Show requests and limits of each container",
                 .examples = {"conduitctl resources show --workload conduit-api"},
                 .also = also_refused(),
                 .backends = {"kubernetes"}},
                [](Flags& f, ShowOptions& o) { workload_flag(f, o.workload); }, show),
            verb<SetOptions>(
                {.name = "set",
                 .summary = "Set requests and limits of one container",
                 .effect = Effect::change,
                 .tier = Tier::moderate,
                 .undo = Undo::exact,
                 .text = "Of the one container that is named, never of sidecars too. Refused when no node "
                         "could take it. Every instance is replaced; done when all have it and are "
                         "available. With --for it ends by itself. An amount of none removes it.",
                 .examples =
                     {"conduitctl resources set --limit-memory 4Gi --request-memory 2Gi --for 2h --yes",
                      "conduitctl resources set --workload conduit-api --container api --limit-cpu 500m "
                      "--yes"},
                 .covers = {"A-ts-lat-11", "A-ts-mem-8", "C-scale-5", "C-scale-6", "E-mem-relief-2"},
                 .backends = {"kubernetes"}},
                [](Flags& f, SetOptions& o) {
                    workload_flag(f, o.workload);
                    f.opt("--container", o.container, "Which container, where there are several")
                        .value("NAME");
                    f.opt("--limit-memory", o.limit_memory, "At most so much memory").value("AMOUNT");
                    f.opt("--limit-cpu", o.limit_cpu, "At most so much of processors").value("AMOUNT");
                    f.opt("--request-memory", o.request_memory, "So much memory is reserved").value("AMOUNT");
                    f.opt("--request-cpu", o.request_cpu, "So much of processors is reserved")
                        .value("AMOUNT");
                    change_flags(f, o.change);
                },
                set),
        }};
}

} // namespace conduit::commands
