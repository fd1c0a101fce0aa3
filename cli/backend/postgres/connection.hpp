// SPDX-License-Identifier: Apache-2.0
// Database over libpq.
#pragma once

#include "cli/backend/database.hpp"
#include "core/cancel.hpp"

#include <functional>
#include <memory>
#include <string>

namespace conduit::postgres {

struct Settings {
    std::string identity; // for messages and locks: "postgres conduit at db.example:5432"
    std::string host;     // a name, an address or a folder of sockets
    int port = 5432;
    std::string database;
    std::string user;
    std::string ssl_mode; // libpq's; "": prefer
    std::string ca;       // PEM file; "": the system's
};

// What is only wanted once there is something to connect for: the password, a tunnel.
struct Late {
    std::string password;
    std::string host;                              // when set, instead of Settings::host
    std::shared_ptr<void> kept;                    // lives as long as the database
    std::function<std::optional<Error>()> fault{}; // why the way there is broken, when it is
};

std::unique_ptr<Database> make_database(Settings settings, std::function<Result<Late>(Deadline)> late,
                                        const Cancel* cancel);

} // namespace conduit::postgres
