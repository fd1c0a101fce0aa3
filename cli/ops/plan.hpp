// SPDX-License-Identifier: Apache-2.0
// What a command wants (Intent), and what will be done about it (Plan): pure data, saved and loaded as JSON.
#pragma once

#include "cli/ops/step.hpp"
#include "core/duration.hpp"
#include "core/fs.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace conduit::ops {

class Target;

enum class Tier { mild, moderate, severe };
enum class UndoKind { exact, backup, none };

std::string_view tier_name(Tier tier);
std::string_view undo_name(UndoKind undo);

struct GuardVerdict {
    std::string guard; // "min_healthy_providers"
    bool passed = true;
    std::string message; // "aws would be the only provider left (guard min_healthy_providers = 2)"
    std::string cause;
    std::string largest; // the largest step that would pass, as text; empty: none would
    std::string hint;
};

// A command fills this in. Of a field it says path, after and secret; the engine observes what is there now.
struct Intent {
    Target* target = nullptr;
    std::string verb;         // "provider disable"
    std::string scope;        // what the lock covers, never the single item: "providers", "workload/agent"
    std::string summary;      // "disable provider openai"
    std::string confirm_name; // what a severe change asks to be typed: "openai"
    Tier tier = Tier::moderate;
    UndoKind undo = UndoKind::exact;
    bool rollback = true; // on failure undo what was done; false: what is done stands (exit 10)
    std::vector<Step> steps;
    std::vector<std::pair<std::string, std::string>>
        lines;         // further lines of the plan: {"traffic", "openai 70 → 0 %"}
    std::string watch; // a command to watch the effect with
};

struct Plan {
    std::string operation; // ULID
    std::string context;
    std::string target_kind;
    std::string target;
    std::string scope;
    std::string verb;
    std::string summary;
    std::string confirm_name;
    Tier tier = Tier::moderate;
    UndoKind undo = UndoKind::exact;
    bool rollback = true;
    std::optional<WallTime> until; // --for: when it is taken back
    bool by_record = false;        // ... by a reversal record, since the target does not do it itself
    std::string undoes;            // the operation this one takes back
    std::vector<Step> steps;
    std::vector<GuardVerdict> guards;
    std::vector<std::pair<std::string, std::string>> lines;
    std::string watch;
};

// for_journal: values of secret fields become salted digests.
Json plan_json(const Plan& plan, bool for_journal);
Result<Plan> plan_from_json(const Json& document);
Result<> save_plan(const Plan& plan, const fs::path& path); // refused when it writes a secret
Result<Plan> load_plan(const fs::path& path);

Json changes_json(const Plan& plan); // the "changes" of a report
Json salted_digest(const Json& value);
bool matches_digest(const Json& digest, const Json& value);
// Is value what was recorded? Understands digests.
bool is_recorded_value(const Json& recorded, const Json& value);

struct Moved {
    std::string path;
    JsonBox planned;
    JsonBox found;
    std::string by;
};
// Which of the step's fields are no longer what the plan says they were. Fields the plan does not write never
// count.
std::vector<Moved> moved_fields(const Step& step, const FieldMap& now);
Error stale_error(std::string_view what, const std::vector<Moved>& moved);

} // namespace conduit::ops
