// SPDX-License-Identifier: Apache-2.0
// A PostgreSQL in memory as far as the tool can tell: each statement is known by the word in its comment ("/*
// conduitctl WORD */ ..."), other ones by their own first word ("BEGIN"). What it has not been told of has no
// rows.
#pragma once

#include "cli/backend/database.hpp"
#include "core/cancel.hpp"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace conduit::test {

class FakeDatabase final : public Database {
  public:
    FakeDatabase(); // a primary with one idle session, table "logs" with its archive, and index "by_time"
    std::string identity() const override { return "postgres fake"; }
    Result<SqlResult> run(const SqlRequest& request, Deadline deadline) override;

    // One row, or several with the same columns.
    void answer(const std::string& word, const std::vector<std::pair<std::string, SqlValue>>& row);
    static SqlResult rows(const std::vector<std::string>& columns,
                          const std::vector<std::vector<SqlValue>>& rows);

    std::map<std::string, std::function<Result<SqlResult>(const SqlRequest&)>> answers;
    std::map<std::string, Error> faults; // by the word; "*" is every statement
    std::function<void(const std::string& word)> before;
    const Cancel* cancel = nullptr;
    std::vector<std::string> asked;

    // What statements change.
    std::map<std::string, std::string> settings; // in postgresql.auto.conf
    std::map<std::string, std::string> indexes;  // name -> definition
    bool session_lives = true;
    bool started_anew = false;
    int old_rows = 3;

  private:
    void answer_settings();
    void answer_tables();
    void answer_sessions();
};

} // namespace conduit::test
