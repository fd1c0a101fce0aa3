// SPDX-License-Identifier: Apache-2.0
#include "core/event_stream.hpp"
#include "core/text.hpp"
#include "tests/support/catch.hpp"

#include <random>

using namespace conduit;

namespace {

std::string to_hex(std::string_view bytes)
{
    return hex_encode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
}

std::string from_hex(std::string_view text)
{
    const auto bytes = *hex_decode(text);
    return {bytes.begin(), bytes.end()};
}

const std::string k_empty = "000000100000000005c248eb7d98c8ff";
const std::string k_json =
    "0000003d0000002007fd83960c636f6e74656e742d747970650700106170706c69636174696f6e2f6a736f"
    "6e7b27666f6f273a27626172277d8d9c08b1";
const std::string k_audio = "0000006c000000585c509ce30d3a6d6573736167652d747970650700056576656e740b3a6576656e"
                            "742d7479706507000a417564696f"
                            "4576656e740d3a636f6e74656e742d747970650700186170706c69636174696f6e2f6f637465742d"
                            "73747265616d010203044c67b50"
                            "e";
const std::string k_exception = "0000008300000064d9bbb06a0d3a6d6573736167652d74797065070009657863657074696f6e"
                                "0f3a657863657074696f6e2d74797065"
                                "0700164c696d69744578636565646564457863657074696f6e0d3a636f6e74656e742d747970"
                                "650700106170706c69636174696f6e2f"
                                "6a736f6e7b224d657373616765223a2278227d34545912";

Result<std::optional<EventMessage>> decode(std::string_view bytes, EventLimits limits = {})
{
    EventDecoder decoder{limits};
    decoder.feed(bytes);
    return decoder.next();
}

} // namespace

TEST_CASE("encode_event writes the reference frames byte by byte")
{
    CHECK(to_hex(encode_event(std::span<const EventHeader>{}, "")) == k_empty);
    const EventHeader json[] = {{"content-type", EventType::text, "application/json"}};
    CHECK(to_hex(encode_event(json, "{'foo':'bar'}")) == k_json);
    CHECK(to_hex(encode_event("AudioEvent", "application/octet-stream", "\x01\x02\x03\x04")) == k_audio);
    const EventHeader exception[] = {{":message-type", EventType::text, "exception"},
                                     {":exception-type", EventType::text, "LimitExceededException"},
                                     {":content-type", EventType::text, "application/json"}};
    CHECK(to_hex(encode_event(exception, R"({"Message":"x"})")) == k_exception);
    const EventHeader date[] = {{":date", EventType::timestamp, "", 1595543995029}};
    CHECK(to_hex(encode_event_headers(date)) == "053a6461746508000001737dd54295");
}

TEST_CASE("EventDecoder returns messages however the bytes are cut")
{
    const auto stream = from_hex(k_empty + k_json + k_audio + k_exception);
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{64}, stream.size()}) {
        EventDecoder decoder;
        std::vector<EventMessage> got;
        for (std::size_t at = 0; at < stream.size(); at += step) {
            decoder.feed(std::string_view(stream).substr(at, step));
            for (auto message = decoder.next(); message && *message; message = decoder.next())
                got.push_back(std::move(**message));
        }
        REQUIRE(got.size() == 4);
        CHECK(got[0].headers.empty());
        CHECK(got[1].payload == "{'foo':'bar'}");
        CHECK(got[2].text(":event-type") == "AudioEvent");
        CHECK(got[3].text(":exception-type") == "LimitExceededException");
        CHECK(got[3].text("absent").empty());
        CHECK(decoder.buffered() == 0);
    }
}

TEST_CASE("Every header type survives a round trip")
{
    const std::vector<EventHeader> headers = {{"t", EventType::yes, "", 0},
                                              {"f", EventType::no, "", 0},
                                              {"i8", EventType::int8, "", -5},
                                              {"i16", EventType::int16, "", -300},
                                              {"i32", EventType::int32, "", -70000},
                                              {"i64", EventType::int64, "", -5000000000},
                                              {"b", EventType::bytes, std::string("\0\x01", 2), 0},
                                              {"s", EventType::text, "text", 0},
                                              {"d", EventType::timestamp, "", 1595543995029},
                                              {"u", EventType::uuid, "0123456789abcdef", 0}};
    const auto message = decode(encode_event(headers, "payload"));
    REQUIRE(message);
    REQUIRE(*message);
    CHECK((*message)->headers == headers);
    CHECK((*message)->payload == "payload");
}

TEST_CASE("EventDecoder refuses broken frames and stays refused")
{
    const auto good = from_hex(k_audio);
    for (std::size_t at = 0; at < good.size(); ++at) {
        auto bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 0x10);
        INFO("flipped byte " << at);
        CHECK_FALSE(decode(bad));
    }
    EventDecoder decoder;
    decoder.feed("GET / HTTP/1.1\r\n\r\n");
    CHECK_FALSE(decoder.next());
    decoder.feed(good);
    CHECK_FALSE(decoder.next());
}

TEST_CASE("EventDecoder refuses frames beyond its limits as soon as the prelude is there")
{
    const EventHeader header[] = {{"h", EventType::text, std::string(600, 'x')}};
    const auto frame = encode_event(header, std::string(2000, 'p'));
    CHECK(decode(frame));
    CHECK_FALSE(decode(frame.substr(0, 12), {.max_headers = 500}));
    CHECK_FALSE(decode(frame.substr(0, 12), {.max_payload = 1999}));
}

TEST_CASE("EventDecoder refuses duplicate names, empty names, unknown types and cut headers")
{
    const EventHeader twice[] = {{"a", EventType::yes}, {"a", EventType::no}};
    CHECK_FALSE(decode(encode_event(twice, "")));
    const EventHeader nameless[] = {{"", EventType::yes}};
    CHECK_FALSE(decode(encode_event(nameless, "")));
    const EventHeader unknown[] = {{"a", static_cast<EventType>(10)}};
    CHECK_FALSE(decode(encode_event(unknown, "")));
    // A frame with right checksums whose header claims more than there is.
    const EventHeader lying[] = {{"a", EventType::yes}};
    auto frame = encode_event(lying, "");
    frame[12] = '\x7f';
    const auto body = frame.substr(0, frame.size() - 4);
    const auto sum = crc32(body);
    frame = body;
    for (const unsigned shift : {24U, 16U, 8U, 0U})
        frame += static_cast<char>((sum >> shift) & 0xffU);
    CHECK_FALSE(decode(frame));
}

TEST_CASE("EventDecoder survives random bytes")
{
    std::mt19937 random{42};
    for (int round = 0; round < 2000; ++round) {
        std::string bytes(random() % 64, '\0');
        for (auto& c : bytes)
            c = static_cast<char>(random());
        const auto result = decode(bytes);
        CHECK((!result || !*result));
    }
}
