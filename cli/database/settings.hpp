// SPDX-License-Identifier: Apache-2.0
// The server's settings, and what ALTER SYSTEM has written about them.
#pragma once

#include "cli/backend/database.hpp"

#include <optional>
#include <string>
#include <vector>

namespace conduit::sql {

struct Setting {
    std::string name;
    std::string value;   // in force in our session
    std::string unit;    // "8kB"; "" for none
    std::string context; // "postmaster", "sighup", ...
    std::string type;    // "bool", "integer", "real", "enum", "string"
    std::string min, max;
    std::vector<std::string> choices; // of an enum
    std::string source;               // "configuration file", "command line", ...
    bool of_our_file = false;         // the value in force comes from postgresql.auto.conf
    bool pending_restart = false;
    SqlValue written;     // in postgresql.auto.conf
    bool applied = false; // the server can use what is written there
    std::string error;    // why it cannot
    bool needs_restart() const { return context == "postmaster"; }
};

// not_found names the nearest. Needs a superuser: auth says so.
Result<Setting> read_setting(Database& database, const std::string& name, Deadline deadline);
// usage: the value is none of this setting's; refused: nobody can set it.
Result<> check_value(const Setting& setting, const std::string& value);
// As the server keeps it: of the settings that are lists, "a, \"$libdir/b\"".
Result<std::string> kept_form(Database& database, const Setting& setting, const std::string& value,
                              Deadline deadline);
// One ALTER SYSTEM (value NULL: RESET), then a reload.
Result<> write_setting(Database& database, const Setting& setting, const SqlValue& value,
                       const std::function<void()>& sent, Deadline deadline);

} // namespace conduit::sql
