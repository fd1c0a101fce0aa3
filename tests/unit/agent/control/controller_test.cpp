// SPDX-License-Identifier: Apache-2.0
#include "agent/control/controller.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/agent_store.hpp"

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <thread>

using namespace conduit;
using namespace conduit::agent;

namespace {

template <class Condition> bool eventually(Condition condition)
{
    const Deadline deadline(Duration{10'000});
    while (!deadline.passed()) {
        if (condition())
            return true;
        std::this_thread::yield();
    }
    return false;
}

struct Fixture {
    TempDir dir = *TempDir::make("controller");
    Limiter limiter;
    std::atomic<bool> away{false};
    std::atomic<std::uint64_t> published{0};
    std::set<std::string> sick;

    fs::path file(const char* name) const { return dir.path() / name; }

    void write(const char* name, const std::string& text) const { REQUIRE(write_file(file(name), text)); }

    std::string yaml(int weight) const
    {
        return fmt::format("providers:\n"
                           "  openai: {{kind: openai, weight: {}, key: 'file:secret'}}\n"
                           "  google: {{kind: google, weight: 10, key: 'file:secret'}}\n"
                           "keys: {{file: keys}}\nadmin: {{tokens: tokens}}\n",
                           weight);
    }

    Fixture()
    {
        write("secret", "provider-secret\n");
        write("keys", fmt::format("- {{name: team-a, sha256: {}}}\n", sha256_hex("key-a")));
        write("tokens", fmt::format("- {{name: maria, scope: operator, sha256: {}}}\n", sha256_hex("token")));
        write("agent.yaml", yaml(70));
    }

    std::unique_ptr<ControlStore> store()
    {
        auto made = make_sqlite_store(file("control.db").string(), system_clock());
        REQUIRE(made);
        return std::make_unique<test::BreakableStore>(std::move(*made), away);
    }

    Controller::Options options(const std::string& name)
    {
        auto config = load_config(file("agent.yaml"));
        REQUIRE(config);
        Controller::Options options;
        options.base = *config;
        options.replica_name = name;
        options.last_state = file((name + ".last").c_str());
        options.poll_interval = Duration{10};
        options.file_interval = Duration{20};
        options.heartbeat_interval = Duration{50};
        options.without_store_after = Duration{100};
        options.healthy = [this](const std::string& provider) { return !sick.contains(provider); };
        return options;
    }

    std::unique_ptr<Controller> start(const std::string& name = "r1")
    {
        auto started = Controller::start(
            options(name), store(), limiter, system_clock(),
            [this](const auto& snapshot, const auto&) { published = snapshot->generation; });
        INFO((started ? std::string() : started.error().message));
        REQUIRE(started);
        return std::move(*started);
    }

    static int weight(const Controller& controller)
    {
        return find_provider(controller.snapshot()->config, "openai")->weight;
    }
};

StatePatch set(const std::string& path, Json value)
{
    StatePatch patch;
    patch.set[path] = std::move(value);
    patch.actor = "maria";
    return patch;
}

bool ready(const Controller& controller)
{
    return eventually([&] { return controller.status().ready; });
}

} // namespace

TEST_CASE_METHOD(Fixture,
                 "a patch is applied here before it returns, and by the other replica within a second")
{
    const auto one = start("r1");
    const auto two = start("r2");
    REQUIRE(ready(*one));
    REQUIRE(ready(*two));
    const auto state = one->patch(set("providers/openai/weight", 33), false);
    REQUIRE(state);
    CHECK(weight(*one) == 33);
    CHECK(one->status().applied_revision == state->revision);
    CHECK(eventually([&] { return weight(*two) == 33; }));
    CHECK(eventually([&] {
        const auto replicas = one->store().replicas(Duration{5'000});
        return replicas && replicas->size() == 2 && (*replicas)[1].applied_revision == state->revision;
    }));
    CHECK(eventually([&] { return one->snapshot()->replicas == 2; }));
}

TEST_CASE_METHOD(Fixture, "patches with unknown paths, wrong values or no change are refused before writing")
{
    const auto controller = start();
    CHECK(controller->patch(set("providers/opnai/weight", 1), false).error().kind == ErrorKind::not_found);
    CHECK(controller->patch(set("providers/openai/weight", "x"), false).error().kind == ErrorKind::usage);
    CHECK(controller->patch(set("limits/keys/nobody", "1/s"), false).error().kind == ErrorKind::not_found);
    CHECK(controller->patch(set("limits/keys/team-a", "1/s"), false));
    CHECK(controller->patch({}, false).error().kind == ErrorKind::usage);
    auto both = set("pool/max_idle", "1m");
    both.unset = {"pool/max_idle"};
    CHECK(controller->patch(both, false).error().kind == ErrorKind::usage);
    CHECK(*controller->store().revision() == 1);
}

TEST_CASE_METHOD(Fixture, "the last healthy provider is never taken out without force")
{
    const auto controller = start();
    sick = {"google"};
    const auto refused = controller->patch(set("providers/openai/enabled", false), false);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().kind == ErrorKind::refused);
    CHECK(controller->patch(set("providers/openai/weight", 0), false).error().kind == ErrorKind::refused);
    CHECK(controller->patch(set("providers/google/enabled", false), false));
    CHECK(controller->patch(set("providers/openai/enabled", false), true));
    StatePatch back;
    back.unset = {"providers/openai/enabled"};
    CHECK(controller->patch(back, false));
}

TEST_CASE_METHOD(Fixture, "two changes that only together break the guard cannot both pass")
{
    const auto one = start("r1");
    const auto two = start("r2");
    for (int i = 0; i < 10; ++i) {
        bool first = false, second = false;
        std::thread other(
            [&] { second = two->patch(set("providers/google/enabled", false), false).has_value(); });
        first = one->patch(set("providers/openai/enabled", false), false).has_value();
        other.join();
        CHECK(first != second);
        StatePatch back;
        back.unset = {"providers/google/enabled", "providers/openai/enabled"};
        REQUIRE(one->patch(back, true));
    }
}

TEST_CASE_METHOD(Fixture, "a repeated operation is answered although its guard would refuse it now")
{
    const auto controller = start();
    auto patch = set("providers/google/enabled", false);
    patch.operation = "01JD/1";
    REQUIRE(controller->patch(patch, false));
    sick = {"openai", "google"};
    CHECK(controller->patch(patch, false));
    CHECK(*controller->store().revision() == 1);
}

TEST_CASE_METHOD(Fixture, "what another override depends on is not removed")
{
    const auto controller = start();
    auto patch = set("providers/openai/regions/eu", "https://eu.example.com");
    patch.set["providers/openai/region"] = Json("eu");
    REQUIRE(controller->patch(patch, false));
    StatePatch unset;
    unset.unset = {"providers/openai/regions/eu"};
    CHECK(controller->patch(unset, false).error().kind == ErrorKind::refused);
    unset.unset.push_back("providers/openai/region");
    CHECK(controller->patch(unset, false));
}

TEST_CASE_METHOD(Fixture, "a replica that drains is no longer counted by the others, though it lives on")
{
    const auto first = start("r1");
    const auto second = start("r2");
    REQUIRE(eventually([&] { return first->status().replicas == 2; }));
    second->farewell();
    CHECK(eventually([&] { return first->snapshot()->replicas == 1; }));
    REQUIRE(ready(*second));
    CHECK(first->store().replicas(Duration{5'000})->size() == 1); // it beats no more
}

TEST_CASE_METHOD(Fixture, "an override ends by itself")
{
    const auto controller = start();
    auto patch = set("providers/openai/weight", 5);
    patch.expires_in = Duration{100};
    REQUIRE(controller->patch(patch, false));
    CHECK(weight(*controller) == 5);
    CHECK(eventually([&] { return weight(*controller) == 70; }));
}

TEST_CASE_METHOD(Fixture, "a good new configuration is taken, a bad one is reported and the old one stays")
{
    const auto controller = start();
    REQUIRE(ready(*controller));
    write("agent.yaml", yaml(50));
    CHECK(eventually([&] { return weight(*controller) == 50; }));
    write("agent.yaml", yaml(5000));
    CHECK(eventually([&] {
        return controller->status().config_error.find("'weight' must be from 0 to 1000") != std::string::npos;
    }));
    CHECK(weight(*controller) == 50);
    write("agent.yaml", yaml(20));
    CHECK(eventually([&] { return weight(*controller) == 20; }));
    CHECK(controller->status().config_error.empty());
}

TEST_CASE_METHOD(Fixture, "a rotated secret, key and token are read again; a broken list leaves the old one")
{
    const auto controller = start();
    REQUIRE(ready(*controller));
    write("secret", "rotated\n");
    CHECK(eventually([&] { return controller->snapshot()->config.providers[0].key == "rotated"; }));
    write("keys", fmt::format("- {{name: team-a, sha256: {}}}\n- {{name: team-a, sha256: {}}}\n",
                              sha256_hex("key-a"), sha256_hex("key-new")));
    CHECK(eventually([&] { return controller->snapshot()->keys.find("key-new") != nullptr; }));
    CHECK(controller->snapshot()->keys.find("key-a") != nullptr);
    write("tokens", "");
    CHECK(
        eventually([&] { return controller->status().config_error.find("is empty") != std::string::npos; }));
    CHECK(controller->tokens().size() == 1);
    const auto generation = controller->snapshot()->generation;
    write("agent.yaml", yaml(5000)); // a second fault shows that the files were looked at again
    CHECK(eventually([&] { return controller->status().config_error.find("weight") != std::string::npos; }));
    CHECK(controller->snapshot()->generation <=
          generation + 2); // faults that stay do not publish anew each time
    write("agent.yaml", yaml(70));
    write("tokens", "[]");
    CHECK(eventually([&] { return controller->tokens().empty(); }));
}

TEST_CASE_METHOD(Fixture, "files that everybody may read are a warning")
{
    REQUIRE(::chmod(file("secret").c_str(), 0644) == 0);
    const auto controller = start();
    const auto warnings = controller->status().warnings;
    REQUIRE(warnings.size() == 1);
    CHECK(warnings[0].find("secret can be read by everybody") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "without the store an agent routes on, says so, and comes back")
{
    const auto controller = start();
    REQUIRE(controller->patch(set("providers/openai/weight", 33), false));
    away = true;
    CHECK(eventually([&] { return !controller->status().store_ok; }));
    CHECK(controller->status().ready);
    CHECK(controller->status().store_error == "control store is away");
    CHECK(weight(*controller) == 33);
    CHECK(controller->patch(set("providers/openai/weight", 1), false).error().kind == ErrorKind::unreachable);
    away = false;
    CHECK(eventually([&] { return controller->status().store_ok; }));
}

TEST_CASE_METHOD(Fixture, "an agent that starts without the store uses the last state it kept on disk")
{
    {
        const auto controller = start();
        REQUIRE(controller->patch(set("providers/openai/weight", 33), false));
    }
    published = 0;
    away = true;
    const auto controller = start();
    CHECK(controller->snapshot() != nullptr);
    CHECK_FALSE(controller->status().ready);
    CHECK(published == 0);
    REQUIRE(ready(*controller));
    CHECK(controller->status().from_disk);
    CHECK(weight(*controller) == 33);
    away = false;
    CHECK(eventually([&] { return !controller->status().from_disk; }));
}

TEST_CASE_METHOD(Fixture, "an agent that knows no state at all is not ready")
{
    away = true;
    const auto controller = start("fresh");
    CHECK(eventually([&] { return !controller->status().warnings.empty(); }));
    CHECK_FALSE(controller->status().ready);
    away = false;
    CHECK(ready(*controller));
}

TEST_CASE_METHOD(Fixture, "an unreadable token file is an error at the start that names it")
{
    auto broken = options("r1");
    broken.base.admin_tokens = file("missing");
    const auto started = Controller::start(std::move(broken), store(), limiter, system_clock(),
                                           [](const auto&, const auto&) {});
    REQUIRE_FALSE(started);
    CHECK(started.error().message.find("missing") != std::string::npos);
}
