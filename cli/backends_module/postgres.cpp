// SPDX-License-Identifier: Apache-2.0
// The one entry of libconduit_postgres.so, which libconduit_backends.so loads when a database is first asked:
// libpq brings Kerberos and LDAP, some twenty libraries.
#include "cli/backend/postgres/connection.hpp"

#include <string_view>

extern "C" __attribute__((visibility("default"))) conduit::Database* conduit_postgres_database(
    const char* version, const conduit::postgres::Settings* settings,
    const std::function<conduit::Result<conduit::postgres::Late>(conduit::Deadline)>* late,
    const conduit::Cancel* cancel)
{
    if (std::string_view(version) != CONDUIT_VERSION)
        return nullptr;
    return conduit::postgres::make_database(*settings, *late, cancel).release(); // the caller owns it
}
