// SPDX-License-Identifier: Apache-2.0
// Tables and indexes by the name somebody typed. Names go to the server as values and come back with their
// case.
#pragma once

#include "cli/backend/database.hpp"

#include <span>
#include <string>
#include <vector>

namespace conduit::sql {

// A request that names its verb, in the server's list of sessions too: "/* conduitctl db status */ ...".
SqlRequest request(std::string_view verb, std::string_view text, std::vector<SqlValue> values = {});

struct Object {
    std::string oid;
    std::string schema;
    std::string name;
    char kind =
        'r'; // of pg_class.relkind: r table, p partitioned, m materialized view, i index, I of such a table
    bool owned = false;  // by us, by a role of ours, or we own the database or are superuser
    std::string table{}; // of an index: "schema.table"
    bool valid = true;   // of an index
    std::string shown() const { return schema + "." + name; }
    std::string quoted() const { return sql_name(schema) + "." + sql_name(name); }
};

enum class Want { table, index, either };
// "table", "Schema.Table": as typed, else in lower case. usage when several schemas have one; not_found with
// the nearest.
Result<Object> find_object(Database& database, const std::string& name, Want want, Deadline deadline);
Result<std::vector<Object>> user_tables(Database& database, Deadline deadline);

// What stands in the way of a lock: "pid 812 (app-1, user web) for 41 s"; "" when nothing does any more.
std::string lock_holders(Database& database, const Object& object, Deadline deadline);

// For work on a large table: a lock is waited for so long and no longer. Of the session.
Result<> set_lock_timeout(Database& database, Duration limit, Deadline deadline);

} // namespace conduit::sql
