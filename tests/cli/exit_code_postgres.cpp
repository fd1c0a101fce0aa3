// SPDX-License-Identifier: Apache-2.0
// The verbs of `db`, against a PostgreSQL in memory; tests/integration/postgres has a real one.
#include "tests/cli/exit_codes.hpp"
#include "tests/support/fakes/fake_database.hpp"

#include "cli/targets/postgres.hpp"
#include "cli/targets/postgres_restart.hpp"

namespace conduit::test {
namespace {

using enum ErrorKind;

class BorrowedDatabase final : public Database {
  public:
    explicit BorrowedDatabase(Database& to) : to_(to) {}
    std::string identity() const override { return to_.identity(); }
    Result<SqlResult> run(const SqlRequest& r, Deadline d) override { return to_.run(r, d); }

  private:
    Database& to_;
};

// A workload whose restart starts the server anew.
class FakeRestart final : public ops::Target {
  public:
    explicit FakeRestart(FakeDatabase& database) : database_(database) {}
    std::string kind() const override { return "kubernetes"; }
    std::string identity() const override { return "fake"; }
    std::string name() const override { return "fake"; }
    Result<ops::FieldMap> observe(std::span<const std::string>, Deadline) override { return ops::FieldMap{}; }
    Result<ops::Applied> apply(const ops::WriteContext&, const ops::Step&) override
    {
        database_.started_anew = true;
        return ops::Applied{.observed = "restarted", .data = {}};
    }
    Result<std::optional<ops::Applied>> find(const ops::StepKey&, const ops::Step&, Deadline) override
    {
        return std::optional<ops::Applied>{};
    }
    Result<> verify(const ops::Step&, const ops::Applied&, Deadline, ops::Progress&) override { return {}; }

