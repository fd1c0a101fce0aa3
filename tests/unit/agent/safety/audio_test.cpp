// SPDX-License-Identifier: Apache-2.0
#include "agent/safety/safety.hpp"
#include "tests/support/catch.hpp"

#include <random>

using namespace conduit::agent;
using namespace std::string_literals;

namespace {

std::string le(std::uint64_t value, int size)
{
    std::string bytes;
    for (int i = 0; i < size; ++i)
        bytes += static_cast<char>((value >> (8 * i)) & 0xFFU);
    return bytes;
}

std::string wav(std::uint32_t declared, std::size_t samples, const std::string& before_data = "")
{
    return "RIFF" + le(36 + declared, 4) + "WAVEfmt " + le(16, 4) + le(1, 2) + le(1, 2) + le(16000, 4) +
           le(32000, 4) + le(2, 2) + le(16, 2) + before_data + "data" + le(declared, 4) +
           std::string(samples * 2, '\1');
}

std::optional<double> measured(std::string_view bytes, std::size_t piece)
{
    DurationMeter meter;
    for (std::size_t at = 0; at < bytes.size(); at += piece)
        meter.feed(bytes.substr(at, piece));
    return meter.seconds();
}

} // namespace

TEST_CASE("formats are known by their first bytes")
{
    const auto [head, name] = GENERATE(table<std::string, std::string>({
        {"RIFF\x10\0\0\0WAVEfmt "s, "wav"},
        {"fLaC\0\0\0\x22"s, "flac"},
        {"ID3\x04\0\0\0\0\0\0"s, "mp3"},
        {"\xFF\xFB\x90\0"s, "mp3"},
        {"\xFF\xF1\x50\x80"s, "aac"},
        {"\0\0\0\x20"
         "ftypM4A "s,
         "mp4"},
        {"\x1A\x45\xDF\xA3\x01"s, "webm"},
        {"#!AMR\n"s, "amr"},
        {"#!AMR-WB\n"s, "amr"},
        {"OggS\0\x02"s + std::string(20, '\0') + "\x01\x13OpusHead"s, "ogg_opus"},
        {"OggS\0\x02"s + std::string(20, '\0') + "\x01\x1e\x01vorbis"s, "ogg_vorbis"},
        {"OggS\0\x02"s + std::string(20, '\0') + "\x01\x1eTheora!!"s, "unknown"},
        {"RIFF\x10\0\0\0AVI "s, "unknown"},
        {"<!doctype html>", "unknown"},
        {"\xFF\xFF\xFF\xFF"s, "unknown"},
        {"", "unknown"},
    }));
    CHECK(audio_format_name(sniff_audio(head).format) == name);
}

TEST_CASE("a WAV header tells rate, channels, bits, where the samples begin and how long they are")
{
    const auto info = sniff_audio(wav(32000, 100, "LIST" + le(4, 4) + "INFO"));
    CHECK(info.sample_rate == 16000);
    CHECK(info.channels == 1);
    CHECK(info.bits == 16);
    CHECK(info.data_offset == 56);
    CHECK(info.seconds.value() == Approx(1.0));
}

TEST_CASE("a WAV written to a pipe is measured by its bytes")
{
    const std::uint32_t declared = GENERATE(0U, 0xFFFFFFFFU, 0x7FFFF024U);
    const auto bytes = wav(declared, 24000);
    CHECK_FALSE(sniff_audio(bytes).seconds.has_value());
    for (const std::size_t piece : {1U, 7U, 4096U, 1U << 20U})
        CHECK(measured(bytes, piece).value() == Approx(1.5));
}

TEST_CASE("what comes after the declared samples is not counted, what is missing neither")
{
    CHECK(measured(wav(16000, 8000) + "LIST" + std::string(5000, 'x'), 1000).value() == Approx(0.5));
    CHECK(measured(wav(32000, 8000), 1000).value() == Approx(0.5));
}

TEST_CASE("MP3 frames are counted behind an ID3 tag, and trailing tags are not")
{
    std::string bytes = "ID3\x04\0\0\0\0\x02\x00"s + std::string(256, '\xFF');
    for (int i = 0; i < 100; ++i)
        bytes += "\xFF\xFB\x90\x00"s + std::string(413, '\0');
    bytes += "TAG" + std::string(125, ' ');
    for (const std::size_t piece : {1U, 100U, 1U << 20U})
        CHECK(measured(bytes, piece).value() == Approx(100 * 1152 / 44100.0));
}

TEST_CASE("FLAC's STREAMINFO tells the length, unless the writer did not know it")
{
    const auto flac = [](std::uint64_t samples) {
        std::string packed;
        const std::uint64_t value = (24000ULL << 44U) | (0ULL << 41U) | (15ULL << 36U) | samples;
        for (int i = 7; i >= 0; --i)
            packed += static_cast<char>((value >> (8 * i)) & 0xFFU);
        return "fLaC\x80\0\0\x22"s + std::string(10, '\0') + packed + std::string(16, '\0') +
               std::string(100, 'x');
    };
    CHECK(sniff_audio(flac(48000)).seconds.value() == Approx(2.0));
    CHECK(sniff_audio(flac(48000)).bits == 16);
    CHECK(measured(flac(48000), 3).value() == Approx(2.0));
    CHECK_FALSE(measured(flac(0), 3).has_value());
}

