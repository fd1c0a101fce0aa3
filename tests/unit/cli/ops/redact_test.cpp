// SPDX-License-Identifier: Apache-2.0
#include "cli/ops/redact.hpp"
#include "core/hash.hpp"
#include "core/text.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::ops;

namespace {

using Words = std::vector<std::string>;

std::string f(const std::string& secret)
{
    return "<" + fingerprint(secret) + ">";
}

std::string clean(const Words& words)
{
    return join(without_secrets(words), " ");
}

} // namespace

TEST_CASE("a value whose flag, variable or header says it is secret is recorded as its fingerprint")
{
    CHECK(clean({"tool", "--password", "hunter2", "ls"}) == "tool --password " + f("hunter2") + " ls");
    CHECK(clean({"tool", "--api-key=abc", "x"}) == "tool --api-key=" + f("abc") + " x");
    CHECK(clean({"env", "DB_PASSWORD=abc", "psql"}) == "env DB_PASSWORD=" + f("abc") + " psql");
    CHECK(clean({"env", "REDISCLI_AUTH=abc", "redis-cli"}) == "env REDISCLI_AUTH=" + f("abc") + " redis-cli");
    CHECK(clean({"curl", "-H", "Authorization: Bearer abc", "http://h"}) ==
          "curl -H Authorization: Bearer " + f("abc") + " http://h");
    CHECK(clean({"curl", "-H", "X-Api-Key: abc"}) == "curl -H X-Api-Key: " + f("abc"));
}

TEST_CASE("what short flags mean depends on the program")
{
    CHECK(clean({"redis-cli", "-h", "redis", "-a", "abc", "ping"}) ==
          "redis-cli -h redis -a " + f("abc") + " ping");
    CHECK(clean({"/usr/bin/mysqldump", "-pabc", "db"}) == "/usr/bin/mysqldump -p" + f("abc") + " db");
    CHECK(clean({"curl", "-u", "me:abc", "http://h"}) == "curl -u " + f("me:abc") + " http://h");
    CHECK(clean({"ls", "-a", "abc"}) == "ls -a abc");
    CHECK(clean({"mkdir", "-p", "abc"}) == "mkdir -p abc");
}

TEST_CASE("passwords in URLs and words of a known make are found anywhere, inside of a script too")
{
    CHECK(clean({"psql", "postgres://u:abc@db:5432/x"}) == "psql postgres://u:" + f("abc") + "@db:5432/x");
    const std::string key = "sk-proj-0123456789abcdef";
    CHECK(clean({"sh", "-c", "echo " + key + " | tool; redis-cli -a 'abc' ping"}) ==
          "sh -c echo " + f(key) + " | tool; redis-cli -a '" + f("abc") + "' ping");
    CHECK(clean({"tool", "key=" + key}) == "tool key=" + f(key));
}

TEST_CASE("a command line without secrets stays as it was typed")
{
    const Words words{"exec", "-it", "agent", "--", "sh", "-c", "for i in 1 2; do echo \"$i: x=y\"; done\n",
                      "",     "--"};
    CHECK(without_secrets(words) == words);
    CHECK(without_secrets(Words{"curl", "http://h:80/x?a=b", "-o", "k:v"}) ==
          Words{"curl", "http://h:80/x?a=b", "-o", "k:v"});
    CHECK(without_secrets(Words{}).empty());
}
