// SPDX-License-Identifier: Apache-2.0
// Real files by espeak-ng and ffmpeg are measured within 50 ms.
#include "agent/safety/safety.hpp"
#include "core/fs.hpp"
#include "core/process.hpp"
#include "tests/support/catch.hpp"

#include <cmath>
#include <cstdlib>

using namespace conduit;
using namespace conduit::agent;

namespace {

bool missing(std::string_view program)
{
    const auto found =
        run_process({{std::string(program), program == "ffmpeg" ? "-version" : "--version"}}, Deadline{20s});
    if (found)
        return false;
    const char* required = std::getenv("CONDUIT_REQUIRE");
    if (required != nullptr && std::string_view(required).find(program) != std::string_view::npos)
        FAIL(program << " is missing; it is a Debian package of that name");
    WARN("skipped: " << program << " is missing; it is a Debian package of that name");
    return true;
}

double measure(const std::string& bytes)
{
    DurationMeter meter;
    for (std::size_t at = 0; at < bytes.size(); at += 1000)
        meter.feed(std::string_view(bytes).substr(at, 1000));
    return meter.seconds().value_or(-1);
}

} // namespace

TEST_CASE("real files are measured within 50 ms")
{
    if (missing("espeak-ng") || missing("ffmpeg"))
        return;
    const auto folder = TempDir::make("durations");
    REQUIRE(folder.has_value());
    const auto wav = (folder->path() / "speech.wav").string();
    REQUIRE(run_process(
                {{"espeak-ng", "-w", wav, "the quick brown fox jumps over the lazy dog and is not tired"}},
                Deadline{30s})
                .has_value());
    const auto speech = read_file(wav);
    REQUIRE(speech.has_value());
    const double seconds = static_cast<double>(speech->size() - 44) / (22050 * 2);
    REQUIRE(seconds > 2);
    CHECK(measure(*speech) == Approx(seconds).margin(0.001));

    const auto piped = run_process(
        {{"espeak-ng", "--stdout", "the quick brown fox jumps over the lazy dog and is not tired"}},
        Deadline{30s});
    REQUIRE(piped.has_value());
    CHECK(measure(piped->out) == Approx(seconds).margin(0.05));

    struct Kind {
        std::string name;
        std::vector<std::string> options;
        AudioFormat format;
    };
    const std::vector<Kind> kinds{
        {"a.wav", {"-ar", "8000"}, AudioFormat::wav},
        {"a.mp3", {"-ar", "44100"}, AudioFormat::mp3},
        {"b.mp3", {"-ar", "16000", "-b:a", "24k"}, AudioFormat::mp3},
        {"vbr.mp3", {"-q:a", "4", "-metadata", "title=A long title"}, AudioFormat::mp3},
        {"a.flac", {}, AudioFormat::flac},
        {"a.opus", {}, AudioFormat::ogg_opus},
        {"a.ogg", {"-c:a", "libvorbis"}, AudioFormat::ogg_vorbis},
        {"a.m4a", {}, AudioFormat::mp4},
        {"fast.m4a", {"-movflags", "+faststart"}, AudioFormat::mp4},
        {"a.webm", {}, AudioFormat::webm},
        {"live.webm", {"-live", "1", "-cluster_time_limit", "500"}, AudioFormat::webm},
        {"a.aac", {"-ar", "48000"}, AudioFormat::aac_adts},
    };
    for (const auto& kind : kinds) {
        INFO(kind.name);
        const auto path = (folder->path() / kind.name).string();
        std::vector<std::string> argv{"ffmpeg", "-v", "error", "-i", wav};
        argv.insert(argv.end(), kind.options.begin(), kind.options.end());
        argv.push_back(path);
        const auto made = run_process({argv}, Deadline{60s});
        REQUIRE(made.has_value());
        INFO(made->err);
        REQUIRE(made->exit_code == 0);
        const auto bytes = read_file(path);
        REQUIRE(bytes.has_value());
        CHECK(sniff_audio(std::string_view(*bytes).substr(0, 64)).format == kind.format);
        CHECK(std::abs(measure(*bytes) - seconds) <= (kind.format == AudioFormat::aac_adts ? 0.1 : 0.05));
    }
}
