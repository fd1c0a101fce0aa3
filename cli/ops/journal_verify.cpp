// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/journal.hpp"

#include "cli/ops/journal_file.hpp"
#include "core/hash.hpp"

#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace conduit::ops {

using namespace journal_file;

namespace {

class Checker {
  public:
    JournalCheck check;

    void file(const fs::path& path) { name_ = path.filename().string(); }

    void line(std::size_t number, std::string_view text, bool complete)
    {
        auto line = complete ? read_line(text) : std::nullopt;
        if (!line) {
            settle_damage(nullptr);
            damaged_ = {name_, number, complete ? "the line cannot be read" : "the last line is cut short"};
            damaged_sha_ = sha256_hex(text);
            damaged_complete_ = complete;
            return;
        }
        settle_damage(&line->entry);
        ++check.entries;
        const auto seq = line->entry.seq;
        if (!line->hash_ok)
            fault(number, fmt::format("entry {} was changed", seq));
        if (seq <= last_.seq)
            fault(number, fmt::format("entry {} is out of order", seq));
        else if (seq > last_.seq + 1)
            fault(number, last_.seq + 2 == seq
                              ? fmt::format("entry {} is missing", last_.seq + 1)
                              : fmt::format("entries {} to {} are missing", last_.seq + 1, seq - 1));
        else if (line->prev != last_.hash)
            fault(number, fmt::format("entry {} does not follow the one before it", seq));
        last_ = {seq, line->hash};
        if (const auto it = watched_.find(seq); it != watched_.end())
            it->second = line->hash;
        check.last_seq = std::max(check.last_seq, seq);
    }

    // The hashes at these places are kept while the lines go by.
    void watch(std::uint64_t seq) { watched_[seq] = {}; }

    void witness(const fs::path& path, const Mark& mark, MarkState state, bool may_lag)
    {
        name_ = path.filename().string();
        if (state == MarkState::damaged)
            return fault(0, "cannot be read");
        if (state == MarkState::absent && last_.seq > 1)
            return fault(0, "is missing");
        if (mark.seq > last_.seq)
            return fault(
                0, mark.seq == last_.seq + 1
                       ? fmt::format("entry {} was removed from the end", mark.seq)
                       : fmt::format("entries {} to {} were removed from the end", last_.seq + 1, mark.seq));
        if (!may_lag &&
            mark.seq + 1 < last_.seq) // dying between line and HEAD leaves it one behind, never more
            return fault(0, fmt::format("ends at entry {}, the journal at {}", mark.seq, last_.seq));
        if (mark.seq > 0 && watched_[mark.seq] != mark.hash)
            fault(0, fmt::format("has another entry {} than the journal", mark.seq));
    }

    void finish()
    {
        if (damaged_.what.empty())
            return;
        if (!damaged_complete_) {
            check.notes.push_back(fmt::format("{}:{}: torn line at the end", damaged_.file, damaged_.line));
            damaged_ = {};
        }
        settle_damage(nullptr);
    }

    void fault(std::size_t number, std::string what)
    {
        if (check.faults.size() < 100)
            check.faults.push_back({name_, number, std::move(what)});
    }

  private:
    // A damaged line is an accident when the entry after it says that it found these very bytes torn.
    void settle_damage(const Entry* next)
    {
        if (damaged_.what.empty())
            return;
        if (next != nullptr && next->phase == Phase::torn &&
            json_string_or(*next->extra, "sha256", "") == damaged_sha_)
            check.notes.push_back(fmt::format("{}:{}: torn line, kept", damaged_.file, damaged_.line));
        else if (check.faults.size() < 100)
            check.faults.push_back(damaged_);
        damaged_ = {};
    }

    std::string name_;
    Mark last_;
    std::map<std::uint64_t, std::string> watched_;
    JournalFault damaged_;
    std::string damaged_sha_;
    bool damaged_complete_ = false;
};

} // namespace

Result<JournalCheck> Journal::verify() const
{
    // Held so that nobody appends meanwhile; a folder that cannot be locked is read as it is.
    TRY(check_listable(folder_));
    std::optional<FileLock> held;
    if (fs::is_directory(folder_))
        if (auto lock = FileLock::lock(folder_ / ".lock"))
            held.emplace(std::move(*lock));
    Mark head;
    Mark witness;
    const auto head_state = read_mark(folder_ / "HEAD", head);
    const auto witness_state = read_mark(witness_, witness);
    Checker checker;
    checker.watch(head.seq);
    checker.watch(witness.seq);
    for (const auto& file : month_files(folder_)) {
        checker.file(file);
        TRY(for_each_line(file, [&](std::size_t number, std::string_view text, bool complete) {
            checker.line(number, text, complete);
        }));
    }
    checker.finish();
    checker.witness(folder_ / "HEAD", head, head_state, false);
    checker.witness(witness_, witness, witness_state, true); // not synced with each entry
    if (head_state == MarkState::read && witness_state == MarkState::read && witness.seq > head.seq) {
        checker.file(folder_ / "HEAD");
        checker.fault(0, fmt::format("is older than its witness ({} < {})", head.seq, witness.seq));
    }
    return std::move(checker.check);
}

} // namespace conduit::ops
