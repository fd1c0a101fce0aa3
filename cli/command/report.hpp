// SPDX-License-Identifier: Apache-2.0
// What a command returns. Commands never print: one renderer per output format reads this
// (cli/command/render).
#pragma once

#include "core/error.hpp"
#include "core/json.hpp"

#include <string>
#include <vector>

namespace conduit {

// One column of a table: a projection of the document's items. field is a dotted path into an item
// ("pool.in_use").
struct Column {
    enum class Align { left, right };
    enum class Format { text, integer, percent, ratio3, milliseconds, bytes, age, time, yes_no };
    std::string head;  // "WEIGHT"
    std::string field; // "weight"
    Format format = Format::text;
    Align align = Align::left;
    bool wide_only = false;
    int decimals = 1; // percent only
};

struct Report {
    ErrorKind verdict = ErrorKind::ok; // the process's exit code; not ok here is an outcome, not a fault
    JsonBox data;                      // always an object; a list is {"items": [...]}
    std::vector<Column> columns;       // empty: the object's fields are shown as "key  value" lines
    std::string text;                  // when set, the human form is this instead (logs, topics, screens)
    std::vector<std::string> notes;    // further lines for people, after the data
    std::vector<std::string> next;     // commands to type next, pasteable
    bool hushed = false;               // nothing for people to read: all is well and nobody sits there
    std::string name_field = "name";   // what -o name prints of each item (or of the object)
};

} // namespace conduit
