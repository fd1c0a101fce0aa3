// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/volumes.hpp"

#include "core/text.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

Result<std::string> volume_of(const std::string& path)
{
    const auto parts = split(path, '/');
    if (parts.size() == 3 && parts[0] == "volumes" && parts[2] == "size")
        return parts[1];
    return fail(ErrorKind::internal, fmt::format("volumes have no field '{}'", path));
}

Result<ResizeRequest> request_of(const Step& step)
{
    if (step.fields.size() != 1)
        return fail(ErrorKind::internal, "a step on volumes writes one field");
    const auto& field = step.fields.front();
    if (!field.before->is_string() || !field.after->is_string())
        return fail(ErrorKind::internal, fmt::format("{} is a text", field.path));
    ResizeRequest out;
    TRY_ASSIGN(out.name, volume_of(field.path));
    out.before = field.before->get<std::string>();
    out.after = field.after->get<std::string>();
    return out;
}

Applied applied(const std::string& size)
{
    return {.observed = fmt::format("{} requested", size), .data = Json{{"size", size}}};
}

} // namespace

Result<FieldMap> VolumeTarget::observe(std::span<const std::string> paths, Deadline deadline)
{
    FieldMap out;
    for (const auto& path : paths) {
        TRY_ASSIGN(const auto name, volume_of(path));
        TRY_ASSIGN(const auto volume, volumes_.get(name, deadline));
        out[path].value = Json(volume.requested);
    }
    return out;
}

Result<Applied> VolumeTarget::apply(const WriteContext& context, const Step& step)
{
    TRY_ASSIGN(auto request, request_of(step));
    request.key = context.key.text();
    request.on_sent = context.sent;
    TRY(volumes_.resize(request, context.deadline));
    return applied(request.after);
}

Result<std::optional<Applied>> VolumeTarget::find(const StepKey& key, const Step& step, Deadline deadline)
{
    TRY_ASSIGN(const auto request, request_of(step));
    TRY_ASSIGN(const bool resized, volumes_.was_resized(request.name, key.text(), deadline));
    return resized ? std::optional(applied(request.after)) : std::nullopt;
}

Result<> VolumeTarget::verify(const Step& step, const Applied&, Deadline deadline, Progress& progress)
{
    TRY_ASSIGN(const auto request, request_of(step));
    return volumes_.wait_resized(
        request.name, request.after, [&](std::string_view line) { progress.waiting("volume", line); },
        deadline);
}

Result<std::optional<std::string>> VolumeTarget::dry_run(const Step& step, Deadline deadline)
{
    TRY_ASSIGN(auto request, request_of(step));
    request.key = "dry-run";
    request.dry_run = true;
    TRY(volumes_.resize(request, deadline));
    return std::optional<std::string>(
        fmt::format("the API server would accept it: {} of {}", request.after, request.name));
}

Intent expand_intent(VolumeTarget& target, const std::string& volume, const std::string& size)
{
    Step step;
    step.resource = "volume/" + volume;
    step.fields.push_back({.path = fmt::format("volumes/{}/size", volume), .after = Json(size)});
    step.verify = "the volume and its file system have so much";
    step.undo = "a volume cannot shrink";
    step.reversible = false;
    Intent intent;
    intent.target = &target;
    intent.verb = "volume expand";
    intent.scope = "volume/" + volume;
    intent.summary = fmt::format("grow volume {} to {}", volume, size);
    intent.confirm_name = volume;
    intent.tier = Tier::moderate;
    intent.undo = UndoKind::none;
    intent.rollback = false;
    intent.steps.push_back(std::move(step));
    intent.watch = fmt::format("conduitctl volume inspect {}", volume);
    return intent;
}

} // namespace conduit::ops
