// SPDX-License-Identifier: Apache-2.0
#include "cli/commands/releases.hpp"

#include "cli/commands/instances.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::commands {
namespace {

// "registry:5000/team/app:v1@sha256:..." without tag and digest.
std::string repository_of(const std::string& image)
{
    auto name = image.substr(0, image.find('@'));
    const auto colon = name.rfind(':');
    if (colon != std::string::npos && name.find('/', colon) == std::string::npos)
        name.resize(colon);
    return name;
}

bool has_tag(const std::string& image)
{
    return repository_of(image) != image.substr(0, image.find('@'));
}

// Of a page that was meant to be filled in.
bool is_placeholder(const std::string& image)
{
    constexpr std::array<std::string_view, 9> k_marks{
        "your-", "your_", "<", ">", "example.com/", "my-registry", "xxx", "{{", "registry/image"};
    const auto lower = to_lower(image);
    return std::ranges::any_of(k_marks, [&](std::string_view mark) { return lower.contains(mark); }) ||
           image.contains("$");
}

std::vector<std::pair<std::string, std::string>>
image_lines(const RolloutStatus& status, const std::string& container, const std::string& image)
{
    std::vector<std::pair<std::string, std::string>> lines;
    std::vector<std::string> digests;
    for (const auto& running : status.running)
        if (running.container == container && !running.digest.empty() &&
            std::ranges::find(digests, running.digest) == digests.end())
            digests.push_back(running.digest);
    if (!digests.empty())
        lines.emplace_back("runs now", join(digests, ", "));
    if (!is_pinned(image))
        lines.emplace_back("note", has_tag(image) && !image.ends_with(":latest")
                                       ? "a tag may be moved: only a digest names one image for ever"
                                       : "this tag moves: another image may come with every new pod");
    return lines;
}

} // namespace

Result<ops::WorkloadTarget*> workload_target(App& app)
{
    TRY_ASSIGN(const Context* context, app.context());
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(ops::Target * target,
               operations->target(std::string(orchestrator_name(context->orchestrator))));
    auto* found = dynamic_cast<ops::WorkloadTarget*>(target);
    if (found == nullptr)
        return fail(ErrorKind::internal, "the context's orchestrator is no target of workloads");
    return found;
}

Result<Report> change_release(App& app, ops::ReleaseChange change, ops::ChangeOptions options)
{
    TRY_ASSIGN(Operations * operations, app.operations());
    TRY_ASSIGN(ops::Target * target, operations->target("releases"));
    auto* releases = dynamic_cast<ops::ReleaseTarget*>(target);
    if (releases == nullptr)
        return fail(ErrorKind::internal, "the context has no target of releases");
    options.timeout = std::max(options.timeout, k_rollout_timeout);
    return operations->change(ops::release_intent(*releases, std::move(change)), options);
}

void workload_flag(Flags& flags, std::string& workload)
{
    flags.opt("--workload", workload, "Which workload").value("WORKLOAD").complete(workload_completer());
}

std::string setting(const std::string& workload, std::string_view rest)
{
    return fmt::format("workloads/{}/{}", workload, rest);
}

Result<std::string> container_of(App& app, const std::string& workload, const std::string& named)
{
    TRY_ASSIGN(Releases * releases, app.releases());
    TRY_ASSIGN(const auto all, releases->resources(workload, app.deadline(k_read_timeout)));
    std::vector<std::string> names;
    for (const auto& one : all)
        names.push_back(one.container);
    if (named.empty() && names.size() == 1)
        return names.front();
    if (named.empty())
        return fail(
            ErrorKind::usage,
            fmt::format("workload {} has {} containers: {}", workload, names.size(), join(names, ", ")),
            fmt::format("Name one: --container {}", names.empty() ? "NAME" : names.front()));
    if (std::ranges::find(names, named) == names.end())
        return fail(ErrorKind::not_found,
                    fmt::format("{}; workload {} has {}", unknown_name("container", named, names), workload,
                                join(names, ", ")),
                    fmt::format("Name one: --container {}", names.empty() ? "NAME" : names.front()));
    return named;
}

Result<std::optional<Autoscaler>> autoscaler_of(App& app, const std::string& workload)
{
    TRY_ASSIGN(const Context* context, app.context());
    if (context->orchestrator != OrchestratorKind::kubernetes)
        return std::optional<Autoscaler>{};
    TRY_ASSIGN(Releases * releases, app.releases());
    const auto all = releases->autoscalers(app.deadline(k_read_timeout));
    if (!all && all.error().kind == ErrorKind::not_found)
        return std::optional<Autoscaler>{};
    if (!all)
        return all.error();
    const auto found = std::ranges::find(*all, workload, &Autoscaler::workload);
    return found == all->end() ? std::optional<Autoscaler>{} : std::optional(*found);
}

std::string images_text(const std::vector<std::pair<std::string, std::string>>& images)
{
    std::vector<std::string> parts;
    for (const auto& [container, image] : images)
        parts.push_back(images.size() == 1 ? image : fmt::format("{}={}", container, image));
    return printable(join(parts, ","));
}

std::string short_digest(const std::string& digest)
{
    constexpr std::size_t k_shown = std::string_view("sha256:").size() + 12;
    return digest.substr(0, k_shown);
}

