// SPDX-License-Identifier: Apache-2.0
#include "cli/backend/postgres/connection.hpp"

#include "core/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

namespace conduit::postgres {
namespace {

constexpr Duration k_slice{50};    // how often Ctrl-C is looked for
constexpr Duration k_grace{5'000}; // for the server to say that it cancelled

struct Finish {
    void operator()(PGconn* connection) const { PQfinish(connection); }
};
struct Clear {
    void operator()(PGresult* result) const { PQclear(result); }
};
using Connection = std::unique_ptr<PGconn, Finish>;
using Answer = std::unique_ptr<PGresult, Clear>;

// The first line, without its severity and with no terminal escapes.
std::string plain(std::string_view text)
{
    auto line = trim(text.substr(0, text.find('\n')));
    for (const std::string_view lead : {"FATAL:  ", "ERROR:  "})
        if (const auto at = line.find(lead); at != std::string_view::npos)
            line = line.substr(at + lead.size());
    return printable(line);
}

// Of "...: FATAL:  28P01: password authentication failed", as PQERRORS_VERBOSE writes it.
std::pair<std::string, std::string> state_and_text(std::string_view text)
{
    constexpr std::size_t k_state = 5;
    for (auto at = text.find(":  "); at != std::string_view::npos; at = text.find(":  ", at + 1)) {
        const auto state = text.substr(at + 3, k_state);
        const auto rest = text.substr(std::min(text.size(), at + 3 + k_state));
        const bool coded = std::ranges::all_of(
            state, [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); });
        if (state.size() == k_state && coded && rest.starts_with(": "))
            return {std::string(state), plain(rest.substr(2))};
    }
    return {"", plain(text)};
}

std::string field_of(const PGresult* result, int which)
{
    const char* found = PQresultErrorField(result, which);
    return found == nullptr ? std::string() : printable(found);
}

std::string hint_of(std::string_view state, const Settings& settings)
{
    if (state.starts_with("28"))
        return "See whose password is used: conduitctl context show. Set it: conduitctl context set "
               "postgres.password file:PATH";
    if (state == "3D000")
        return "Name one that exists: conduitctl context set postgres.database NAME";
    if (state == "53300")
        return "The last slots are kept for superusers: name one with conduitctl context set postgres.user "
               "NAME, then see who has the others: conduitctl db connections --by user";
    if (state == "42501")
        return fmt::format("Ask for the privilege for role {}, or name another role: conduitctl context set "
                           "postgres.user NAME",
                           settings.user);
    if (state == "55P03")
        return "See who holds the lock: conduitctl db status, and try again.";
    return {};
}

class PostgresDatabase final : public Database {
  public:
    PostgresDatabase(Settings settings, std::function<Result<Late>(Deadline)> late, const Cancel* cancel)
        : settings_(std::move(settings)), make_late_(std::move(late)), cancel_(cancel)
    {
    }

    std::string identity() const override { return settings_.identity; }

    Result<SqlResult> run(const SqlRequest& request, Deadline deadline) override
    {
        TRY(connect(deadline));
        notices_.clear();
        return exchange(request, deadline);
    }

  private:
    bool stopping() const { return cancel_ != nullptr && cancel_->requested(); }
    Error fault(ErrorKind kind, std::string_view what) const
    {
        return {kind, fmt::format("{}: {}", settings_.identity, what)};
    }
    Result<> connect(Deadline deadline);
    Result<Connection> start();
    Result<> log_in(PGconn* connection, Deadline deadline);
    Error login_error(PGconn* connection) const;
    Result<> refuse_pooler(Deadline deadline);
    Result<> prepare_session(Deadline deadline);
    // false: nothing came in this slice.
    static bool ready(const PGconn* connection, bool writing, Deadline deadline);

    Result<SqlResult> exchange(const SqlRequest& request, Deadline deadline);
    Result<> send(const SqlRequest& request, Deadline deadline);
    struct Reading {
        SqlResult result;
        std::size_t bytes = 0;
        std::optional<Error> error;
        bool copying = false;
        bool cancelled = false; // by us
    };
    Result<bool> await(Reading& reading, Deadline& deadline, ErrorKind& why);
    void take(const PGresult* answer, const SqlRequest& request, Reading& reading);
    void take_rows(const PGresult* answer, const SqlLimits& limits, Reading& reading);
    Error error_of(const PGresult* answer) const;
    Error lost() const;
    void cancel_there();

