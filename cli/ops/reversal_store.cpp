// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/reversal.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace conduit::ops {
namespace {

constexpr std::string_view k_extension = ".reversal";
constexpr std::size_t k_max_bytes = 1U << 20U;

Error as_failed(Error error)
{
    error.kind = ErrorKind::failed;
    return std::move(error).prefixed("the reversal cannot be recorded");
}

} // namespace

std::string write_reversal(const Reversal& r)
{
    return dump_json(Json{{"v", 1},
                          {"operation", r.operation},
                          {"due", format_time(r.due)},
                          {"summary", r.summary},
                          {"operator", r.operator_name},
                          {"context", r.context},
                          {"target_kind", r.target_kind},
                          {"target", r.target},
                          {"paths", r.paths},
                          {"state", r.state},
                          {"message", r.message}});
}

Result<Reversal> read_reversal(std::string_view text)
{
    TRY_ASSIGN(const auto document, parse_json(text));
    Reversal out;
    TRY_ASSIGN(out.operation, json_string(document, "operation"));
    TRY_ASSIGN(const auto due, json_string(document, "due"));
    TRY_ASSIGN(out.due, parse_time(due));
    out.summary = json_string_or(document, "summary", "");
    out.operator_name = json_string_or(document, "operator", "");
    out.context = json_string_or(document, "context", "");
    TRY_ASSIGN(out.target_kind, json_string(document, "target_kind"));
    TRY_ASSIGN(out.target, json_string(document, "target"));
    if (const auto* paths = json_find(document, "paths"); paths != nullptr && paths->is_array())
        for (const auto& path : *paths)
            if (path.is_string())
                out.paths.push_back(path.get<std::string>());
    out.state = json_string_or(document, "state", "pending");
    out.message = json_string_or(document, "message", "");
    return out;
}

Reversal damaged_reversal(const std::string& operation, const Error& error)
{
    Reversal damaged;
    damaged.operation = operation;
    damaged.state = "damaged";
    damaged.message = error.message;
    return damaged;
}

void sort_reversals(std::vector<Reversal>& all)
{
    std::ranges::sort(all, {}, [](const Reversal& r) { return std::pair(r.due, r.operation); });
}

Result<> ReversalFolder::add(const Reversal& r)
{
    if (auto made = make_dirs(folder_); !made)
        return as_failed(std::move(made).error());
    auto written = write_file(folder_ / (r.operation + std::string(k_extension)), write_reversal(r) + "\n");
    if (!written)
        return as_failed(std::move(written).error());
    return {};
}

Result<> ReversalFolder::remove(const std::string& operation)
{
    return remove_file(folder_ / (operation + std::string(k_extension)));
}

Result<std::vector<Reversal>> ReversalFolder::list()
{
    std::vector<Reversal> found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(folder_, ignored)) {
        if (entry.path().extension() != k_extension)
            continue;
        const auto text = read_file(entry.path(), k_max_bytes);
        if (!text && text.error().kind == ErrorKind::not_found)
            continue; // carried out meanwhile
        auto reversal = text ? read_reversal(*text) : Result<Reversal>(text.error());
        found.push_back(reversal ? *std::move(reversal)
                                 : damaged_reversal(entry.path().stem().string(), reversal.error()));
    }
    sort_reversals(found);
    return found;
}

bool ReversalFolder::answered()
{
    const auto text = read_file(folder_ / "served", 4096);
    const auto document = text ? parse_json(*text) : Result<Json>(fail(ErrorKind::failed, ""));
    const auto at = document ? parse_time(json_string_or(*document, "at", ""))
                             : Result<WallTime>(fail(ErrorKind::failed, ""));
    return at && clock_.now() - *at <= k_reversal_heartbeat;
}

Result<> ReversalFolder::beat()
{
    TRY(make_dirs(folder_));
    return write_file(folder_ / "served", dump_json(Json{{"at", format_time(clock_.now())}}) + "\n");
}

} // namespace conduit::ops
