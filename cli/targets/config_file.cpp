// SPDX-License-Identifier: Apache-2.0
#include "cli/targets/config_file.hpp"

#include "core/hash.hpp"
#include "core/text.hpp"
#include "core/yaml.hpp"
#include "core/yaml_edit.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit {
namespace {

constexpr Duration k_poll{50};
constexpr int k_tries = 5;

std::vector<std::string> place_of(const std::string& path)
{
    return split(std::string_view(path).substr(k_file_field.size()), '/');
}

bool is_file_field(const std::string& path)
{
    return path.starts_with(k_file_field);
}

bool is_file_step(const ops::Step& step)
{
    return !step.fields.empty() && is_file_field(step.fields.front().path);
}

Json value_at(const Json& document, const std::string& path)
{
    const Json* at = &document;
    for (const auto& key : place_of(path)) {
        at = json_find(*at, key);
        if (at == nullptr)
            return {};
    }
    return *at;
}

Result<Json> read_document(const std::string& text, const std::string& name)
{
    TRY_ASSIGN(const auto root, parse_yaml(text, name));
    auto document = root.to_json();
    if (!document.is_object())
        return root.error("a map is expected");
    return document;
}

Result<std::vector<ops::Moved>> moved(const ops::Step& step, const Json& document)
{
    ops::FieldMap now;
    for (const auto& field : step.fields)
        now[field.path].value = value_at(document, field.path);
    return ops::moved_fields(step, now);
}

ops::Applied applied_to(const std::string& name, const std::string& sha256)
{
    return {fmt::format("{} rewritten", name), Json{{"sha256", sha256}}};
}

} // namespace

Result<ops::FieldMap> ConfigFile::observe(std::span<const std::string> paths, Deadline deadline) const
{
    TRY_ASSIGN(const auto now, where_->read(deadline));
    TRY_ASSIGN(const auto document, read_document(now.text, where_->name()));
    ops::FieldMap fields;
    for (const auto& path : paths)
        fields[path].value = value_at(document, path);
    return fields;
}

Result<ops::Applied> ConfigFile::apply(const ops::WriteContext& context, const ops::Step& step) const
{
    for (int left = k_tries;; --left) {
        auto applied = apply_once(context, step);
        // Somebody may have written another place of it in between: what it says now decides.
        if (applied || applied.error().kind != ErrorKind::stale || left == 1)
            return applied;
    }
}

Result<ops::Applied> ConfigFile::apply_once(const ops::WriteContext& context, const ops::Step& step) const
{
    TRY_ASSIGN(const auto done, find(context.key, step, context.deadline));
    if (done)
        return *done;
    TRY_ASSIGN(const auto before, where_->read(context.deadline));
    TRY_ASSIGN(const auto document, read_document(before.text, where_->name()));
    TRY_ASSIGN(const auto changed, moved(step, document));
    if (!changed.empty())
        return ops::stale_error(fmt::format("{} was changed meanwhile", where_->name()), changed);
    auto text = before.text;
    for (const auto& field : step.fields) {
        auto edited = edit_yaml(text, place_of(field.path), *field.after);
        if (!edited)
            return std::move(edited.error())
                .prefixed(where_->name())
                .with_hint("Change it by hand, and leave out --persist.");
        text = *std::move(edited);
    }
    TRY(where_->replace(context.key.text(), before, text, context.deadline, context.sent));
    return applied_to(where_->name(), sha256_hex(text));
}

Result<std::optional<ops::Applied>> ConfigFile::find(const ops::StepKey& key, const ops::Step& step,
                                                     Deadline deadline) const
{
    TRY_ASSIGN(const bool written, where_->was_written(key.text(), deadline));
    if (!written)
        return std::optional<ops::Applied>{};
    TRY_ASSIGN(const auto now, where_->read(deadline));
    TRY_ASSIGN(const auto document, read_document(now.text, where_->name()));
    const bool holds = std::ranges::all_of(step.fields, [&](const ops::Field& field) {
        return ops::same_json(value_at(document, field.path), *field.after);
    });
    if (!holds)
        return std::optional<ops::Applied>{};
    return std::optional(applied_to(where_->name(), sha256_hex(now.text)));
}

Result<> ConfigFile::verify(Agents& agents, Clock& clock, const ops::Applied& applied, Deadline deadline,
                            const Cancel* cancel, ops::Progress& progress)
{
    const auto wanted = json_string_or(*applied.data, "sha256", "");
    const auto started = clock.steady();
    for (;;) {
        std::size_t agreed = 0;
        std::string missing = "nobody answered";
        const auto answers = agents.ask_all({.path = "/admin/v1/replica"}, deadline);
        for (const auto& answer : answers) {
            const auto* config = answer.body ? json_find(**answer.body, "config") : nullptr;
            if (config != nullptr && json_string_or(*config, "sha256", "") == wanted)
                ++agreed;
            else if (config != nullptr && !json_string_or(*config, "error", "").empty())
                return fail(ErrorKind::failed,
                            fmt::format("{} does not take the file: {}", answer.replica.name,
                                        printable(json_string_or(*config, "error", ""))));
            else
                missing = answer.replica.name;
        }
        if (!answers.empty() && agreed == answers.size()) {
            progress.tick(ops::Progress::Mark::done, fmt::format("{} of {} replicas", agreed, agreed),
                          "read the file", std::chrono::duration_cast<Duration>(clock.steady() - started));
            return {};
        }
        if (cancel != nullptr && cancel->requested())
            return fail(ErrorKind::interrupted, "interrupted");
        if (deadline.passed())
            return fail(ErrorKind::unverified,
                        fmt::format("{} of {} replicas have read the file; missing: {}", agreed,
                                    answers.size(), missing));
        clock.sleep(std::min(k_poll, deadline.left()));
    }
}

Result<ops::FieldMap> PersistTarget::observe(std::span<const std::string> paths, Deadline deadline)
{
    std::vector<std::string> in_file;
    std::vector<std::string> in_state;
    for (const auto& path : paths)
        (is_file_field(path) ? in_file : in_state).push_back(path);
    ops::FieldMap all;
    if (!in_file.empty()) {
        TRY_ASSIGN(all, file_.observe(in_file, deadline));
    }
    if (!in_state.empty()) {
        TRY_ASSIGN(auto state, control_->observe(in_state, deadline));
        all.merge(state);
    }
    return all;
}

Result<ops::Applied> PersistTarget::apply(const ops::WriteContext& context, const ops::Step& step)
{
    return is_file_step(step) ? file_.apply(context, step) : control_->apply(context, step);
}

Result<std::optional<ops::Applied>> PersistTarget::find(const ops::StepKey& key, const ops::Step& step,
                                                        Deadline deadline)
{
    return is_file_step(step) ? file_.find(key, step, deadline) : control_->find(key, step, deadline);
}

Result<> PersistTarget::verify(const ops::Step& step, const ops::Applied& applied, Deadline deadline,
                               ops::Progress& progress)
{
    return is_file_step(step) ? ConfigFile::verify(agents_, clock_, applied, deadline, cancel_, progress)
                              : control_->verify(step, applied, deadline, progress);
}

Result<ops::Facts> PersistTarget::facts(const ops::Plan& plan, Deadline deadline)
{
    return control_->facts(plan, deadline);
}

bool PersistTarget::carries_expiry(const ops::Step& step) const
{
    return !is_file_step(step) && control_->carries_expiry(step);
}

} // namespace conduit
