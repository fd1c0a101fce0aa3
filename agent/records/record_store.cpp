// SPDX-License-Identifier: Apache-2.0
#include "agent/records/record_store.hpp"

#include "core/text.hpp"

#include <SQLiteCpp/SQLiteCpp.h>
#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <map>
#include <tuple>

namespace conduit::agent {
namespace {

// Short: a store that is held by another process must not keep the writer from its spool.
constexpr int k_busy_ms = 100;

constexpr const char* k_schema = R"(
CREATE TABLE IF NOT EXISTS requests (
    time_ms INTEGER NOT NULL, request_id TEXT NOT NULL, key_id TEXT NOT NULL, operation TEXT NOT NULL,
    provider TEXT NOT NULL, model TEXT NOT NULL, voice TEXT NOT NULL, language TEXT NOT NULL,
    status INTEGER NOT NULL, error TEXT NOT NULL, outcome TEXT NOT NULL, cache TEXT NOT NULL,
    attempts INTEGER NOT NULL, streamed INTEGER NOT NULL, bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL,
    characters INTEGER NOT NULL, audio_seconds REAL NOT NULL, cost_usd REAL NOT NULL,
    total_us INTEGER NOT NULL, first_byte_us INTEGER NOT NULL, overhead_us INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS requests_time ON requests (time_ms);
CREATE TABLE IF NOT EXISTS usage_daily (
    day TEXT NOT NULL, key_id TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
    operation TEXT NOT NULL, requests INTEGER NOT NULL, errors INTEGER NOT NULL, characters INTEGER NOT NULL,
    bytes_in INTEGER NOT NULL, bytes_out INTEGER NOT NULL, audio_seconds REAL NOT NULL, cost_usd REAL NOT NULL,
    PRIMARY KEY (day, key_id, provider, model, operation)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS writers (
    id TEXT PRIMARY KEY, number INTEGER NOT NULL, seen_ms INTEGER NOT NULL) WITHOUT ROWID;
)";

constexpr std::size_t k_max_text = 128;

std::string bounded(std::string_view text)
{
    return text.size() <= k_max_text ? std::string(text) : sanitize_utf8(text.substr(0, k_max_text));
}

Error sqlite_error(std::string_view action, const fs::path& path, const std::exception& error)
{
    return {ErrorKind::failed, fmt::format("cannot {} {}: {}", action, path.string(), error.what()),
            "Check the disk and the file's owner; records wait in the spool meanwhile."};
}

bool has_column(SQLite::Database& database, const char* table, const char* column)
{
    SQLite::Statement find(database, "SELECT count(*) FROM pragma_table_info(?) WHERE name = ?");
    find.bind(1, table);
    find.bind(2, column);
    return find.executeStep() && find.getColumn(0).getInt() > 0;
}

// One thread writes: SQLite's own mutex would only cost.
template <class T> SQLite::Database open_writable(const T& path)
{
    SQLite::Database database(path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOMUTEX,
                              k_busy_ms);
    database.exec("PRAGMA journal_mode=WAL");
    database.exec("PRAGMA synchronous=NORMAL");
    database.exec(k_schema);
    for (const char* table : {"requests", "usage_daily"}) // files of before tokens were counted
        if (!has_column(database, table, "tokens"))
            database.exec(fmt::format("ALTER TABLE {} ADD COLUMN tokens INTEGER NOT NULL DEFAULT 0", table));
    return database;
}

std::string day_of(WallTime time)
{
    return format_time(time).substr(0, 10);
}

struct UsageSums {
    std::int64_t requests = 0, errors = 0, characters = 0, bytes_in = 0, bytes_out = 0;
    std::int64_t tokens = 0;
    double audio_seconds = 0, cost_usd = 0;
};
// Views into the batch, which outlives them.
using UsageKey =
    std::tuple<std::chrono::sys_days, std::string_view, std::string_view, std::string_view, Operation>;

std::map<UsageKey, UsageSums> summed(const std::vector<RequestRecord>& records)
{
    std::map<UsageKey, UsageSums> sums;
    for (const auto& record : records) {
        auto& sum = sums[{std::chrono::floor<std::chrono::days>(record.time), record.key_id, record.provider,
                          record.model, record.operation}];
        ++sum.requests;
        sum.errors += record.status >= 400 ? 1 : 0;
        sum.characters += record.characters;
        sum.tokens += record.tokens;
        sum.bytes_in += static_cast<std::int64_t>(record.bytes_in);
        sum.bytes_out += static_cast<std::int64_t>(record.bytes_out);
        sum.audio_seconds += record.audio_seconds;
        sum.cost_usd += record.cost_usd;
    }
    return sums;
}

struct Grouping {
    std::string_view name, column;
};
constexpr std::array<Grouping, 5> k_groupings{{{"key", "key_id"},
                                               {"provider", "provider"},
                                               {"model", "model"},
                                               {"operation", "operation"},
                                               {"day", "day"}}};
constexpr std::array<std::string_view, 5> k_orders{"requests", "cost", "audio_seconds", "characters",
                                                   "tokens"};

Result<std::vector<std::string>> columns_of(const UsageQuery& query)
{
    std::vector<std::string> columns;
    for (const auto& name : query.by) {
        const auto found = std::ranges::find(k_groupings, name, &Grouping::name);
        if (found == k_groupings.end()) {
            std::vector<std::string> known;
            for (const auto& grouping : k_groupings)
                known.emplace_back(grouping.name);
            return fail(ErrorKind::usage, unknown_name("grouping", name, known),
                        fmt::format("Group by {}.", join(known, ", ")));
        }
        if (std::ranges::find(columns, found->column) == columns.end())
            columns.emplace_back(found->column);
    }
    if (columns.empty())
        columns.emplace_back("key_id");
    if (std::ranges::find(k_orders, query.order) == k_orders.end()) {
        const std::vector<std::string> known(k_orders.begin(), k_orders.end());
        return fail(ErrorKind::usage, unknown_name("order", query.order, known),
                    fmt::format("Order by {}.", join(known, ", ")));
    }
    return columns;
}

// Whole days come from the daily sums; the day in which the period begins, from its single requests.
std::string usage_sql(const std::vector<std::string>& columns, const std::string& order)
{
    return fmt::format(
        R"(SELECT {0}, sum(n), sum(errors), sum(characters), sum(bytes_in), sum(bytes_out),
                  sum(seconds), sum(cost), sum(tokens)
           FROM (SELECT day, key_id, provider, model, operation, requests AS n, errors, characters, bytes_in,
                        bytes_out, audio_seconds AS seconds, cost_usd AS cost, tokens
                 FROM usage_daily WHERE day >= ?1
                 UNION ALL
                 SELECT ?2, key_id, provider, model, operation, 1, status >= 400, characters, bytes_in,
                        bytes_out, audio_seconds, cost_usd, tokens
                 FROM requests WHERE time_ms >= ?3 AND time_ms < ?4)
           GROUP BY {0} ORDER BY {1} DESC, {0} LIMIT ?5)",
        join(columns, ", "),
        order == "cost"            ? "sum(cost)"
        : order == "audio_seconds" ? "sum(seconds)"
        : order == "characters"    ? "sum(characters)"
        : order == "tokens"        ? "sum(tokens)"
                                   : "sum(n)");
}

} // namespace

struct RecordStore::Impl {
    fs::path path;
    SQLite::Database database;
    SQLite::Statement insert{database,
                             "INSERT INTO requests VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"};
    SQLite::Statement upsert{database, R"(INSERT INTO usage_daily VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)
        ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, errors = errors + excluded.errors,
        characters = characters + excluded.characters, bytes_in = bytes_in + excluded.bytes_in,
        bytes_out = bytes_out + excluded.bytes_out, audio_seconds = audio_seconds + excluded.audio_seconds,
        cost_usd = cost_usd + excluded.cost_usd, tokens = tokens + excluded.tokens)"};
    SQLite::Statement number{database, "SELECT number FROM writers WHERE id = ?"};
    SQLite::Statement remember{database, "INSERT OR REPLACE INTO writers VALUES (?,?,?)"};

