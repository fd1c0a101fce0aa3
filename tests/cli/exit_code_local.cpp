// SPDX-License-Identifier: Apache-2.0
// The rows of `local`: a supervisor's socket whose answers are scripted.
#include "tests/cli/exit_codes.hpp"

#include "cli/orchestrator/local/layout.hpp"
#include "tests/support/fakes/fake_supervisor.hpp"

#include <nlohmann/json.hpp>

namespace conduit::test {
namespace {

using enum ErrorKind;

local::Layout layout_of(Stage& s)
{
    return {s.file("data/conduit")};
}

Json status(bool settled, bool sim = true)
{
    return {{"running", true},
            {"dir", "here"},
            {"router_url", "http://127.0.0.1:8080"},
            {"admin_urls", Json::array()},
            {"operator_token_file", "t"},
            {"api_key_file", "k"},
            {"sim_urls", sim ? Json{{"openai", "http://127.0.0.1:1"}} : Json()},
            {"sim_control_url", sim ? Json("http://sim") : Json()},
            {"replicas", {{"wanted", 2}, {"ready", settled ? 2 : 1}}},
            {"instances", Json::array()},
            {"settled", settled}};
}

void answer(Stage& s, FakeSupervisor::Answer answer)
{
    const auto prepared = local::prepare_folders(layout_of(s));
    if (!prepared)
        throw std::runtime_error(prepared.error().message);
    s.supervisor.reset();
    s.supervisor = std::make_shared<FakeSupervisor>(layout_of(s), std::move(answer));
}

Inject answers(Json result)
{
    return [result = std::move(result)](Stage& s) {
        answer(s, [line = dump_json(Json{{"result", result}}) + "\n"](const std::string&) { return line; });
    };
}

void hang(Stage& s)
{
    answer(s, [](const std::string&) { return ""; });
    s.words.insert(s.words.end(), {"--timeout", "200ms"});
}

// Ctrl-C when it has been asked so many times.
Inject interrupted_at(int asked, Json result)
{
    return [=](Stage& s) {
        const auto line = result.is_null() ? "" : dump_json(Json{{"result", result}}) + "\n";
        answer(s, [&app = s.world.app, asked, line, count = 0](const std::string&) mutable {
            if (++count == asked)
                app.cancel.request();
            return line;
        });
    };
}

void hold(Stage& s, const fs::path& file)
{
    if (!local::prepare_folders(layout_of(s)))
        throw std::runtime_error("no folders");
    s.file_lock = FileLock::try_lock(file).value();
    s.words.insert(s.words.end(), {"--timeout", "100ms"});
}

void hold_up_lock(Stage& s)
{
    hold(s, layout_of(s).up_lock());
}

void interrupt_at_lock(Stage& s)
{
    hold_up_lock(s);
    s.words.erase(s.words.end() - 2, s.words.end());
    s.interrupt();
}

void nobody(Stage& s)
{
    s.words.insert(s.words.begin(), "NOBODY");
}

Inject with(Words more)
{
    return [=](Stage& s) { s.words.insert(s.words.end(), more.begin(), more.end()); };
}

class SimControl final : public HttpClient {
  public:
    explicit SimControl(int status) : status_(status) {}
    Result<HttpResponse> send(const HttpRequest& request, Deadline) override
    {
        HttpResponse response;
        const bool unknown = request.url.find("/tea") != std::string::npos;
        response.status = unknown ? 404 : status_;
        response.body = R"({"providers": {"openai": {"requests": 7, "fault": {}}}})";
        return response;
    }

  private:
    int status_;
};

Inject sim_answers(int code)
{
    return [code](Stage& s) {
        answers(status(true))(s);
        s.world.more = [code](App& app) {
            app.http_slot.set([code](App&) -> Result<std::unique_ptr<HttpClient>> {
                return std::make_unique<SimControl>(code);
            });
        };
    };
}

Case up_case()
{
    auto crashed = status(false);
    crashed["instances"] =
        Json::array({Json{{"name", "agent-1"}, {"state", "crash-loop"}, {"ready", false}}});
    return {.verb = "local up",
            .words = {"local", "up"},
            .faults = &file_faults(),
            .more = {{ok, answers(status(true))},
                     {failed, answers(crashed)},
                     {refused,
                      [](Stage& s) {
                          answers(status(true))(s);
                          with({"--port", "9"})(s);
                      }},
                     {not_found, [](Stage& s) { s.world.app.env["CONDUIT_AGENT_PROGRAM"] = "/no/such"; }},
                     {auth, nobody},
                     {unreachable,
                      [](Stage& s) {
                          answers(status(true, false))(s);
                          with({"--provider-latency", "5ms"})(s);
                      }},
                     {locked, hold_up_lock},
                     {partial, interrupted_at(2, status(false))},
                     {unknown, hang},
                     {interrupted, interrupt_at_lock}},
            .before = [](Stage& s) {
                s.world.app.env["CONDUIT_AGENT_PROGRAM"] = "/bin/true";
                s.world.app.env["CONDUIT_SIM_PROGRAM"] = "/bin/true";
            }};
}

Case down_case()
{
    return {.verb = "local down",
            .words = {"local", "down"},
            .faults = &file_faults(),
            .more = {{failed, [](Stage& s) { s.write("data/conduit/run/up.lock/x", ""); }},
                     {not_found, with({"-C", "nope"})},
                     {auth, nobody},
                     {locked, hold_up_lock},
                     {partial, interrupted_at(1, Json())},
                     {unverified, [](Stage& s) { hold(s, layout_of(s).lock()); }},
                     {interrupted, interrupt_at_lock}}};
}

Case status_case()
{
    return {.verb = "local status",
            .words = {"local", "status"},
            .faults = &file_faults(),
            .more = {{failed, [](Stage& s) { answer(s, [](const std::string&) { return "tea\n"; }); }},
                     {not_found, with({"-C", "nope"})},
                     {auth, nobody},
                     {unknown, hang},
                     {interrupted, interrupted_at(1, Json())}}};
}

Case sim_case()
{
    return {.verb = "local sim",
            .words = {"local", "sim"},
            .faults = &file_faults(),
            .more = {{ok, sim_answers(200)},
                     {failed, sim_answers(500)},
                     {not_found,
                      [](Stage& s) {
                          sim_answers(200)(s);
                          with({"tea", "--down"})(s);
                      }},
                     {auth, nobody},
                     {unreachable, answers(status(true, false))},
                     {unknown, hang},
                     {interrupted, interrupted_at(1, Json())}}};
}

} // namespace

std::vector<Case> local_cases()
{
    return {up_case(), down_case(), status_case(), sim_case()};
}

} // namespace conduit::test