    const Settings settings_;
    std::function<Result<Late>(Deadline)> make_late_;
    const Cancel* const cancel_;
    std::optional<Late> late_; // outlives the connection
    std::vector<std::string> notices_;
    Connection connection_;
};

bool PostgresDatabase::ready(const PGconn* connection, bool writing, Deadline deadline)
{
    pollfd wait{.fd = PQsocket(connection),
                .events = static_cast<short>(writing ? POLLIN | POLLOUT : POLLIN),
                .revents = 0};
    const auto slice = std::min(k_slice, deadline.left());
    return ::poll(&wait, 1, static_cast<int>(slice.count()) + 1) > 0;
}

Result<Connection> PostgresDatabase::start()
{
    const auto& host = late_->host.empty() ? settings_.host : late_->host;
    const auto port = std::to_string(settings_.port);
    const std::array<std::pair<const char*, std::string>, 10> given{{
        {"host", host},
        {"port", port},
        {"dbname", settings_.database},
        {"user", settings_.user},
        {"password", late_->password},
        {"sslmode", settings_.ssl_mode},
        {"sslrootcert", settings_.ca},
        {"application_name", "conduitctl"},
        {"client_encoding", "UTF8"},
        {"keepalives_idle", "30"},
    }};
    std::vector<const char*> names, values;
    for (const auto& [name, value] : given)
        if (!value.empty()) {
            names.push_back(name);
            values.push_back(value.c_str());
        }
    names.push_back(nullptr);
    values.push_back(nullptr);
    Connection connection(PQconnectStartParams(names.data(), values.data(), 0));
    if (!connection)
        return fail(ErrorKind::failed, "no memory for a connection");
    PQsetErrorVerbosity(connection.get(), PQERRORS_VERBOSE); // with the SQLSTATE, which is kept nowhere else
    return connection;
}

Error PostgresDatabase::login_error(PGconn* connection) const
{
    if (late_->fault)
        if (const auto broken = late_->fault())
            return fault(broken->kind, broken->message).with_hint(broken->hint);
    const auto [state, text] = state_and_text(PQerrorMessage(connection));
    const bool password = PQconnectionNeedsPassword(connection) != 0 || text.contains("no password supplied");
    const auto kind = password        ? ErrorKind::auth
                      : state.empty() ? ErrorKind::unreachable
                                      : kind_of_state(state);
    auto error = fault(kind == ErrorKind::unknown ? ErrorKind::unreachable : kind, text);
    error.hint = hint_of(password ? "28" : state, settings_);
    if (error.hint.empty() && error.kind == ErrorKind::unreachable)
        error.hint = "See where it is looked for: conduitctl context show";
    if (!state.empty())
        error.details["sqlstate"] = state;
    return error;
}

Result<> PostgresDatabase::log_in(PGconn* connection, Deadline deadline)
{
    auto step = PQstatus(connection) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    while (step != PGRES_POLLING_OK) {
        if (step == PGRES_POLLING_FAILED)
            return login_error(connection);
        if (stopping())
            return fail(ErrorKind::interrupted, "interrupted");
        if (deadline.passed())
            return fault(ErrorKind::unreachable, "no connection in time")
                .with_hint("Give it longer with --timeout, or see where it is looked for: conduitctl context "
                           "show");
        pollfd wait{.fd = PQsocket(connection),
                    .events = static_cast<short>(step == PGRES_POLLING_READING ? POLLIN : POLLOUT),
                    .revents = 0};
        const auto slice = std::min(k_slice, deadline.left());
        if (::poll(&wait, 1, static_cast<int>(slice.count()) + 1) > 0)
            step = PQconnectPoll(connection);
    }
    return {};
}

Result<> PostgresDatabase::connect(Deadline deadline)
{
    if (connection_ && PQstatus(connection_.get()) == CONNECTION_OK)
        return {};
    connection_.reset();
    if (!late_) {
        TRY_ASSIGN(late_, make_late_(deadline));
    }
    TRY_ASSIGN(auto made, start());
    TRY(log_in(made.get(), deadline));
    PQsetErrorVerbosity(made.get(), PQERRORS_DEFAULT);
    PQsetNoticeReceiver(
        made.get(),
        [](void* self, const PGresult* notice) {
            auto& all = static_cast<PostgresDatabase*>(self)->notices_;
            if (all.size() < 100 && field_of(notice, PG_DIAG_SEVERITY_NONLOCALIZED) == "WARNING")
                all.push_back(field_of(notice, PG_DIAG_MESSAGE_PRIMARY));
        },
        this);
    if (PQsetnonblocking(made.get(), 1) != 0)
        return fault(ErrorKind::failed, "the connection cannot be used without waiting");
    connection_ = std::move(made);
    if (auto prepared = prepare_session(deadline); !prepared) {
        connection_.reset();
        return prepared;
    }
    return {};
}

// A pooler shares the server's sessions among its clients: what is set in one of them would be set in theirs,
// and a session may be another one at the next statement. It shows, for the process that it names is not the
// server's.
Result<> PostgresDatabase::refuse_pooler(Deadline deadline)
{
    TRY_ASSIGN(const auto own, exchange({.text = "SELECT pg_catalog.pg_backend_pid() AS pid"}, deadline));
    if (own.value("pid") == std::to_string(PQbackendPID(connection_.get())))
        return {};
    return fault(ErrorKind::failed, "a pooler answers there, whose sessions belong to others too")
        .with_hint("Name the server itself: conduitctl context set postgres.host HOST");
}

// No object of a user's stands in for one of the system's; time limits are ours; a statement whose client has
// died ends.
Result<> PostgresDatabase::prepare_session(Deadline deadline)
{
    const SqlRequest request{
        .text = "SELECT pg_catalog.set_config(s.name, v.value, false) FROM (VALUES "
                "('search_path', 'pg_catalog'), ('statement_timeout', '0'), ('lock_timeout', '0'), "
                "('idle_in_transaction_session_timeout', '0'), ('idle_session_timeout', '0'), "
                "('client_connection_check_interval', '2000'), ('timezone', 'UTC'), ('datestyle', 'ISO'), "
                "('intervalstyle', 'postgres'), ('bytea_output', 'hex'), ('lc_messages', 'C')) "
                "AS v (name, value) JOIN pg_catalog.pg_settings s ON s.name OPERATOR(pg_catalog.=) v.name "
                "WHERE v.name OPERATOR(pg_catalog.<>) 'lc_messages' OR pg_catalog.current_setting("
                "'is_superuser') OPERATOR(pg_catalog.=) 'on'"};
    TRY(refuse_pooler(deadline));
    TRY(exchange(request, deadline));
    return {};
}

Error PostgresDatabase::lost() const
{
    if (late_ && late_->fault)
        if (const auto broken = late_->fault())
            return fault(ErrorKind::unknown, "the connection ended before the answer")
                .with_cause(broken->message);
    return fault(ErrorKind::unknown, "the connection ended before the answer")
        .with_cause(plain(PQerrorMessage(connection_.get())))
        .with_hint("See whether the server runs: conduitctl db ping");
}

Result<> PostgresDatabase::send(const SqlRequest& request, Deadline deadline)
{
    std::vector<const char*> values;
    for (const auto& value : request.values) {
        if (value && value->contains('\0'))
            return fail(ErrorKind::usage, "a value has a NUL byte, which PostgreSQL cannot keep");
        values.push_back(value ? value->c_str() : nullptr);
    }
    if (request.text.contains('\0'))
        return fail(ErrorKind::usage, "a statement has a NUL byte");
    auto* connection = connection_.get();
    if (PQsendQueryParams(connection, request.text.c_str(), static_cast<int>(values.size()), nullptr,
                          values.data(), nullptr, nullptr, 0) == 0)
        return fault(ErrorKind::unreachable, plain(PQerrorMessage(connection)));
    PQsetSingleRowMode(connection);
    while (true) {
        const int left = PQflush(connection);
        if (left == 0)
            break;
        if (left < 0)
            return lost();
        if (deadline.passed() || stopping()) { // the server has half of it: this connection is done
            connection_.reset();
            return stopping() ? Error{ErrorKind::interrupted, "interrupted"}
                              : fault(ErrorKind::unreachable, "the statement could not be sent in time");
        }
        if (ready(connection, true, deadline) && PQconsumeInput(connection) == 0)
            return lost();
    }
    if (request.sent)
        request.sent();
    return {};
}

void PostgresDatabase::cancel_there()
{
    PGcancel* cancel = PQgetCancel(connection_.get());
    std::array<char, 256> why{};
    (void)PQcancel(cancel, why.data(),
                   static_cast<int>(why.size())); // whether it did is read from the answer
    PQfreeCancel(cancel);
}

// true: an answer can be taken without waiting.
Result<bool> PostgresDatabase::await(Reading& reading, Deadline& deadline, ErrorKind& why)
{
    auto* connection = connection_.get();
    if (PQisBusy(connection) == 0)
        return true;
    if (!reading.cancelled && (deadline.passed() || stopping())) {
        why = stopping() ? ErrorKind::interrupted : ErrorKind::failed;
        reading.cancelled = true;
        deadline = Deadline(k_grace);
        cancel_there();
    } else if (reading.cancelled && deadline.passed()) {
        connection_.reset();
        return fault(ErrorKind::unknown, "the server did not say that it cancelled the statement")
            .with_hint("See whether it still runs: conduitctl db slow");
    }
    if (ready(connection, false, deadline) && PQconsumeInput(connection) == 0 && PQisBusy(connection) != 0)
        return lost();
    return false;
}

Error PostgresDatabase::error_of(const PGresult* answer) const
{
    const auto state = field_of(answer, PG_DIAG_SQLSTATE);
    if (state.empty())
        return lost();
    auto error = fault(kind_of_state(state), field_of(answer, PG_DIAG_MESSAGE_PRIMARY));
    error.hint = hint_of(state, settings_);
    if (error.hint.empty() && !field_of(answer, PG_DIAG_MESSAGE_HINT).empty())
        error.hint = field_of(answer, PG_DIAG_MESSAGE_HINT);
    if (!state.starts_with("22") && !state.starts_with("23")) // these quote what is in the rows
        error.cause = field_of(answer, PG_DIAG_MESSAGE_DETAIL);
    error.details["sqlstate"] = state;
    return error;
}

void PostgresDatabase::take_rows(const PGresult* answer, const SqlLimits& limits, Reading& reading)
{
    auto& result = reading.result;
    const int width = PQnfields(answer);
    if (result.columns.empty())
        for (int i = 0; i < width; ++i)
            result.columns.push_back({PQfname(answer, i), PQftype(answer, i)});
    for (int row = 0; row < PQntuples(answer) && !result.truncated; ++row) {
        std::vector<SqlValue> values;
        std::size_t bytes = 0;
        for (int i = 0; i < width; ++i) {
            const auto size = static_cast<std::size_t>(PQgetlength(answer, row, i));
            bytes += size + sizeof(SqlValue);
            values.push_back(PQgetisnull(answer, row, i) != 0
                                 ? SqlValue()
                                 : SqlValue(std::string(PQgetvalue(answer, row, i), size)));
        }
        if (result.rows.size() >= limits.rows || reading.bytes + bytes > limits.bytes) {
            result.truncated = true;
            if (!reading.cancelled)
                cancel_there(); // the server need not make the rest
            return;
        }
        reading.bytes += bytes;
        result.rows.push_back(std::move(values));
    }
}

void PostgresDatabase::take(const PGresult* answer, const SqlRequest& request, Reading& reading)
{
    switch (PQresultStatus(answer)) {
    case PGRES_SINGLE_TUPLE:
    case PGRES_TUPLES_OK:
        take_rows(answer, request.limits, reading);
        [[fallthrough]];
    case PGRES_COMMAND_OK: {
        const std::string_view count = PQcmdTuples(const_cast<PGresult*>(answer)); // NOLINT: it reads only
        std::from_chars(count.data(), count.data() + count.size(), reading.result.affected);
        return;
    }
    case PGRES_EMPTY_QUERY:
        reading.error = Error{ErrorKind::usage, "the statement is empty"};
        return;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
        reading.copying = true;
        reading.error = Error{ErrorKind::refused, "COPY cannot be spoken here", "Use SELECT."};
        return;
    default:
        if (!reading.result.truncated || sql_state(error_of(answer)) != "57014")
            reading.error = error_of(answer);
        return;
    }
}

Result<SqlResult> PostgresDatabase::exchange(const SqlRequest& request, Deadline deadline)
{
    TRY(send(request, deadline));
    Reading reading;
    auto why = ErrorKind::failed;
    const auto started = std::chrono::steady_clock::now();
    while (true) {
        TRY_ASSIGN(const bool there, await(reading, deadline, why));
        if (!there)
            continue;
        const Answer answer(PQgetResult(connection_.get()));
        if (!answer)
            break;
        take(answer.get(), request, reading);
        if (reading.copying) {
            connection_.reset();
            break;
        }
    }
    if (reading.cancelled && reading.error && sql_state(*reading.error) == "57014") {
        const auto took = std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now() - started);
        if (why == ErrorKind::interrupted)
            return fail(why, "interrupted: the server cancelled the statement");
        return fault(why, fmt::format("cancelled on the server after {}", human_duration(took)))
            .with_hint("Give it longer: --timeout 5m")
            .with_detail("sqlstate", "57014");
    }
    if (reading.error)
        return *std::move(reading.error);
    reading.result.notices = std::exchange(notices_, {});
    return std::move(reading.result);
}

} // namespace

std::unique_ptr<Database> make_database(Settings settings, std::function<Result<Late>(Deadline)> late,
                                        const Cancel* cancel)
{
    return std::make_unique<PostgresDatabase>(std::move(settings), std::move(late), cancel);
}

} // namespace conduit::postgres
