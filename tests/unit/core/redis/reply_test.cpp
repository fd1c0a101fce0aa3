// SPDX-License-Identifier: Apache-2.0
#include "core/redis/reply.hpp"
#include "tests/support/catch.hpp"

using namespace conduit;
using namespace conduit::redis;

namespace {

Result<std::vector<Reply>> read_all(std::string_view bytes, std::size_t step, ReplyLimits limits = {})
{
    ReplyReader reader(limits);
    std::vector<Reply> replies;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        reader.feed(bytes.substr(at, step));
        for (;;) {
            TRY_ASSIGN(auto reply, reader.next());
            if (!reply)
                break;
            replies.push_back(*std::move(reply));
        }
    }
    return replies;
}

} // namespace

TEST_CASE("a command is written with its lengths, so that any byte may be in a word")
{
    CHECK(command({"SET", "k", std::string_view("a\r\n\0b", 5)}) ==
          std::string_view("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\na\r\n\0b\r\n", 31));
}

TEST_CASE("replies are the same however the bytes are cut")
{
    const std::string bytes = "+OK\r\n:-42\r\n$-1\r\n$5\r\na\r\nb\n\r\n-READONLY You can't\r\n$0\r\n\r\n"
                              "*3\r\n:1\r\n*2\r\n$1\r\nx\r\n*0\r\n*-1\r\n*0\r\n";
    for (std::size_t step = 1; step <= bytes.size(); ++step) {
        const auto replies = read_all(bytes, step);
        REQUIRE(replies);
        REQUIRE(replies->size() == 8);
        CHECK((*replies)[0].text == "OK");
        CHECK((*replies)[1].integer == -42);
        CHECK((*replies)[2].is_nil());
        CHECK((*replies)[3].text == "a\r\nb\n");
        CHECK((*replies)[4].error_code() == "READONLY");
        CHECK((*replies)[5].is_text());
        REQUIRE((*replies)[6].items.size() == 3);
        CHECK((*replies)[6].items[1].items[0].text == "x");
        CHECK((*replies)[6].items[1].items[1].is_array());
        CHECK((*replies)[6].items[2].is_nil());
        CHECK((*replies)[7].items.empty());
    }
}

TEST_CASE("what is no reply, or beyond a limit, ends the reading")
{
    const ReplyLimits small{
        .max_string = 64, .max_line = 32, .max_items = 8, .max_bytes = 100, .max_depth = 3};
    for (const std::string_view hostile :
         {"HTTP/1.1 400 Bad Request\r\n", "$65\r\n", "$-2\r\n", "$99999999999999999999\r\n", "*9\r\n",
          "*-2\r\n", "*2147483647\r\n", "$3\r\nabcd\r\n", "$3\r\nabc\n\n", "+OK\n", "\r\n", ":\r\n",
          ":1x\r\n", ":9223372036854775808\r\n", "*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
          "+123456789012345678901234567890123456789\r\n",
          "12345678901234567890123456789012345678901234567890",
          "*2\r\n*8\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n:1\r\n"})
        for (const std::size_t step : {std::size_t{1}, std::size_t{7}, hostile.size()}) {
            INFO(hostile);
            CHECK_FALSE(read_all(hostile, step, small));
        }
    const std::string many =
        "*2\r\n$60\r\n" + std::string(60, 'a') + "\r\n$60\r\n" + std::string(60, 'a') + "\r\n";
    CHECK_FALSE(read_all(many, 1000, small));
}

TEST_CASE("a promised size takes no memory before its bytes come")
{
    ReplyReader reader;
    reader.feed("*1048576\r\n$67108864\r\n");
    const auto reply = reader.next();
    REQUIRE(reply);
    CHECK_FALSE(reply->has_value());
    CHECK(reader.begun());
}

TEST_CASE("a literal prefix matches nothing but itself")
{
    CHECK(match_literal("audio:tts:") == "audio:tts:");
    CHECK(match_literal("a*b?[c]\\d^e") == "a\\*b\\?\\[c\\]\\\\d\\^e");
}

TEST_CASE("errors of a server are told apart by what can be done about them")
{
    CHECK(reply_error({.type = Reply::Type::error, .text = "NOAUTH Authentication required."}, "Redis at x")
              .kind == ErrorKind::auth);
    CHECK(reply_error({.type = Reply::Type::error, .text = "WRONGPASS invalid"}, "Redis at x").kind ==
          ErrorKind::auth);
    const auto error = reply_error({.type = Reply::Type::error, .text = "OOM \x1b[31m"}, "Redis at x");
    CHECK(error.kind == ErrorKind::failed);
    CHECK(error.message == "Redis at x: OOM \\x1b[31m");
}
