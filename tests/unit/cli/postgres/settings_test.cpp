// SPDX-License-Identifier: Apache-2.0
#include "cli/database/settings.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/fakes/fake_database.hpp"

using namespace conduit;
using namespace conduit::test;

namespace {

ErrorKind verdict(const sql::Setting& setting, const std::string& value)
{
    const auto checked = sql::check_value(setting, value);
    return checked ? ErrorKind::ok : checked.error().kind;
}

} // namespace

TEST_CASE("an amount is checked against its range in the setting's own unit")
{
    const sql::Setting memory{.name = "work_mem",
                              .unit = "kB",
                              .context = "user",
                              .type = "integer",
                              .min = "64",
                              .max = "2147483647"};
    CHECK(verdict(memory, "64MB") == ErrorKind::ok);
    CHECK(verdict(memory, "64") == ErrorKind::ok);
    CHECK(verdict(memory, "63") == ErrorKind::usage);
    CHECK(verdict(memory, "1B") == ErrorKind::usage);
    CHECK(verdict(memory, "64 apples") == ErrorKind::usage);
    CHECK(verdict(memory, "64s") == ErrorKind::ok); // two units of PostgreSQL; the server says no to this one
    CHECK(verdict(memory, "") == ErrorKind::usage);
    const sql::Setting buffers{.name = "shared_buffers",
                               .unit = "8kB",
                               .context = "postmaster",
                               .type = "integer",
                               .min = "16",
                               .max = "1073741823"};
    CHECK(verdict(buffers, "128kB") == ErrorKind::ok);
    CHECK(verdict(buffers, "120kB") == ErrorKind::usage);
}

TEST_CASE("words are checked against what the setting takes")
{
    CHECK(verdict({.name = "fsync", .context = "sighup", .type = "bool"}, "ON") == ErrorKind::ok);
    CHECK(verdict({.name = "fsync", .context = "sighup", .type = "bool"}, "maybe") == ErrorKind::usage);
    const sql::Setting level{.name = "wal_level",
                             .context = "postmaster",
                             .type = "enum",
                             .choices = {"minimal", "replica", "logical"}};
    CHECK(verdict(level, "Logical") == ErrorKind::ok);
    CHECK(verdict(level, "most") == ErrorKind::usage);
    CHECK(verdict({.name = "block_size", .context = "internal", .type = "integer"}, "1") ==
          ErrorKind::refused);
    CHECK(verdict({.name = "x", .context = "user", .type = "string"}, "a\nfsync = off") == ErrorKind::usage);
}

TEST_CASE("quoting keeps a text one literal and a name one name")
{
    CHECK(sql_literal("it's \\ so") == "E'it''s \\\\ so'");
    CHECK(sql_name("a\"b") == "\"a\"\"b\"");
}

TEST_CASE("SQLSTATEs become the exit code that fits")
{
    CHECK(kind_of_state("28P01") == ErrorKind::auth);
    CHECK(kind_of_state("42501") == ErrorKind::auth);
    CHECK(kind_of_state("3D000") == ErrorKind::not_found);
    CHECK(kind_of_state("42P01") == ErrorKind::not_found);
    CHECK(kind_of_state("42601") == ErrorKind::usage);
    CHECK(kind_of_state("53300") == ErrorKind::unreachable);
    CHECK(kind_of_state("55P03") == ErrorKind::locked);
    CHECK(kind_of_state("57P01") == ErrorKind::unknown);
    CHECK(kind_of_state("57P03") == ErrorKind::unreachable);
    CHECK(kind_of_state("57014") == ErrorKind::failed);
    CHECK(kind_of_state("") == ErrorKind::failed);
}
