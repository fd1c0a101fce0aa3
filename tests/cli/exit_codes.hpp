// SPDX-License-Identifier: Apache-2.0
// How each declared exit code of a verb is brought about. Internal to this folder.
#pragma once

#include "core/error.hpp"
#include "tests/support/fakes/change_rows.hpp"
#include "tests/support/fakes/fake_world.hpp"

#include <functional>
#include <map>
#include <string>

namespace conduit::test {

// One run of one verb: the world it meets, and its words.
struct Stage {
    FakeWorld world;
    Words words;
    std::vector<std::unique_ptr<ops::Lock>> held;

    void write(const std::string& name, std::string_view text);
    fs::path file(const std::string& name) const { return world.app.home() / name; }
    fs::path journal() const { return file("state/conduitctl/journal"); }
    std::string newest_operation();
    // As kill -9 of that change just after it was recorded.
    void cut_off(const Words& change);
    void hold_every_lock();
    void interrupt();    // Ctrl-C before anything is asked
    int run();           // the exit code
    int run_as_nobody(); // this user's own files belong to somebody else
    std::string error;
    std::optional<FileLock> file_lock;
    std::shared_ptr<void> kept;       // what a case wants to live as long
    std::shared_ptr<void> supervisor; // ends before the folders of `world`
};

using Inject = std::function<void(Stage&)>;
using Faults = std::map<ErrorKind, Inject>;

struct Case {
    std::string verb;
    Words words; // that end with 0 when nothing is wrong; ID and FILE as in change_rows, FILE is `content`
    const Faults* faults = nullptr;
    Faults more{};   // of this verb alone
    Inject before{}; // what has to be there first
    std::string content{};
};

const Faults& agent_read_faults();
const Faults& agent_change_faults();
const Faults& workload_read_faults();
const Faults& workload_change_faults();
const Faults& stream_read_faults();
const Faults& stream_change_faults();
const Faults& release_read_faults();
const Faults& release_change_faults();
const Faults& file_faults();
const Faults& cluster_read_faults();
const Faults& cluster_change_faults(); // of `secret set`
// Of a change that is one PATCH, to a path with this in it; stale: somebody else wrote before it.
Faults patch_faults(const std::string& where, Inject stale);
std::vector<Case> backup_cases();
std::vector<Case> local_cases();
std::vector<Case> postgres_cases();
std::vector<Case> redis_cases();
std::vector<Case> volume_cases(); // and of certificates
const std::vector<Case>& exit_code_cases();

} // namespace conduit::test
