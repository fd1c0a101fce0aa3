// SPDX-License-Identifier: Apache-2.0
// kill -9 of conduitctl at every moment of every changing verb. The agents and the orchestrator outlive it:
// their state is in files. Afterwards the journal lets resume finish or undo return, and what holds then is
// exactly the wanted or the earlier state.
#include "core/text.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/change_rows.hpp"
#include "tests/support/fakes/child.hpp"
#include "tests/support/fakes/fake_world.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

using namespace conduit;
using namespace conduit::ops;
using namespace conduit::test;

namespace {

struct Moment {
    std::string_view point;
    int nth = 1;
    bool failing = false; // the effect does not come about, so that the change is taken back
};

std::vector<Moment> moments_of(const ChangeRow& row)
{
    std::vector<Moment> all{{k_after_begin}};
    for (int n = 1; n <= row.steps; ++n)
        for (const auto point : {k_before_send, k_sent, k_replied, k_recorded})
            all.push_back({point, n});
    all.push_back({k_verifying});
    all.push_back({k_before_end});
    return all;
}

std::vector<Moment> failing_moments_of(const ChangeRow& row)
{
    std::vector<Moment> all;
    for (int n = 1; n <= row.steps; ++n)
        for (const auto& [point, nth] :
             {std::pair{k_compensating, n}, std::pair{k_sent, row.steps + n}, std::pair{k_compensated, n}})
            all.push_back({point, nth, true});
    return all;
}

class Scene {
  public:
    explicit Scene(const ChangeRow& row)
    {
        world.app.write_config("contexts: {local: {guards: {max_replicas: 5}}}\n");
        world.agents.keep_in(world.app.home() / "agents.json");
        world.orchestrator.keep_in(world.app.home() / "orchestrator.json");
        world.releases.keep_in(world.app.home() / "releases.json");
        REQUIRE(write_file(world.app.home() / "overrides.yaml",
                           "providers/openai/weight: 50\ncache/enabled: false\n"));
        world.agents.config_file = world.app.home() / "agent.yaml";
        REQUIRE(write_file(world.agents.config_file,
                           "providers:\n  openai: # the first\n    weight: 70\n  google:\n    weight: 20\n"));
        for (const auto& line : row.before)
            run(line);
        words_ = row.words;
        for (auto& word : words_) {
            if (word == "FILE")
                word = (world.app.home() / "overrides.yaml").string();
            if (word == "ID")
                word = newest();
        }
        before = dump();
    }

    int run(const Words& words)
    {
        const auto result = world.app.run(words);
        last_error = result.err;
        return result.code;
    }
    int run_it() { return run(words_); }

    // The change, in a process that dies at that moment.
    void killed(const Moment& moment) { killed(words_, moment); }
    void killed(const Words& words, const Moment& moment)
    {
        const int status = run_in_child([&] {
            world.crash = [&] { return std::make_unique<KillAt>(std::string(moment.point), moment.nth); };
            if (moment.failing)
                make_fail();
            return world.app.run(words).code;
        });
        REQUIRE(WIFSIGNALED(status));
        REQUIRE(WTERMSIG(status) == SIGKILL);
    }

    void make_fail()
    {
        world.releases.broken_writes = 1;
        world.orchestrator.after_call = [this, calls = 0](const std::string&) mutable {
            world.orchestrator.most_alive = ++calls == 1 ? 0 : 50;
        };
        world.agents.after_call = [this](const AgentCall& call) {
            if (call.method == "PATCH" && world.agents.cannot_apply.empty())
                for (const auto& [path, value] : (*call.body)["set"].items())
                    world.agents.cannot_apply[path] = value;
        };
    }

    std::string dump()
    {
        world.agents.keep_in(world.app.home() / "agents.json");
        world.orchestrator.keep_in(world.app.home() / "orchestrator.json");
        world.releases.keep_in(world.app.home() / "releases.json");
        return world.releases.dump() + world.agents.dump() + std::to_string(world.orchestrator.wanted) + "/" +
               std::to_string(world.orchestrator.restarts) + read_file(world.agents.config_file).value();
    }
    std::vector<std::string> unfinished()
    {
        const Journal journal(folder(), world.app.clock);
        std::vector<std::string> ids;
        const auto open = journal.operations({.unfinished_only = true}).value();
        for (const auto& record : open)
            ids.push_back(record.id);
        return ids;
    }
    std::string newest()
    {
        return Journal(folder(), world.app.clock).operations({.limit = 1}).value().at(0).id;
    }
    void check_sound()
    {
        CHECK(unfinished().empty());
        CHECK(Journal(folder(), world.app.clock).verify()->faults.empty());
        CHECK(FlockStore(world.app.home() / "state/conduitctl/locks", world.app.clock).list()->empty());
    }

    FakeWorld world;
    std::string before;
    std::string last_error;