  private:
    FakeDatabase& database_;
};

std::shared_ptr<FakeDatabase> add_database(Stage& s)
{
    auto database = std::make_shared<FakeDatabase>();
    database->cancel = &s.world.app.cancel;
    s.world.more = [database](App& app) {
        app.database_slot.set([database](App& a) -> Result<std::unique_ptr<Database>> {
            TRY(a.context());
            return std::make_unique<BorrowedDatabase>(*database);
        });
        app.operations_slot.set([database](App& a) -> Result<std::unique_ptr<Operations>> {
            auto operations = std::make_unique<Operations>(a);
            operations->add_target("postgres", [database](App& b) -> Result<std::unique_ptr<ops::Target>> {
                return std::make_unique<ops::PostgresTarget>(*database, b.clock(), &b.cancel());
            });
            operations->add_target("kubernetes", [](App& b) -> Result<std::unique_ptr<ops::Target>> {
                TRY_ASSIGN(Orchestrator * found, b.orchestrator());
                return std::make_unique<ops::WorkloadTarget>(*found, "fake", ops::InstanceProbe{},
                                                             &b.cancel());
            });
            operations->add_target(
                "postgres-restart", [database](App& b) -> Result<std::unique_ptr<ops::Target>> {
                    struct Both final : ops::Target {
                        explicit Both(FakeDatabase& d, App& app)
                            : workloads(d), restart(d, workloads, app.clock(), &app.cancel())
                        {
                        }
                        std::string kind() const override { return restart.kind(); }
                        std::string identity() const override { return restart.identity(); }
                        std::string name() const override { return restart.name(); }
                        Result<ops::FieldMap> observe(std::span<const std::string> p, Deadline d) override
                        {
                            return restart.observe(p, d);
                        }
                        Result<ops::Applied> apply(const ops::WriteContext& c, const ops::Step& s) override
                        {
                            return restart.apply(c, s);
                        }
                        Result<std::optional<ops::Applied>> find(const ops::StepKey& k, const ops::Step& s,
                                                                 Deadline d) override
                        {
                            return restart.find(k, s, d);
                        }
                        Result<> verify(const ops::Step& s, const ops::Applied& a, Deadline d,
                                        ops::Progress& p) override
                        {
                            return restart.verify(s, a, d, p);
                        }
                        FakeRestart workloads;
                        ops::PostgresRestartTarget restart;
                    };
                    return std::make_unique<Both>(*database, b);
                });
            return operations;
        });
    };
    return database;
}

Inject says(std::string word, ErrorKind kind)
{
    return [=](Stage& s) { add_database(s)->faults[word] = {kind, "the server says no"}; };
}

Inject with(Words more)
{
    return [more = std::move(more)](Stage& s) {
        add_database(s);
        s.words.insert(s.words.end(), more.begin(), more.end());
    };
}

Inject plainly(std::function<void(Stage&)> then)
{
    return [then = std::move(then)](Stage& s) {
        add_database(s);
        then(s);
    };
}

void interrupt(Stage& s)
{
    add_database(s);
    s.world.more = [wire = s.world.more, &cancel = s.world.app.cancel](App& app) {
        wire(app);
        cancel.request();
    };
}

void hold_locks(Stage& s)
{
    add_database(s);
    s.hold_every_lock();
    ops::FlockStore locks(s.file("state/conduitctl/locks"), s.world.app.clock);
    const ops::LockOwner jonas{.operator_name = "jonas", .host = "ops2", .reason = "a drill"};
    for (const auto* scope : {"settings", "tables", "sessions"})
        s.held.push_back(locks.acquire({"postgres fake", scope}, jonas).value());
    s.held.push_back(locks.acquire({"fake", "workload/agent"}, jonas).value());
}

Faults read_faults()
{
    return {{ok, plainly([](Stage&) {})},          {usage, with({"--no-such-flag"})},
            {not_found, with({"-C", "nope"})},     {interrupted, interrupt},
            {failed, says("*", failed)},           {auth, says("*", auth)},
            {unreachable, says("*", unreachable)}, {unknown, says("*", unknown)}};
}

constexpr auto k_context =
    "contexts: {local: {orchestrator: kubernetes, kubernetes: {namespace: production}, postgres: "
    "{service: postgres, password: 'file:~/none'}";

Inject protect(std::string rest)
{
    return plainly([rest](Stage& s) { s.world.app.write_config(rest + ", guards: {protected: true}}}\n"); });
}

// word: of the statement that changes.
Faults change_faults(const std::string& word, std::string context = "contexts: {local: {postgres: {host: db}")
{
    auto faults = read_faults();
    faults[failed] = says(word, failed);
    faults[auth] = says(word, auth);
    faults[unknown] = says(word, unknown);
    faults[refused] = protect(std::move(context));
    faults[locked] = hold_locks;
    faults[unverified] = with({"--no-wait"});
    faults[partial] = [word](Stage& s) {
        const auto database = add_database(s);
        database->before = [&app = s.world.app, word](const std::string& now) {
            if (now == word)
                app.cancel.request();
        };
    };
    return faults;
}

// Somebody else writes just before it is asked for the nth time.
Inject meddle(std::string word, int nth, std::function<void(FakeDatabase&)> then)
{
    return [=](Stage& s) {
        const auto database = add_database(s);
        database->before = [raw = database.get(), word, then, nth, n = 0](const std::string& now) mutable {
            if (now == word && ++n == nth)
                then(*raw);
        };
    };
}

// The server says yes and does nothing.
Inject ignores(std::string word)
{
    return [=](Stage& s) {
        add_database(s)->answers[word] = [](const SqlRequest&) -> Result<SqlResult> { return SqlResult{}; };
    };
}

// What was written cannot be used.
void cannot_use(Stage& s)
{
    const auto database = add_database(s);
    database->answers["setting"] = [raw = database.get(),
                                    old = database->answers["setting"]](const SqlRequest& r) {
        auto result = old(r);
        if (raw->settings.contains("work_mem") && result)
            result->rows[0].back() = "setting could not be applied";
        return result;
    };
}

void cancel_at_reload(Stage& s)
{
    add_database(s)->before = [&app = s.world.app](const std::string& word) {
        if (word == "reload")
            app.cancel.request();
    };
}

// The second time it is asked.
Inject second(const std::string& word, ErrorKind kind)
{
    return [=](Stage& s) {
        const auto database = add_database(s);
        database->before = [raw = database.get(), word, kind, n = 0](const std::string& now) mutable {
            if (now == word && ++n == 2)
                raw->faults[word] = {kind, "the server says no"};
        };
    };
}

} // namespace

std::vector<Case> postgres_cases()
{
    static const Faults read = read_faults();
    static const Faults kill = change_faults("end-session");
    static const Faults vacuum = change_faults("vacuum");
    static const Faults reindex = change_faults("reindex");
    static const Faults create = change_faults("index-create");
    static const Faults drop = change_faults("index-drop");
    static const Faults archive = change_faults("archive");
    static const Faults tune = change_faults("alter-system");
    static const Faults restart = change_faults("checkpoint", k_context);
    const auto standby = [](Stage& s) {
        add_database(s)->answer("ping", {{"one", "1"}, {"version", "15"}, {"standby", "t"}, {"usr", "x"}});
        s.words.insert(s.words.end(), {"--primary", "--timeout", "1ms"});
    };
    const auto gone = [](Stage& s) {
        add_database(s)->faults["*"] = {unreachable, "nobody listens"};
        s.words.insert(s.words.end(), {"--timeout", "1ms"});
    };
    const auto lost = [](Stage& s) {
        add_database(s)->faults["*"] = {unknown, "the connection ended"};
        s.words.insert(s.words.end(), {"--timeout", "1ms"});
    };
    const auto bare = [](const char* statement) {
        return plainly([statement](Stage& s) { s.words = {"db", "query", statement}; });
    };
    return {
        {.verb = "db ping", .words = {"db", "ping"}, .faults = &read},
        {.verb = "db wait",
         .words = {"db", "wait"},
         .faults = &read,
         .more = {{unverified, standby}, {unreachable, gone}, {unknown, lost}}},
        {.verb = "db status", .words = {"db", "status"}, .faults = &read},
        {.verb = "db connections", .words = {"db", "connections"}, .faults = &read},
        {.verb = "db limit", .words = {"db", "limit"}, .faults = &read},
        {.verb = "db sizes", .words = {"db", "sizes"}, .faults = &read},
        {.verb = "db indexes", .words = {"db", "indexes"}, .faults = &read},
        {.verb = "db slow", .words = {"db", "slow"}, .faults = &read},
        {.verb = "db query",
         .words = {"db", "query", "SELECT 1"},
         .faults = &read,
         .more = {{refused, bare("DROP TABLE logs")}}},
        {.verb = "db kill-idle",
         .words = {"db", "kill-idle", "-y"},
         .faults = &kill,
         .more = {{partial, second("end-session", failed)}}},
        {.verb = "db vacuum",
         .words = {"db", "vacuum", "-y"},
         .faults = &vacuum,
         .more = {{partial, second("vacuum", failed)}}},
        {.verb = "db analyze",
         .words = {"db", "analyze", "-y"},
         .faults = &vacuum,
         .more = {{partial, second("vacuum", failed)}}},
        {.verb = "db reindex", .words = {"db", "reindex", "logs", "-y"}, .faults = &reindex},
        {.verb = "db index create",
         .words = {"db", "index", "create", "logs", "at", "-y"},
         .faults = &create,
         .more = {{rolled_back, ignores("index-create")},
                  {stale,
                   meddle("index", 3, [](FakeDatabase& d) { d.indexes["idx_logs_at"] = "another"; })}}},
        {.verb = "db index drop",
         .words = {"db", "index", "drop", "by_time", "-y"},
         .faults = &drop,
         .more = {{rolled_back, ignores("index-drop")},
                  {stale, meddle("index", 2, [](FakeDatabase& d) { d.indexes["by_time"] = "another"; })}}},
        {.verb = "db archive",
         .words = {"db", "archive", "logs", "-y"},
         .faults = &archive,
         .more = {{partial, second("archive", failed)}}},
        {.verb = "db tune",
         .words = {"db", "tune", "work_mem=8MB", "-y"},
         .faults = &tune,
         .more = {{partial, cancel_at_reload},
                  {rolled_back, cannot_use},
                  {stale, meddle("setting", 3, [](FakeDatabase& d) { d.settings["work_mem"] = "1MB"; })}}},
        {.verb = "db restart",
         .words = {"db", "restart", "--workload", "agent", "--confirm", "agent", "--reason", "a drill", "-y"},
         .faults = &restart,
         .before = [](Stage& s) { s.world.app.write_config(std::string(k_context) + "}}\n"); }},
    };
}

} // namespace conduit::test