TEST_CASE("AMR frames are 20 ms each")
{
    std::string bytes = "#!AMR\n";
    for (int i = 0; i < 50; ++i)
        bytes += "\x3C" + std::string(31, 'x');
    CHECK(measured(bytes, 5).value() == Approx(1.0));
}

TEST_CASE("a very short file is looked at as it is")
{
    CHECK_FALSE(measured("", 1).has_value());
    CHECK(measured(wav(0, 4), 1).value() == Approx(4 / 16000.0));
}

TEST_CASE("a header that claims more than its bytes can hold is not believed")
{
    std::string page = "OggS\0\x02"s + le(0, 8) + le(7, 4) + le(0, 8) + "\x01\x13OpusHead\x01\x01"s +
                       le(312, 2) + std::string(7, '\0');
    page += "OggS\0\0"s + le(48000ULL * 86'400, 8) + le(7, 4) + le(0, 8) + "\x01\x40"s + std::string(64, 'x');
    CHECK(sniff_audio(page).format == AudioFormat::ogg_opus);
    CHECK_FALSE(measured(page, 10).has_value());
}

TEST_CASE("hostile bytes never crash and never make nonsense")
{
    std::mt19937 random(11); // NOLINT(cert-msc32-c,cert-msc51-cpp): the same bytes in every run
    const std::vector<std::string> heads{
        "",
        "RIFF\xff\xff\xff\xffWAVEfmt "s,
        "RF64\xff\xff\xff\xffWAVEds64"s,
        "fLaC",
        "ID3\x04\0\x10\x7f\x7f\x7f\x7f"s,
        "\xFF\xFB\x90\0"s,
        "\xFF\xF1\x50\x80"s,
        "\0\0\0\x08"
        "ftyp\0\0\0\0moov\0\0\0\x40mvhd\x01"s,
        "\0\0\0\x01"
        "ftyp\xff\xff\xff\xff\xff\xff\xff\xff"s,
        "\x1A\x45\xDF\xA3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff\x1F\x43\xB6\x75\xff\x44\x89\x88"s,
        "#!AMR\n",
        "OggS\0\x02"s + std::string(20, '\0') + "\x01\x13OpusHead\x01\x02\xff\xff"s + std::string(7, '\0'),
    };
    for (int round = 0; round < 2000; ++round) {
        auto bytes = heads[static_cast<std::size_t>(round) % heads.size()];
        const auto size = bytes.size() + random() % 3000;
        while (bytes.size() < size) {
            bytes += static_cast<char>(random());
            if (random() % 64 == 0) // the marks that readers look for
                bytes += std::vector<std::string>{"data",
                                                  "OggS",
                                                  "moov",
                                                  "\xFF\xFB\x90",
                                                  "\x1F\x43\xB6\x75\xff",
                                                  "\xA3\x84",
                                                  "\xFF\xF1\x50\x80"}[random() % 7];
        }
        DurationMeter meter;
        for (std::size_t at = 0; at < bytes.size();) {
            const auto piece = std::min<std::size_t>(1 + random() % 200, bytes.size() - at);
            meter.feed(std::string_view(bytes).substr(at, piece));
            at += piece;
        }
        static_cast<void>(meter.info());
        const auto seconds = meter.seconds().value_or(0);
        REQUIRE(seconds >= 0);
        REQUIRE(seconds <= static_cast<double>(bytes.size()));
    }
}

TEST_CASE("noise that claims to be MP3 is looked at for a few kilobytes and no longer")
{
    std::mt19937 random(7);
    std::string bytes = "\xFF\xFB\x90\x64"s;
    while (bytes.size() < 1U << 20U)
        bytes += static_cast<char>(random());
    DurationMeter meter;
    meter.feed(bytes);
    CHECK(meter.info().format == AudioFormat::mp3);
    CHECK(meter.looked_at() < 16'384);
    CHECK_FALSE(meter.seconds().has_value());
}

TEST_CASE("an MP3 with a damaged stretch is still measured")
{
    const std::string frame =
        "\xFF\xFB\x90\x64"s + std::string(413, '\x11'); // 417 bytes, 1152 samples, 44.1 kHz
    std::string bytes;
    for (int i = 0; i < 200; ++i)
        bytes += frame;
    bytes += std::string(20'000, '\x55');
    for (int i = 0; i < 200; ++i)
        bytes += frame;
    DurationMeter meter;
    meter.feed(bytes);
    CHECK(meter.seconds().value_or(0) == Approx(400 * 1152 / 44100.0).margin(0.1));
}