Json status_json(const RolloutStatus& status)
{
    Json images = Json::object();
    for (const auto& [container, image] : status.images)
        images[container] = image;
    Json running = Json::array();
    for (const auto& one : status.running)
        running.push_back({{"instance", one.instance},
                           {"container", one.container},
                           {"image", one.image},
                           {"digest", one.digest},
                           {"current", one.current}});
    return {{"name", status.workload},        {"kind", status.kind},       {"state", status.state},
            {"wanted", status.wanted},        {"updated", status.updated}, {"available", status.available},
            {"running", status.total},        {"problem", status.problem}, {"images", std::move(images)},
            {"instances", std::move(running)}};
}

Result<> check_image(const std::string& image)
{
    const auto bad = [](char c) {
        return static_cast<unsigned char>(c) <= ' ' || static_cast<unsigned char>(c) > '~';
    };
    if (image.empty() || image.size() > 1024 || std::ranges::any_of(image, bad))
        return fail(ErrorKind::usage, fmt::format("'{}' is no name of an image", printable(image)),
                    "Write it as registry/name:tag or registry/name@sha256:DIGEST.");
    if (is_placeholder(image))
        return fail(ErrorKind::refused, fmt::format("'{}' is a placeholder, not an image", image),
                    "Name the image that was built: registry/name@sha256:DIGEST");
    const auto repository = repository_of(image);
    const auto name = repository.substr(repository.find('/') + 1);
    if (name.empty() || std::ranges::any_of(name, [](char c) { return c >= 'A' && c <= 'Z'; }))
        return fail(ErrorKind::usage, fmt::format("'{}' is no name of an image", image),
                    "The name of a repository has no capital letters.");
    return {};
}

bool is_pinned(const std::string& image)
{
    return image.contains("@sha256:");
}

Result<std::string> canonical_quantity(std::string_view text)
{
    const auto bad = [&] {
        return fail(ErrorKind::usage, fmt::format("'{}' is no amount", printable(text)),
                    "Write processors as 500m or 2, memory as 512Mi or 4Gi.");
    };
    double value = 0;
    const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
    const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
    constexpr std::array<std::string_view, 4> k_binary{"Ki", "Mi", "Gi", "Ti"};
    constexpr std::array<std::string_view, 6> k_decimal{"m", "", "k", "M", "G", "T"};
    if (ec != std::errc{} || value <= 0 || value > 1e15 || text.contains('e') || text.contains('E'))
        return bad();
    const auto reduced = [&](double amount, double step, auto names, std::size_t at) -> Result<std::string> {
        while (at > 0 && amount != std::floor(amount)) {
            amount *= step;
            --at;
        }
        while (at + 1 < names.size() && amount >= step && std::fmod(amount, step) == 0) {
            amount /= step;
            ++at;
        }
        if (amount != std::floor(amount))
            return bad();
        return fmt::format("{:.0f}{}", amount, names[at]);
    };
    if (const auto it = std::ranges::find(k_binary, unit); it != k_binary.end())
        return reduced(value, 1024, k_binary, static_cast<std::size_t>(it - k_binary.begin()));
    if (const auto it = std::ranges::find(k_decimal, unit); it != k_decimal.end())
        return reduced(value, 1000, k_decimal, static_cast<std::size_t>(it - k_decimal.begin()));
    return bad();
}

std::vector<ErrorKind> also_refused(std::vector<ErrorKind> more)
{
    more.push_back(ErrorKind::refused);
    return more;
}

Result<Report> start_release(App& app, const std::string& verb, const std::string& workload,
                             const std::string& named, const std::string& image, bool rollback,
                             const ops::ChangeOptions& options)
{
    TRY(check_image(image));
    TRY_ASSIGN(Releases * releases, app.releases());
    TRY_ASSIGN(const std::string container, container_of(app, workload, named));
    TRY_ASSIGN(const auto status, releases->status(workload, app.deadline(k_read_timeout)));
    const auto path = setting(workload, "paused");
    TRY_ASSIGN(const auto paused, releases->read({&path, 1}, app.deadline(k_read_timeout)));
    if (*paused.at(path) == true)
        return fail(
            ErrorKind::refused, fmt::format("{} is paused: nothing would roll out", workload),
            fmt::format("Let it go on first: conduitctl rollout resume --workload {} --yes", workload));
    ops::ReleaseChange change{.verb = verb,
                              .workload = workload,
                              .summary = fmt::format("{} {} in {}", verb, image, workload),
                              .fields = {{setting(workload, "image/" + container), JsonBox(Json(image))}},
                              .lines = image_lines(status, container, image),
                              .rollback = rollback};
    TRY_ASSIGN(auto report, change_release(app, std::move(change), options));
    if (const auto after = releases->status(workload, app.deadline(k_read_timeout));
        after && report.verdict == ErrorKind::ok && !options.dry_run && options.plan_out.empty()) {
        (*report.data)["rollout"] = status_json(*after);
        for (const auto& running : after->running)
            if (running.container == container && running.current && !running.digest.empty())
                report.notes.push_back(
                    fmt::format("{} runs {}", running.instance, short_digest(running.digest)));
    }
    return report;
}

} // namespace conduit::commands
