// SPDX-License-Identifier: Apache-2.0
// The engine's own vocabulary, shared by its phases: prepare, execute, compensate, report. Internal to ops.
#pragma once

#include "cli/ops/engine.hpp"
#include "cli/ops/reversal.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace conduit::ops {

struct Run {
    Run(Host& h, Target& t, Plan p, Deadline d)
        : host(h), target(t), plan(std::move(p)), deadline(d), started(h.clock.steady())
    {
    }
    Host& host;
    Target& target;
    Plan plan;
    Deadline deadline;
    SteadyTime started;
    std::unique_ptr<Lock> lock;
    std::map<int, Applied> done; // steps whose effect stands, by number
    bool resumed = false;
};

void reach(Host& host, std::string_view crash_point);

// prepare.cpp
Result<Plan> make_plan(Host& host, const Intent& intent, Deadline deadline);
Result<FieldMap> observe_fields(Host& host, Target& target, const std::vector<Step>& steps,
                                Deadline deadline);
Result<> check_unmoved(Run& run, std::string_view what);
Result<> ask_guards(Run& run); // fills plan.guards; refused unless forced
Result<> ask_operator(Run& run);
Result<> take_lock(Run& run);

// run_plan.cpp: everything from the guards on
Result<Report> run_plan(Run& run);
Result<> add_reversal(Run& run);       // where the plan ends by a record; repeating it is fine
Result<> check_served(const Run& run); // refused when nobody would carry that record out
void drop_reversal(const Run& run);
Result<> same_context(const Host& host, const Plan& plan, const std::string& id);

// execute.cpp: the steps not in run.done, then verification and the end
Result<Report> execute(Run& run);
Result<Report> verify_and_end(Run& run);
Result<Applied> apply_step(Run& run, const Step& step, const StepKey& key);
Error end_with(Run& run, Error error);

// compensate.cpp: takes back run.done, newest first; what stays there stands
Result<> compensate(Run& run);
Error roll_back(Run& run, Error why); // and records the end: rolled-back or partial

// record.cpp
Entry entry_of(const Host& host, const Plan& plan, Phase phase);
Result<Entry> record(Run& run, Phase phase, std::string verdict = {}, std::string message = {});
Result<Entry> record_step(Run& run, Phase phase, const Step& step, const Applied* applied);

// report.cpp
std::string plan_screen(const Host& host, const Plan& plan);
Json report_json(const Run& run, ErrorKind verdict, bool changed, bool verified);
Report already_so(const Run& run);
Report done_report(const Run& run, ErrorKind verdict, bool verified, std::string message);

} // namespace conduit::ops
