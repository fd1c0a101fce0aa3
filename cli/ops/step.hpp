// SPDX-License-Identifier: Apache-2.0
// One step of a change: the fields it writes, with what they are now and what they will be.
#pragma once

#include "core/clock.hpp"
#include "core/json.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace conduit::ops {

// What a target holds at a path. null: nothing is set there.
struct FieldValue {
    JsonBox value;
    std::optional<WallTime> until; // set on a value that ends by itself
    std::string by;                // who wrote it, where the target knows: "maria, 01JD3K7Q…"
};
using FieldMap = std::map<std::string, FieldValue>; // path -> value; every path asked for has an entry

struct Field {
    std::string path; // "providers/openai/enabled"
    JsonBox before;
    JsonBox after;
    std::optional<WallTime> before_until; // the value found was to end by itself
    std::optional<WallTime> after_until;  // the value written is to end by itself
    bool secret = false;                  // journalled as a salted digest only
};

struct Step {
    int n = 1;
    std::string resource; // "provider/openai"
    std::vector<Field> fields;
    std::string action;                // for what is no field write: "pool-reset"; the target knows the word
    JsonBox arguments;                 // of the action
    std::optional<std::int64_t> bound; // an action on data touches at most so many things
    std::string summary;               // "enabled → disabled"; derived from the fields when empty
    std::string verify;                // "every replica applies the revision"
    std::string undo;                  // how it is undone, or why it cannot be
    bool reversible = true;
    bool verifiable = true; // false: the effect cannot be seen (verify: none)
};

// Written with the step's effect, so that a resumed run can find out whether it happened.
struct StepKey {
    std::string operation;
    int n = 1;
    bool compensation = false;
    std::string text() const; // "01JD…/1", of a compensation "01JD…/1/undo"
};

struct Applied {
    std::string observed; // for people and the journal: "revision 42"
    JsonBox data;         // what verify() needs later: {"revision": 42}
};

bool same_json(const Json& a, const Json& b); // the order of an object's keys does not count
std::string show_value(const Json& value);    // for screens: a bare word, "-" for nothing, else JSON
std::vector<std::string> paths_of(const Step& step);

} // namespace conduit::ops
