// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/log_level.hpp"
#include "tests/support/catch.hpp"

#include <string>
#include <vector>

using namespace conduit;

TEST_CASE("a line's level is read from whatever wrote it")
{
    using enum LogLevel;
    const std::vector<std::pair<std::string, LogLevel>> lines{
        {R"({"time":"x","level":"error","msg":"boom"})", error},
        {R"({"ts":1,"Level":"Warning","message":"slow"})", warning},
        {R"({"@t":"x","@l":"Fatal","@m":"gone"})", fatal},
        {R"({"level":50,"msg":"pino"})", error},
        {R"({"severity": "CRITICAL"})", fatal},
        {R"({"msg":"level of error","level":"info"})", info},
        {R"({"msg":"no level: ERROR"})", none},
        {R"(time=x level=error msg="boom")", error},
        {R"(ts=1 lvl=warn msg=x)", warning},
        {"2026-11-22 14:00:00 ERROR something", error},
        {"2026-11-22 14:00:00,123 - app.tts - WARNING - slow", warning},
        {"[error] nginx", error},
        {"2026/11/22 14:00:00 [crit] 7#7: no space", fatal},
        {"fail: Conduit.Audio[0]", error},
        {"crit: Microsoft.AspNetCore[6]", fatal},
        {"warn: Conduit.Audio[3]", warning},
        {"info: Conduit.Audio[0]", info},
        {"E1122 14:04:11.532101       1 controller.go:114] boom", error},
        {"W1122 14:04:11.532101       1 x", warning},
        {"no errors were found", none},
        {"GET /error 200", none},
        {"the ERRORS counter is 3", none},
        {"x_ERROR_y", none},
        {"", none},
        {"   ", none},
        {"{", none},
        {"level=", none},
    };
    for (const auto& [line, level] : lines) {
        INFO(line);
        CHECK(level_of(line) == level);
    }
}

TEST_CASE("what follows an error and is indented belongs to it")
{
    LevelFilter filter(LogLevel::error);
    CHECK_FALSE(filter.keeps("info: A[0]"));
    CHECK_FALSE(filter.keeps("      all is well"));
    CHECK(filter.keeps("fail: A[0]"));
    CHECK(filter.keeps("      System.OutOfMemoryException: no more"));
    CHECK(filter.keeps("   at A.B()"));
    CHECK_FALSE(filter.keeps("an ordinary line"));
    CHECK_FALSE(filter.keeps("   more of it"));
    LevelFilter all(LogLevel::none);
    CHECK(all.keeps("anything"));
}

TEST_CASE("hostile lines neither crash nor hang the reading of levels")
{
    for (const auto& line : {std::string(1 << 20, '"'), std::string(1 << 20, ' ') + "ERROR",
                             std::string("{\"level\":") + std::string(100000, '['),
                             std::string("\xff\xfe\x00level=", 9), std::string(5000, 'A')}) {
        CHECK(level_of(line) == LogLevel::none);
    }
}
