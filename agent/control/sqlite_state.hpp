// SPDX-License-Identifier: Apache-2.0
// The control state in its SQLite tables: what is read and changed within one transaction of the caller.
#pragma once

#include "agent/control/sqlite_db.hpp"
#include "agent/control/state.hpp"
#include "core/json.hpp"

#include <cstdint>

namespace conduit::agent {

inline constexpr std::int64_t k_keep_history = 10'000;

inline std::int64_t ms(WallTime time)
{
    return time.time_since_epoch().count();
}
inline WallTime wall(std::int64_t value)
{
    return WallTime(Duration(value));
}
inline std::int64_t as_signed(std::uint64_t value)
{
    return static_cast<std::int64_t>(value);
}
inline std::uint64_t as_unsigned(const SQLite::Column& column)
{
    return static_cast<std::uint64_t>(column.getInt64());
}
Json stored_json(const SQLite::Column& column); // null when it cannot be read

std::uint64_t read_meta(SQLite::Database& db, const char* key); // 0 when absent
ControlState read_state(SQLite::Database& db);
// Takes out what is due, each with its line of history; state follows.
void expire_state(SQLite::Database& db, ControlState& state, WallTime now);
// All or nothing, given that an error rolls the transaction back. A repeated operation answers with what is
// there.
Result<ControlState> apply_patch(SQLite::Database& db, const StatePatch& patch, WallTime now);

} // namespace conduit::agent