    explicit Impl(const fs::path& file) : path(file), database(open_writable(file.string())) {}

    bool known(const RecordBatch& batch)
    {
        number.reset();
        number.bind(1, batch.writer);
        const bool seen = number.executeStep() && number.getColumn(0).getInt64() >= batch.number;
        number.reset();
        return seen;
    }

    void add(const RequestRecord& r)
    {
        insert.reset();
        int at = 0;
        // Bound without a copy: the record and the names live until the statement has run.
        const std::string operation(operation_name(r.operation)), outcome(outcome_name(r.outcome)),
            cache(cache_use_name(r.cache));
        const auto name = [&](const std::string& value) { insert.bindNoCopy(++at, value); };
        const auto text = [&](const std::string& value) {
            if (value.size() <= k_max_text)
                name(value);
            else
                insert.bind(++at, bounded(value));
        };
        const auto integer = [&](auto value) { insert.bind(++at, static_cast<std::int64_t>(value)); };
        integer(r.time.time_since_epoch().count());
        text(r.request_id);
        text(r.key_id);
        name(operation);
        text(r.provider);
        text(r.model);
        text(r.voice);
        text(r.language);
        integer(r.status);
        text(r.error);
        name(outcome);
        name(cache);
        integer(r.attempts);
        integer(r.streamed ? 1 : 0);
        integer(r.bytes_in);
        integer(r.bytes_out);
        integer(r.characters);
        insert.bind(++at, r.audio_seconds);
        insert.bind(++at, r.cost_usd);
        integer(r.total_us);
        integer(r.first_byte_us);
        integer(r.overhead_us);
        integer(r.tokens);
        insert.exec();
    }

