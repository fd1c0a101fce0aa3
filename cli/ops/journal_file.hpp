// SPDX-License-Identifier: Apache-2.0
// The journal's bytes: lines, their hashes, month files, and the witnesses of the last entry. Internal to
// ops.
#pragma once

#include "cli/ops/journal.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::ops::journal_file {

inline constexpr std::string_view k_genesis = "sha256:0";
inline constexpr std::size_t k_max_line = 1U << 20U;

struct Mark { // one place in the chain
    std::uint64_t seq = 0;
    std::string hash{k_genesis};
    bool operator==(const Mark&) const = default;
};

struct Line {
    Entry entry;
    std::string prev;
    std::string hash;
    bool hash_ok = false;
};

// The line without its newline; fills in nothing.
std::string write_line(const Entry& entry, std::string_view prev, std::string& hash_out);
std::optional<Line> read_line(std::string_view line);

// failed when the folder is there and cannot be listed: it may hold anything.
Result<> check_listable(const fs::path& folder);
std::vector<fs::path> month_files(const fs::path& folder); // oldest first
fs::path month_file(const fs::path& folder, WallTime now);

// Calls for each line; complete is false for a last one without newline. Overlong lines arrive cut to the
// limit.
Result<>
for_each_line(const fs::path& file,
              const std::function<void(std::size_t number, std::string_view line, bool complete)>& fn);

struct Tail {
    std::optional<Line> last; // the last complete line, when it can be read
    std::string torn;         // bytes after the last newline
};
Result<Tail> read_tail(const fs::path& file);

enum class MarkState { absent, damaged, read };
MarkState read_mark(const fs::path& path, Mark& mark);
// In place and of fixed size, so that a full disk cannot stop it once the file exists.
Result<> write_mark(const fs::path& path, const Mark& mark, bool durable);

Result<> append_bytes(const fs::path& file,
                      std::string_view bytes); // fsynced; on failure the file is as before

} // namespace conduit::ops::journal_file
