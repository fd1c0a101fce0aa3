// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/agent/records/fixture.hpp"

#include <SQLiteCpp/SQLiteCpp.h>

namespace conduit::agent::test {

std::int64_t count_in(const fs::path& path, const std::string& sql)
{
    SQLite::Database database(path.string(), SQLite::OPEN_READONLY, 5000);
    return database.execAndGet(sql).getInt64();
}

} // namespace conduit::agent::test
