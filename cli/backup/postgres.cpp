// SPDX-License-Identifier: Apache-2.0
#include "cli/backup/source.hpp"
#include "cli/backup/tools.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"

#include <charconv>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <thread>

namespace conduit::backup {
namespace {

constexpr std::string_view k_tables = R"(
SELECT n.nspname, c.relname
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
 ORDER BY 1, 2)";

// What a restored database must have again: columns in their order, with types, defaults and constraints.
constexpr std::string_view k_schema = R"(
SELECT n.nspname, c.relname, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull::text,
       coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), '')
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
 WHERE c.relkind IN ('r', 'v', 'm', 'p') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
 ORDER BY 1, 2, a.attnum)";

std::string pass_line(std::string_view password) // of a passfile: ':' and '\' are escaped
{
    std::string escaped;
    for (const char c : password) {
        if (c == ':' || c == '\\')
            escaped += '\\';
        escaped += c;
    }
    return fmt::format("*:*:*:*:{}\n", escaped);
}

class PostgresDump final : public Source {
  public:
    PostgresDump(Database& database, PostgresPlace place, const Cancel* stop)
        : database_(database), place_(std::move(place)), stop_(stop)
    {
    }
    std::string name() const override { return "postgres-" + place_.database; }
    std::string kind() const override { return "pg_dump-custom"; }
    std::string extension() const override { return ".dump"; }
    std::string where() const override { return database_.identity(); }

    Result<> produce(ByteSink& to, Deadline deadline) override
    {
        TRY_ASSIGN(auto transaction,
                   SqlTransaction::begin(database_, "ISOLATION LEVEL REPEATABLE READ READ ONLY", deadline));
        // As in the scratch server: expressions are written with the names that the path does not hold.
        TRY(database_.run({.text = "SET LOCAL search_path = pg_catalog"}, deadline));
        TRY_ASSIGN(const auto point,
                   database_.run({.text = "SELECT pg_catalog.pg_export_snapshot() AS snapshot, "
                                          "CASE WHEN pg_catalog.pg_is_in_recovery() "
                                          "THEN pg_catalog.pg_last_wal_replay_lsn() "
                                          "ELSE pg_catalog.pg_current_wal_lsn() END AS lsn, "
                                          "pg_catalog.clock_timestamp() AS time"},
                                 deadline));
        consistent_to_ = {{"lsn", point.value("lsn").value_or("")},
                          {"time", point.value("time").value_or("")}};
        TRY_ASSIGN(const auto program, postgres_program(place_));
        TRY_ASSIGN(tool_, tool_version("pg_dump"));
        ChildSpec dump{.argv = {"pg_dump", "--format=custom", "--compress=0", "--no-password",
                                "--snapshot=" + point.value("snapshot").value_or("")},
                       .env = program.env,
                       .fed = false};
        dump.argv.insert(dump.argv.end(), program.arguments.begin(), program.arguments.end());
        // Counted in the same snapshot, while it is read.
        Result<Json> counted = Json();
        Result<> dumped;
        {
            const std::jthread counting([&] {
                counted =
                    count_database([&](const std::string& sql) -> Result<std::vector<std::vector<SqlValue>>> {
                        TRY_ASSIGN(auto result, database_.run({.text = sql}, deadline));
                        if (result.truncated)
                            return fail(ErrorKind::failed,
                                        "the database has more columns than can be compared");
                        return std::move(result.rows);
                    });
            });
            dumped = output_of(dump, stop_)(to);
        }
        TRY(std::move(dumped));
        TRY_ASSIGN(invariants_, std::move(counted));
        return transaction.commit(deadline);
    }

    void describe(Part& part) const override
    {
        part.consistent_to = consistent_to_;
        part.invariants = invariants_;
        part.tools = {tool_};
    }

  private:
    Database& database_;
    const PostgresPlace place_;
    const Cancel* stop_;
    Json consistent_to_, invariants_;
    std::string tool_;
};

} // namespace

Result<PostgresProgram> postgres_program(const PostgresPlace& place)
{
    TRY_ASSIGN(auto folder, TempDir::make("conduit-pg"));
    PostgresProgram program{.arguments = {"--host=" + place.host, fmt::format("--port={}", place.port),
                                          "--username=" + place.user, "--dbname=" + place.database},
                            .env = {{"PGAPPNAME", "conduitctl"}},
                            .kept = std::move(folder)};
    const auto file = program.kept.path() / "pgpass";
    TRY(write_file(file, pass_line(place.password)));
    program.env["PGPASSFILE"] = file.string();
    if (!place.ssl_mode.empty())
        program.env["PGSSLMODE"] = place.ssl_mode;
    if (!place.ca.empty())
        program.env["PGSSLROOTCERT"] = place.ca;
    return program;
}

Result<Json> count_database(const Ask& ask)
{
    TRY_ASSIGN(const auto tables, ask(std::string(k_tables)));
    Json rows = Json::object();
    for (const auto& table : tables) {
        const auto schema = table.at(0).value_or(""), name = table.at(1).value_or("");
        TRY_ASSIGN(const auto counted,
                   ask(fmt::format("SELECT count(*) FROM ONLY {}.{}", sql_name(schema), sql_name(name))));
        const auto text = counted.empty() ? SqlValue() : counted.front().at(0);
        std::uint64_t number = 0;
        if (!text || std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc())
            return fail(ErrorKind::failed, fmt::format("no count of table {}.{}", schema, name));
        rows[schema + "." + name] = number;
    }
    TRY_ASSIGN(const auto schema, ask(std::string(k_schema)));
    Sha256Stream hash;
    for (const auto& column : schema)
        for (const auto& value : column)
            hash.update(value.value_or("") + '\0');
    return Json{
        {"tables", tables.size()}, {"rows", std::move(rows)}, {"schema", "sha256:" + hex(hash.finish())}};
}

std::unique_ptr<Source> dump_of_postgres(Database& database, PostgresPlace place, const Cancel* stop)
{
    return std::make_unique<PostgresDump>(database, std::move(place), stop);
}

} // namespace conduit::backup
