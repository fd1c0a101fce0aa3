// SPDX-License-Identifier: Apache-2.0
// The PostgreSQL of the context: one statement at a time, over one connection that is made when first used.
#pragma once

#include "core/clock.hpp"
#include "core/json.hpp"
#include "core/result.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace conduit {

using SqlValue = std::optional<std::string>; // as the server writes it; nullopt: NULL

struct SqlColumn {
    std::string name;
    std::uint32_t type = 0; // oid of pg_type
};

struct SqlLimits { // what is beyond is not fetched: SqlResult::truncated
    std::size_t rows = 100'000;
    std::size_t bytes = 64U << 20U;
};

struct SqlRequest {
    std::string text; // one statement: the server takes no second one; $1, $2, ... are `values`
    std::vector<SqlValue> values{};
    SqlLimits limits{};
    std::function<void()> sent{}; // called when it has left, before its answer is read
};

struct SqlResult {
    std::vector<SqlColumn> columns;
    std::vector<std::vector<SqlValue>> rows;
    std::int64_t affected = 0;        // rows, of what changes some
    std::vector<std::string> notices; // the server's warnings
    bool truncated = false;

    // Of the only row; nullopt for NULL, for no row and for no such column.
    SqlValue value(std::string_view column) const;
};

class Database {
  public:
    virtual ~Database() = default;
    virtual std::string identity() const = 0; // the same from wherever it is reached
    // At the deadline, and when the run is to stop, the statement is cancelled on the server: failed or
    // interrupted when it said so, unknown when it did not. Other errors carry the server's SQLSTATE
    // ("sqlstate") and are of the kind that kind_of_state() says; unreachable: nothing was sent; unknown: the
    // connection ended before the answer.
    virtual Result<SqlResult> run(const SqlRequest& request, Deadline deadline) = 0;
};

ErrorKind kind_of_state(std::string_view sqlstate);
std::string sql_state(const Error& error); // "" when the server did not say

std::string sql_name(std::string_view name);    // "Request Logs" with its quotes
std::string sql_literal(std::string_view text); // 'it''s', for statements that take no parameters

// Rows as objects; numbers, booleans and JSON as such. A name that occurs twice is "name_2" the second time.
Json sql_items(const SqlResult& result);
std::vector<std::string> sql_names(const SqlResult& result);

// BEGIN ... COMMIT; what was not committed is rolled back.
class SqlTransaction {
  public:
    static Result<SqlTransaction> begin(Database& database, std::string_view mode, Deadline deadline);
    SqlTransaction(SqlTransaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}
    SqlTransaction(const SqlTransaction&) = delete;
    ~SqlTransaction();
    Result<> commit(Deadline deadline);

  private:
    explicit SqlTransaction(Database& database) : database_(&database) {}
    Database* database_;
};

} // namespace conduit
