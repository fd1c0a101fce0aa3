// SPDX-License-Identifier: Apache-2.0
// Players must accept our audio files: ffprobe names the codec and the duration, ffmpeg decodes without
// complaint.
#include "core/fs.hpp"
#include "core/json.hpp"
#include "core/process.hpp"
#include "sim/audio/audio.hpp"
#include "tests/support/catch.hpp"

#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>

using namespace conduit;
using namespace conduit::sim;

namespace {

// Names why nothing was tested; CONDUIT_REQUIRE makes that a failure.
bool have_ffmpeg()
{
    const auto found = run_process({.argv = {"ffmpeg", "-version"}}, Deadline{10s});
    if (found && found->exit_code == 0)
        return true;
    WARN("skipped: ffmpeg is not installed");
    CHECK(std::getenv("CONDUIT_REQUIRE") == nullptr);
    return false;
}

// Root mean square of 16-bit samples, but for the beginning and the end, where a coder fades.
double loudness(std::string_view pcm)
{
    double sum = 0;
    const auto edge = pcm.size() / 10 * 2;
    std::size_t count = 0;
    for (std::size_t at = edge; at + edge + 1 < pcm.size(); at += 2, ++count) {
        const auto sample = static_cast<std::int16_t>(static_cast<std::uint8_t>(pcm[at]) |
                                                      static_cast<std::uint8_t>(pcm[at + 1]) << 8);
        sum += static_cast<double>(sample) * sample;
    }
    return count == 0 ? 0 : std::sqrt(sum / static_cast<double>(count));
}

} // namespace

TEST_CASE("ffmpeg reads every container we write")
{
    if (!have_ffmpeg())
        return;
    const auto folder = TempDir::make();
    REQUIRE(folder);
    struct Case {
        AudioFormat format;
        std::uint32_t rate;
        std::string name;
        std::string codec;
    };
    const Case cases[] = {
        {AudioFormat::wav, 24000, "a.wav", "pcm_s16le"}, {AudioFormat::mp3, 24000, "a.mp3", "mp3"},
        {AudioFormat::mp3, 44100, "b.mp3", "mp3"},       {AudioFormat::mp3, 22050, "c.mp3", "mp3"},
        {AudioFormat::mp3, 8000, "d.mp3", "mp3"},        {AudioFormat::opus, 24000, "a.ogg", "opus"},
        {AudioFormat::flac, 24000, "a.flac", "flac"},    {AudioFormat::aac, 24000, "a.aac", "aac"}};
    for (const auto& one : cases) {
        INFO(one.name);
        const std::string text(100, 'x');
        const auto path = folder->path() / one.name;
        REQUIRE(write_file(path, make_speech(text, {.format = one.format, .rate = one.rate})));
        const auto probe = run_process({.argv = {"ffprobe", "-v", "error", "-of", "json", "-show_entries",
                                                 "stream=codec_name:format=duration", path.string()}},
                                       Deadline{30s});
        REQUIRE(probe);
        const auto facts = parse_json(probe->out);
        REQUIRE(facts);
        CHECK((*facts)["streams"][0]["codec_name"] == one.codec);
        CHECK(std::stod((*facts)["format"]["duration"].get<std::string>()) == Approx(6.0).margin(0.1));
        const auto decoded = run_process({.argv = {"ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i",
                                                   path.string(), "-f", "null", "-"}},
                                         Deadline{30s});
        REQUIRE(decoded);
        CHECK(decoded->exit_code == 0);
        CHECK(decoded->err.empty());
    }
}

TEST_CASE("every format is heard, as loud as the others, and differs with its text")
{
    if (!have_ffmpeg())
        return;
    const auto folder = TempDir::make();
    REQUIRE(folder);
    struct Case {
        AudioFormat format;
        std::uint32_t rate = 24000;
        std::uint32_t mp3_kbps = 64;
    };
    const Case cases[] = {{AudioFormat::wav},        {AudioFormat::flac},
                          {AudioFormat::mp3},        {AudioFormat::mp3, 24000, 32},
                          {AudioFormat::mp3, 22050}, {AudioFormat::mp3, 8000},
                          {AudioFormat::mp3, 44100}, {AudioFormat::opus},
                          {AudioFormat::aac},        {AudioFormat::aac, 16000}};
    const auto path = (folder->path() / "speech").string();
    const auto decode = [&](const std::string& text, const Case& one) {
        REQUIRE(write_file(
            path, make_speech(text, {.format = one.format, .rate = one.rate, .mp3_kbps = one.mp3_kbps})));
        const auto decoded = run_process({.argv = {"ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", path,
                                                   "-ac", "1", "-f", "s16le", "-"}},
                                         Deadline{30s});
        REQUIRE(decoded);
        CHECK(decoded->exit_code == 0);
        CHECK(decoded->err == "");
        return decoded->out;
    };
    for (const auto& one : cases) {
        INFO(media_type(one.format) << " " << one.rate << " Hz " << one.mp3_kbps << " kbit/s");
        const auto samples = decode(std::string(50, 'k'), one);
        CHECK(loudness(samples) == Approx(2430).epsilon(0.25)); // of the wave that every format is made from
        CHECK(loudness(decode(std::string(50, ' '), one)) < 10);
        CHECK(samples != decode(std::string(50, 'm'), one));
    }
}
