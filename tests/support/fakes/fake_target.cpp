// SPDX-License-Identifier: Apache-2.0
#include "tests/support/fakes/fake_target.hpp"

#include "core/fs.hpp"
#include "core/text.hpp"

#include <cstdlib>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::test {

using namespace ops;

namespace {

FileLock locked(const fs::path& file)
{
    auto lock = FileLock::lock(file.string() + ".lock");
    if (!lock)
        std::abort();
    return std::move(*lock);
}

FieldValue read_field(const Json& fields, const std::string& path)
{
    FieldValue value;
    if (const auto* found = json_find(fields, path)) {
        value.value = found->at("value");
        value.by = json_string_or(*found, "by", "");
        if (const auto until = parse_time(json_string_or(*found, "until", "")))
            value.until = *until;
    }
    return value;
}

void write_field(Json& fields, const Field& field, const std::string& by)
{
    fields.erase(field.path);
    if (field.after->is_null())
        return;
    Json entry{{"value", *field.after}, {"by", by}};
    if (field.after_until)
        entry["until"] = format_time(*field.after_until);
    fields[field.path] = std::move(entry);
}

} // namespace

Json FakeTarget::load() const
{
    const auto text = read_file(file_);
    Json state = text ? *parse_json(*text)
                      : Json{{"revision", 0}, {"fields", Json::object()}, {"keys", Json::object()}};
    auto& fields = state["fields"];
    for (auto it = fields.begin(); it != fields.end();) {
        const auto until = parse_time(json_string_or(*it, "until", ""));
        it = until && *until <= clock_.now() ? fields.erase(it) : std::next(it);
    }
    return state;
}

void FakeTarget::store(const Json& state) const
{
    if (!write_file(file_, dump_json(state)))
        std::abort();
}

Result<FieldMap> FakeTarget::observe(std::span<const std::string> paths, Deadline /*deadline*/)
{
    if (no_reads)
        return fail(ErrorKind::unreachable, name() + " does not answer");
    const auto lock = locked(file_);
    const auto state = load();
    FieldMap map;
    for (const auto& path : paths)
        map[path] = read_field(state["fields"], path);
    return map;
}

Result<Applied> FakeTarget::apply(const WriteContext& context, const Step& step)
{
    const auto what = fault ? fault(context.key) : Fault::none;
    if (what == Fault::unreachable)
        return fail(ErrorKind::unreachable, name() + " does not answer");
    if (what == Fault::refused)
        return fail(ErrorKind::refused, "the server says no");
    if (what == Fault::lost_request)
        return fail(ErrorKind::unknown, "connection lost");
    const auto lock = locked(file_);
    auto state = load();
    if (const auto* done = json_find(state["keys"], context.key.text()))
        return Applied{json_string_or(*done, "observed", ""), *done};
    FieldMap now;
    for (const auto& path : paths_of(step))
        now[path] = read_field(state["fields"], path);
    if (const auto moved = moved_fields(step, now); !moved.empty())
        return stale_error("the fake", moved);
    for (const auto& field : step.fields) {
        write_field(state["fields"], field,
                    fmt::format("{}, {}", context.operator_name, context.key.operation));
        if (what == Fault::half_done) {
            store(state);
            return fail(ErrorKind::partial, "the fake broke in the middle");
        }
    }
    if (step.action == "count")
        state["counted"] = json_number_or(state, "counted", 0) + 1;
    const auto revision = json_number_or(state, "revision", 0) + 1;
    state["revision"] = revision;
    const auto observed = fmt::format("revision {}", revision);
    if (keyed(step))
        state["keys"][context.key.text()] = {{"observed", observed}};
    store(state);
    ++applied;
    if (context.sent)
        context.sent();
    if (what == Fault::lost_reply)
        return fail(ErrorKind::unknown, "connection lost");
    return Applied{observed, Json{{"revision", revision}}};
}

Result<std::optional<Applied>> FakeTarget::find(const StepKey& key, const Step& /*step*/,
                                                Deadline /*deadline*/)
{
    if (no_reads)
        return fail(ErrorKind::unreachable, name() + " does not answer");
    const auto lock = locked(file_);
    const auto state = load();
    if (const auto* done = json_find(state["keys"], key.text()))
        return std::optional(Applied{json_string_or(*done, "observed", ""), *done});
    return std::optional<Applied>{};
}

Result<> FakeTarget::verify(const Step& step, const Applied& /*applied*/, Deadline /*deadline*/,
                            Progress& progress)
{
    progress.tick(Progress::Mark::done, "in effect", step.resource, Duration{410});
    return verdict ? verdict(step) : Result<>{};
}

Result<std::optional<std::string>> FakeTarget::dry_run(const Step& step, Deadline /*deadline*/)
{
    return std::optional<std::string>{"would write " + join(paths_of(step), ", ")};
}

SystemState FakeTarget::system(const Json& fields) const
{
    SystemState system;
    for (const auto& name : {"openai", "google", "aws"}) {
        const auto enabled = read_field(fields, fmt::format("providers/{}/enabled", name));
        const auto weight = read_field(fields, fmt::format("providers/{}/weight", name));
        system.providers.push_back({name, enabled.value->is_null() || enabled.value->get<bool>(), true,
                                    weight.value->is_null() ? 10 : weight.value->get<double>(),
                                    enabled.by.empty() ? "" : fmt::format("disabled ({})", enabled.by)});
    }
    return system;
}

Result<Facts> FakeTarget::facts(const Plan& plan, Deadline /*deadline*/)
{
    const auto lock = locked(file_);
    auto fields = load()["fields"];
    Facts facts;
    facts.now = system(fields);
    for (const auto& step : plan.steps)
        for (const auto& field : step.fields)
            write_field(fields, field, "");
    facts.then = system(fields);
    return facts;
}

void FakeTarget::set(const std::string& path, Json value, const std::string& by)
{
    const auto lock = locked(file_);
    auto state = load();
    write_field(state["fields"], {path, {}, std::move(value), {}, {}, false}, by);
    state["revision"] = json_number_or(state, "revision", 0) + 1;
    store(state);
}

Json FakeTarget::get(const std::string& path) const
{
    return *read_field(load()["fields"], path).value;
}

std::string FakeTarget::dump() const
{
    auto fields = load()["fields"];
    for (auto& field : fields)
        field.erase("by");
    return canonical_json(fields);
}

std::vector<std::string> FakeTarget::keys() const
{
    std::vector<std::string> names;
    const auto state = load();
    for (const auto& [key, value] : state["keys"].items())
        names.push_back(key);
    return names;
}

} // namespace conduit::test
