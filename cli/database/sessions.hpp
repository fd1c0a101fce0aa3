// SPDX-License-Identifier: Apache-2.0
// Sessions of clients: which are idle for long, and the end of them.
#pragma once

#include "cli/backend/database.hpp"

#include <string>
#include <vector>

namespace conduit::sql {

struct Session {
    std::int64_t pid = 0;
    std::string started; // with the pid it names a session for good
    std::string user, app, client, state;
    double idle_s = 0;
};

struct IdleFilter {
    Duration older{300'000};
    bool in_transaction = false; // those that are idle within a transaction, and only those
    std::string app, user, client;
    std::vector<std::string> keep; // names of applications that are left alone
    int limit = 0;                 // 0: none
};

// Client sessions of this database but ours and conduitctl's own; the longest idle first.
Result<std::vector<Session>> idle_sessions(Database& database, const IdleFilter& filter, Deadline deadline);

struct Rights {
    bool superuser = false;
    bool signal = false;     // may end others' sessions
    std::int64_t hidden = 0; // client sessions of this database whose state we are not shown
    std::string user;
};
Result<Rights> session_rights(Database& database, Deadline deadline);

enum class Ended { ended, gone, busy };
// If it still is the same session and still idle as the filter says; else nothing is sent.
Result<Ended> end_session(Database& database, const Session& session, Duration older, bool in_transaction,
                          const std::function<void()>& sent, Deadline deadline);
Result<bool> session_lives(Database& database, const Session& session, Deadline deadline);

} // namespace conduit::sql
