// SPDX-License-Identifier: Apache-2.0
#include "cli/config/secret.hpp"
#include "core/fs.hpp"
#include "tests/support/catch.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

using namespace conduit;

namespace {

Result<Secret> resolve(std::string_view reference, const SecretAccess& access = {})
{
    TRY_ASSIGN(const SecretRef ref, parse_secret_ref(reference));
    return resolve_secret(ref, access, Deadline(10s));
}

} // namespace

TEST_CASE("a secret cannot be formatted by accident")
{
    CHECK_FALSE(fmt::is_formattable<Secret>::value);
    CHECK(Secret("hunter2").fingerprint().starts_with("sha256:"));
}

TEST_CASE("a secret comes from a closed file, without its line end")
{
    const TempDir dir = TempDir::make().value();
    const fs::path file = dir.path() / "token";
    REQUIRE(write_file(file, "abc\n", 0600));
    CHECK(resolve(fmt::format("file:{}", file.string()))->reveal() == "abc");
    CHECK(resolve("file:~/token", {.home = dir.path().string()})->reveal() == "abc");
    REQUIRE(chmod(file.c_str(), 0644) == 0);
    const auto open = resolve(fmt::format("file:{}", file.string()));
    REQUIRE_FALSE(open);
    CHECK(open.error().kind == ErrorKind::refused);
    CHECK(open.error().hint.find("chmod 600") != std::string::npos);
}

TEST_CASE("a secret comes from the environment that the program was given")
{
    const std::map<std::string, std::string, std::less<>> env{{"TOKEN", "xyz"}};
    CHECK(resolve("env:TOKEN", {.env = &env})->reveal() == "xyz");
    CHECK(resolve("env:OTHER", {.env = &env}).error().kind == ErrorKind::not_found);
}

TEST_CASE("a secret comes from a program, and no shell is involved")
{
    CHECK(resolve("command:printf '%s' 'a b'")->reveal() == "a b");
    CHECK(resolve("command:echo $HOME")->reveal() == "$HOME");
    CHECK(resolve("command:false").error().kind == ErrorKind::auth);
    CHECK_FALSE(resolve("command:conduit-no-such-program"));
    CHECK_FALSE(resolve("command:printf 'open"));
}

TEST_CASE("a secret in a cluster that is not connected is a clear error")
{
    const auto secret = resolve("kubernetes:production/redis/password");
    REQUIRE_FALSE(secret);
    CHECK(secret.error().kind == ErrorKind::unreachable);
    CHECK(secret.error().message.find("kubernetes:production/redis/password") != std::string::npos);
    const auto connected = resolve("kubernetes:n/s/k", {.kubernetes = [](const std::string& location) {
                                       return Result<std::string>("from " + location);
                                   }});
    CHECK(connected->reveal() == "from n/s/k");
}

TEST_CASE("text that is no reference is not repeated, since it may be the secret")
{
    const auto reference = parse_secret_ref("hunter2");
    REQUIRE_FALSE(reference);
    CHECK(reference.error().message.find("hunter2") == std::string::npos);
    CHECK_FALSE(parse_secret_ref("file:"));
}
