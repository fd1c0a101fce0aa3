// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/journal.hpp"

#include "cli/ops/journal_file.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

namespace conduit::ops {

using namespace journal_file;

namespace {

Error as_failed(Error error)
{
    error.kind = ErrorKind::failed;
    if (error.hint.empty())
        error.hint = "Nothing is changed that cannot be recorded: make the journal's folder writable.";
    return std::move(error).prefixed("the journal cannot be written");
}

// Where the chain goes on: the furthest of what the files and the witnesses say, so that a cut stays visible.
Mark chain_end(const std::optional<Line>& last, const Mark& head, const Mark& witness)
{
    const auto& known = witness.seq > head.seq ? witness : head;
    if (last && last->hash_ok && (last->entry.seq > known.seq))
        return {last->entry.seq, last->hash};
    return known;
}

void keep_entry(std::map<std::string, OperationRecord>& found, Entry entry)
{
    auto& record = found[entry.id];
    record.id = entry.id;
    record.entries.push_back(std::move(entry));
}

bool opens(Phase phase)
{
    return phase == Phase::begin || phase == Phase::refused || phase == Phase::dry_run ||
           phase == Phase::plan;
}

bool wanted(const OperationRecord& record, const HistoryQuery& query)
{
    if (query.unfinished_only && !record.unfinished())
        return false;
    const auto verdict = record.verdict();
    if (!query.dry_runs && !query.unfinished_only && query.id_prefix.empty() &&
        (verdict == "dry-run" || verdict == "planned"))
        return false;
    return !query.keep || query.keep(record);
}

} // namespace

const Entry* OperationRecord::last(Phase phase) const
{
    const auto it =
        std::find_if(entries.rbegin(), entries.rend(), [&](const Entry& e) { return e.phase == phase; });
    return it == entries.rend() ? nullptr : &*it;
}

bool OperationRecord::unfinished() const
{
    for (auto it = entries.rbegin(); it != entries.rend(); ++it) {
        if (it->phase == Phase::end)
            return false;
        if (it->phase == Phase::begin || it->phase == Phase::resume)
            return true;
    }
    return false;
}

std::string OperationRecord::verdict() const
{
    if (unfinished())
        return "unfinished";
    if (const auto* end = last(Phase::end))
        return end->verdict;
    if (last(Phase::refused) != nullptr)
        return last(Phase::refused)->verdict;
    return last(Phase::dry_run) != nullptr ? "dry-run" : "planned";
}

Result<Plan> OperationRecord::plan() const
{
    for (const auto& entry : entries)
        if (!entry.plan->is_null())
            return plan_from_json(*entry.plan);
    return fail(ErrorKind::failed, fmt::format("operation {} has no readable plan in the journal", id),
                "See what is damaged: conduitctl history verify");
}

Journal::Journal(fs::path folder, fs::path witness, Clock& clock)
    : folder_(std::move(folder)), witness_(std::move(witness)), clock_(clock)
{
}

Journal::Journal(const fs::path& folder, Clock& clock)
    : Journal(folder, fs::path(folder.string() + ".witness"), clock)
{
}

Result<Entry> Journal::append(Entry entry)
{
    const auto write = [&]() -> Result<std::string> {
        TRY_ASSIGN(const auto guard, FileLock::lock(folder_ / ".lock"));
        Mark head;
        Mark witness;
        const auto head_path = folder_ / "HEAD";
        if (read_mark(head_path, head) != MarkState::read)
            head = {};
        if (read_mark(witness_, witness) != MarkState::read)
            witness = {};
        const auto files = month_files(folder_);
        Tail tail;
        if (!files.empty()) {
            TRY_ASSIGN(tail, read_tail(files.back()));
        }
        auto end = chain_end(tail.last, head, witness);
        TRY(write_mark(head_path, end, true));
        TRY(write_mark(witness_, end, false));
        if (!tail.torn.empty()) {
            Entry torn;
            torn.id = "torn";
            torn.seq = end.seq + 1;
            torn.time = clock_.now();
            torn.phase = Phase::torn;
            torn.extra = Json{{"bytes", tail.torn.size()}, {"sha256", sha256_hex(tail.torn)}};
            std::string hash;
            const auto line = write_line(torn, end.hash, hash);
            TRY(append_bytes(files.back(), "\n" + line + "\n"));
            end = {torn.seq, hash};
            TRY(write_mark(head_path, end, true));
        }
        entry.seq = end.seq + 1;
        entry.time = clock_.now();
        std::string hash;
        auto line = write_line(entry, end.hash, hash);
        if (line.size() >= k_max_line)
            return fail(ErrorKind::failed, fmt::format("an entry of {} bytes is too large", line.size()));
        auto file = month_file(folder_, entry.time);
        if (!files.empty())
            file = std::max(file, files.back()); // a clock set back must not write before the end
        TRY(append_bytes(file, line + "\n"));
        TRY(write_mark(head_path, {entry.seq, hash}, true));
        TRY(write_mark(witness_, {entry.seq, hash}, false));
        return line;
    };
    auto line = write();
    if (!line)
        return as_failed(std::move(line).error());
    if (mirror_ != nullptr)
        if (auto mirrored = mirror_->append(entry, *line); !mirrored)
            mirror_error_ = std::move(mirrored).error();
    return entry;
}

Result<std::vector<OperationRecord>> Journal::operations(const HistoryQuery& query) const
{
    TRY(check_listable(folder_));
    std::map<std::string, OperationRecord> found;
    if (mirror_ != nullptr)
        if (auto mirrored = mirror_->read(query.id_prefix, query.limit * 16))
            for (auto& entry : *mirrored)
                keep_entry(found, std::move(entry));
    const auto files = month_files(folder_);
    const auto wanted_id = "\"id\":\"" + query.id_prefix; // parsing costs more than looking
    std::size_t complete = 0;
    for (auto file = files.rbegin(); file != files.rend() && complete < query.limit; ++file) {
        std::map<std::string, std::vector<Entry>> here;
        TRY(for_each_line(*file, [&](std::size_t, std::string_view text, bool whole) {
            if (!whole || text.find(wanted_id) == std::string_view::npos)
                return;
            auto line = read_line(text);
            if (line && line->entry.phase != Phase::torn && line->entry.id.starts_with(query.id_prefix))
                here[line->entry.id].push_back(std::move(line->entry));
        }));
        for (auto& [id, entries] : here) {
            auto& record = found[id];
            record.id = id;
            record.entries.insert(record.entries.begin(), std::make_move_iterator(entries.begin()),
                                  std::make_move_iterator(entries.end()));
        }
        complete = static_cast<std::size_t>(std::ranges::count_if(found, [&](const auto& item) {
            return opens(item.second.first().phase) && wanted(item.second, query);
        }));
    }
    std::vector<OperationRecord> records;
    for (auto& [id, record] : found) {
        // Two hosts count for themselves; the same entry may come from the mirror and from here.
        const auto place = [](const Entry& e) { return std::tuple(e.time, e.seq, e.host); };
        std::ranges::stable_sort(record.entries, {}, place);
        const auto repeated = std::ranges::unique(record.entries, {}, place);
        record.entries.erase(repeated.begin(), repeated.end());
        if (wanted(record, query))
            records.push_back(std::move(record));
    }
    std::ranges::sort(records, std::greater{},
                      [](const OperationRecord& r) { return std::pair(r.first().time, r.first().seq); });
    if (records.size() > query.limit)
        records.resize(query.limit);
    return records;
}

Result<OperationRecord> Journal::operation(std::string_view prefix) const
{
    const auto id = to_upper(trim(prefix));
    const auto unknown = [&] {
        return fail(ErrorKind::not_found, fmt::format("no operation '{}' in the journal", printable(prefix)),
                    "List them: conduitctl history ls");
    };
    if (id.empty())
        return unknown();
    HistoryQuery query;
    query.id_prefix = id;
    query.limit = 5;
    TRY_ASSIGN(auto records, operations(query));
    if (records.empty())
        return unknown();
    if (records.size() > 1) {
        std::string names;
        for (const auto& record : records)
            names += (names.empty() ? "" : ", ") + record.id;
        return fail(ErrorKind::usage, fmt::format("operation '{}' is not unique: {}", id, names),
                    "Give more of its letters.");
    }
    return std::move(records.front());
}

Result<std::optional<Entry>> Journal::last_writer(std::string_view path, std::uint64_t after_seq) const
{
    std::optional<Entry> writer;
    const auto files = month_files(folder_);
    for (auto file = files.rbegin(); file != files.rend() && !writer; ++file) {
        bool older = false;
        TRY(for_each_line(*file, [&](std::size_t, std::string_view text, bool) {
            auto line = read_line(text);
            if (!line)
                return;
            if (line->entry.seq <= after_seq) {
                older = true;
                return;
            }
            const auto* after = json_find(*line->entry.step, "after");
            const bool writes =
                line->entry.phase == Phase::step_done || line->entry.phase == Phase::compensated;
            if (writes && after != nullptr && json_find(*after, path) != nullptr)
                writer = std::move(line->entry);
        }));
        if (older)
            break;
    }
    return writer;
}

} // namespace conduit::ops
