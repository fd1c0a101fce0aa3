// SPDX-License-Identifier: Apache-2.0
// Every noun, one function each, in its own file of this folder.
#pragma once

#include "cli/command/registry.hpp"

namespace conduit::commands {

Noun autoscale();
Noun backup();
Noun blocklist();
Noun cache();
Noun canary();
Noun cert();
Noun circuit();
Noun commands();
Noun completion();
Noun config();
Noun context();
Noun cp();
Noun db();
Noun deploy();
Noun describe();
Noun docs();
Noun doctor();
Noun dump();
Noun events();
Noun exec();
Noun forward();
Noun health();
Noun help();
Noun history();
Noun limit();
Noun local();
Noun lock();
Noun logs();
Noun metrics();
Noun net();
Noun pool();
Noun provider();
Noun ps();
Noun redis();
Noun resources();
Noun restart();
Noun resume();
Noun reversals();
Noun rollout();
Noun safety();
Noun scale();
Noun secret();
Noun start_workload();
Noun stop_workload();
Noun top();
Noun undo();
Noun usage();
Noun version();
Noun volume();
Noun wait_workload();

Registry all();

} // namespace conduit::commands
