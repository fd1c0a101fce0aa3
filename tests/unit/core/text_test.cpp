#include "core/hash.hpp"
#include "core/text.hpp"
#include "core/ulid.hpp"
#include "tests/support/catch.hpp"

#include <set>

using namespace conduit;

TEST_CASE("base64 round-trips every length and refuses damage")
{
    std::string bytes;
    for (int i = 0; i < 300; ++i) {
        CHECK(base64_decode(base64_encode(bytes)) == bytes);
        bytes += static_cast<char>(i * 7);
    }
    CHECK(base64_encode("hello") == "aGVsbG8=");
    for (const auto* bad : {"a", "ab=c", "====", "aGVsbG8", "aGVs bG8="})
        CHECK_FALSE(base64_decode(bad));
}

TEST_CASE("broken UTF-8 is found: cut, overlong, surrogate, beyond the last plane")
{
    CHECK(is_valid_utf8("grüße €  𝄞"));
    for (const auto* bad : {"\xC3", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xFF"}) {
        CHECK_FALSE(is_valid_utf8(bad));
        CHECK(is_valid_utf8(sanitize_utf8(bad)));
    }
    CHECK(printable("a\x1b[31mb\n") == "a\\x1b[31mb\\x0a");
}

TEST_CASE("a typo gets the nearest names")
{
    const std::vector<std::string> names{"openai", "google", "aws"};
    CHECK(unknown_name("provider", "opnai", names) == "unknown provider 'opnai'; did you mean openai?");
    CHECK(unknown_name("provider", "goo", names) == "unknown provider 'goo'; did you mean google?");
    CHECK(unknown_name("provider", "azure-speech", names) == "unknown provider 'azure-speech'");
    CHECK(edit_distance("recieve", "receive") == 1);
}

TEST_CASE("percent encoding follows RFC 3986")
{
    CHECK(percent_encode("a b/ü~") == "a%20b%2F%C3%BC~");
    CHECK(percent_decode("a%20b") == "a b");
    CHECK_FALSE(percent_decode("%4"));
    CHECK_FALSE(percent_decode("%zz"));
}

TEST_CASE("SHA-256 and HMAC match their published vectors")
{
    CHECK(sha256_hex("abc") ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"); // FIPS 180-2
    CHECK(hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"); // RFC 4231, case 2
    Sha256Stream stream;
    stream.update("a");
    stream.update("bc");
    CHECK(stream.finish() == sha256("abc"));
}

TEST_CASE("ULIDs sort by time and are recognised")
{
    const auto early = make_ulid(WallTime{std::chrono::milliseconds{1'000'000}});
    const auto late = make_ulid(WallTime{std::chrono::milliseconds{1'000'001}});
    CHECK(early < late);
    CHECK(is_ulid(early));
    CHECK_FALSE(is_ulid("01JD3K7QZ5M4W8T2R6X9C0V1B"));
    CHECK_FALSE(is_ulid("81JD3K7QZ5M4W8T2R6X9C0V1BN"));
}

TEST_CASE("a source of ULIDs gives each of them once")
{
    UlidSource source;
    std::set<std::string> seen;
    for (int i = 0; i < 200; ++i) { // more than it takes from the system at once
        const auto id = source.next(WallTime{std::chrono::milliseconds{1'000'000}});
        CHECK(is_ulid(id));
        CHECK(id.substr(0, 10) == make_ulid(WallTime{std::chrono::milliseconds{1'000'000}}).substr(0, 10));
        CHECK(seen.insert(id).second);
    }
}

TEST_CASE("constant-time comparison compares")
{
    CHECK(constant_time_equal("secret", "secret"));
    CHECK_FALSE(constant_time_equal("secret", "secrets"));
    CHECK_FALSE(constant_time_equal("secret", "secreT"));
    CHECK_FALSE(constant_time_equal("", "x"));
}