  private:
    fs::path folder() const { return world.app.home() / "state/conduitctl/journal"; }
    Words words_;
};

// What a severe change is asked for again, whoever resumes it.
Words with_consent(Words words, const ChangeRow& row)
{
    for (const auto* flag : {"--confirm", "--reason"})
        if (const auto given = std::ranges::find(row.words, flag); given != row.words.end())
            words.insert(words.end(), given, given + 2);
    return words;
}

std::string wanted_of(const ChangeRow& row)
{
    Scene scene(row);
    const int code = scene.run_it();
    INFO(scene.last_error);
    REQUIRE(code == 0);
    REQUIRE(scene.dump() != scene.before);
    return scene.dump();
}

void nothing_happened_before_begin(const ChangeRow& row, const std::string& wanted)
{
    Scene scene(row);
    scene.killed({k_before_begin});
    CHECK(scene.dump() == scene.before);
    scene.check_sound();
    CHECK(scene.run_it() == 0); // its lock died with it
    CHECK(scene.dump() == wanted);
}

void resume_finishes(const ChangeRow& row, const Moment& moment, const std::string& wanted)
{
    Scene scene(row);
    scene.killed(moment);
    const auto open = scene.unfinished();
    REQUIRE(open.size() == 1);
    const int code = scene.run(with_consent({"resume", open.front(), "-y"}, row));
    INFO(scene.last_error);
    CHECK(code == (moment.failing ? 9 : 0));
    CHECK(scene.dump() == (moment.failing ? scene.before : wanted));
    scene.check_sound();
}

void undo_returns(const ChangeRow& row, const Moment& moment, const std::string& wanted)
{
    Scene scene(row);
    scene.killed(moment);
    const bool happened = scene.dump() == wanted;
    const auto open = scene.unfinished();
    REQUIRE(open.size() == 1);
    const int code = scene.run({"undo", open.front(), "-y"});
    INFO(scene.last_error);
    if (!row.reversible && happened) { // it says so, and resume remains
        CHECK(code == 3);
        CHECK(scene.run({"resume", open.front(), "-y"}) == 0);
        CHECK(scene.dump() == wanted);
    } else {
        CHECK(code == 0);
        CHECK(scene.dump() == scene.before);
    }
    scene.check_sound();
}

} // namespace

TEST_CASE("every changing verb has its row, and every row is a changing verb")
{
    // resume has its own test below; exec and cp are never repeated
    // (tests/unit/cli/commands/inside_test.cpp). `secret set` stands apart because its value is in no
    // journal, `dump` because it leaves nothing behind, `volume expand` and `cert renew` because a driver and
    // cert-manager carry them out (tests/contract/operations), and those of Redis, whose servers keep no keys
    // of ours, so that nothing of them is ever repeated (tests/integration/redis); killed at each moment they
    // are not tested yet. Those of backups are killed at
    // every moment in tests/integration/backup. The verbs of `db` are cut off by a real server that dies:
    // tests/integration/postgres.
    std::set<std::string> rows{"resume",
                               "exec",
                               "cp",
                               "secret set",
                               "dump",
                               "volume expand",
                               "cert renew",
                               "backup run",
                               "backup prune",
                               "db vacuum",
                               "db analyze",
                               "db kill-idle",
                               "db index create",
                               "db index drop",
                               "db reindex",
                               "db archive",
                               "db tune",
                               "db restart",
                               "redis save",
                               "redis failover",
                               "redis config set",
                               "redis cluster failover",
                               "redis cluster rejoin"};
    for (const auto& row : change_rows())
        CHECK(row.variant != rows.insert(row.verb).second);
    for (const Noun& noun : commands::all())
        for (const Verb& verb : noun.verbs) {
            INFO(command_path(noun, verb));
            const bool changes = verb.doc.effect == Effect::change || verb.doc.effect == Effect::destroy;
            CHECK(rows.erase(command_path(noun, verb)) == (changes ? 1U : 0U));
        }
    CHECK(rows.empty());
}

TEST_CASE("a verb killed at any moment leaves what resume finishes and undo takes back")
{
    for (const auto& row : change_rows()) {
        INFO("conduitctl " << join(row.words, " "));
        const auto wanted = wanted_of(row);
        nothing_happened_before_begin(row, wanted);
        for (const auto& moment : moments_of(row)) {
            INFO("killed at " << moment.point << " " << moment.nth);
            resume_finishes(row, moment, wanted);
            undo_returns(row, moment, wanted);
        }
    }
}

TEST_CASE("a verb killed while it is taken back is taken back by resume, and by undo")
{
    for (const auto& row : change_rows()) {
        if (row.cannot_fail || !row.reversible)
            continue;
        INFO("conduitctl " << join(row.words, " "));
        const auto wanted = wanted_of(row);
        for (const auto& moment : failing_moments_of(row)) {
            INFO("killed at " << moment.point << " " << moment.nth);
            resume_finishes(row, moment, wanted);
            undo_returns(row, moment, wanted);
        }
    }
}

TEST_CASE("a resume killed at any moment is resumed, and its operation undone")
{
    const ChangeRow row{.verb = "provider disable", .words = {"provider", "disable", "openai", "-y"}};
    const auto wanted = wanted_of(row);
    for (const auto point : {k_before_begin, k_after_begin, k_before_send, k_sent, k_replied, k_recorded,
                             k_verifying, k_before_end})
        for (const bool undo : {false, true}) {
            INFO("killed at " << point << (undo ? ", then undone" : ", then resumed"));
            Scene scene(row);
            scene.killed({k_after_begin});
            const auto id = scene.unfinished().at(0);
            scene.killed({"resume", id, "-y"}, {point});
            CHECK(scene.run({undo ? "undo" : "resume", id, "-y"}) == 0);
            INFO(scene.last_error);
            CHECK(scene.dump() == (undo ? scene.before : wanted));
            scene.check_sound();
        }
}