    void add(const UsageKey& key, const UsageSums& sum)
    {
        upsert.reset();
        int at = 0;
        const auto& [day, key_id, provider, model, operation] = key;
        upsert.bind(++at, day_of(day));
        for (const auto text : {key_id, provider, model, operation_name(operation)})
            upsert.bind(++at, bounded(text));
        for (const auto value : {sum.requests, sum.errors, sum.characters, sum.bytes_in, sum.bytes_out})
            upsert.bind(++at, value);
        upsert.bind(++at, sum.audio_seconds);
        upsert.bind(++at, sum.cost_usd);
        upsert.bind(++at, sum.tokens);
        upsert.exec();
    }
};

RecordStore::RecordStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RecordStore::~RecordStore() = default;

Result<std::unique_ptr<RecordStore>> RecordStore::open(const fs::path& path)
{
    if (path.has_parent_path())
        TRY(make_dirs(path.parent_path()));
    try {
        return std::unique_ptr<RecordStore>(new RecordStore(std::make_unique<Impl>(path)));
    } catch (const std::exception& error) {
        return std::unexpected(sqlite_error("open the records in", path, error));
    }
}

Result<bool> RecordStore::write(const RecordBatch& batch, WallTime now)
{
    try {
        SQLite::Transaction transaction(impl_->database, SQLite::TransactionBehavior::IMMEDIATE);
        if (impl_->known(batch))
            return false;
        for (const auto& record : batch.records)
            impl_->add(record);
        for (const auto& [key, sum] : summed(batch.records))
            impl_->add(key, sum);
        impl_->remember.reset();
        impl_->remember.bind(1, batch.writer);
        impl_->remember.bind(2, batch.number);
        impl_->remember.bind(3, static_cast<std::int64_t>(now.time_since_epoch().count()));
        impl_->remember.exec();
        transaction.commit();
        return true;
    } catch (const std::exception& error) {
        return std::unexpected(sqlite_error("write records to", impl_->path, error));
    }
}

Result<> RecordStore::ready()
{
    try {
        const SQLite::Transaction transaction(impl_->database, SQLite::TransactionBehavior::IMMEDIATE);
        return {};
    } catch (const std::exception& error) {
        return std::unexpected(sqlite_error("write records to", impl_->path, error));
    }
}

Result<std::uint64_t> RecordStore::prune(WallTime before)
{
    try {
        const std::int64_t limit = before.time_since_epoch().count();
        SQLite::Statement requests(impl_->database,
                                   "DELETE FROM requests WHERE rowid IN (SELECT rowid FROM "
                                   "requests WHERE time_ms < ? ORDER BY time_ms LIMIT 1000)");
        requests.bind(1, limit);
        const auto removed = requests.exec();
        SQLite::Statement writers(impl_->database, "DELETE FROM writers WHERE seen_ms < ?");
        writers.bind(1, limit);
        writers.exec();
        return static_cast<std::uint64_t>(removed);
    } catch (const std::exception& error) {
        return std::unexpected(sqlite_error("prune records in", impl_->path, error));
    }
}

Result<std::vector<UsageRow>> RecordStore::usage(const fs::path& path, const UsageQuery& query)
{
    TRY_ASSIGN(const auto columns, columns_of(query));
    const auto day = std::chrono::floor<std::chrono::days>(query.since);
    const bool whole_day = query.since == WallTime{day};
    const auto first_whole = whole_day ? WallTime{day} : WallTime{day + std::chrono::days{1}};
    try {
        const SQLite::Database database(path.string(), SQLite::OPEN_READONLY, 1000);
        SQLite::Statement select(database, usage_sql(columns, query.order));
        select.bind(1, day_of(first_whole));
        select.bind(2, day_of(query.since));
        select.bind(3, static_cast<std::int64_t>(query.since.time_since_epoch().count()));
        select.bind(
            4, static_cast<std::int64_t>((whole_day ? query.since : first_whole).time_since_epoch().count()));
        select.bind(5, static_cast<std::int64_t>(std::clamp<std::size_t>(query.limit, 1, 10'000)));
        std::vector<UsageRow> rows;
        while (select.executeStep()) {
            UsageRow row;
            int at = 0;
            for (const auto& column : columns) {
                auto& field = column == "key_id"     ? row.key_id
                              : column == "provider" ? row.provider
                              : column == "model"    ? row.model
                              : column == "day"      ? row.day
                                                     : row.operation;
                field = select.getColumn(at++).getString();
            }
            for (auto* count : {&row.requests, &row.errors, &row.characters, &row.bytes_in, &row.bytes_out})
                *count = static_cast<std::uint64_t>(select.getColumn(at++).getInt64());
            row.audio_seconds = select.getColumn(at++).getDouble();
            row.cost_usd = select.getColumn(at++).getDouble();
            row.tokens = static_cast<std::uint64_t>(select.getColumn(at).getInt64());
            rows.push_back(std::move(row));
        }
        return rows;
    } catch (const std::exception& error) {
        return std::unexpected(sqlite_error("read usage from", path, error));
    }
}

} // namespace conduit::agent
