// SPDX-License-Identifier: Apache-2.0
// Streams of frames: MP3, AAC in ADTS, AMR. Durations are counted, not taken from a header.
#include "agent/safety/meter.hpp"

#include <array>

namespace conduit::agent {
namespace {

struct Frame {
    std::uint32_t bytes = 0; // 0: no frame begins here
    std::uint32_t samples = 0;
    std::uint32_t rate = 0;
    std::uint16_t channels = 0;
    std::uint32_t side_info = 0; // MP3: where an Xing tag would be, from the frame's begin
};

Frame mp3_frame(std::uint32_t header)
{
    static constexpr std::array<std::uint16_t, 15> v1{0,   32,  40,  48,  56,  64,  80, 96,
                                                      112, 128, 160, 192, 224, 256, 320};
    static constexpr std::array<std::uint16_t, 15> v2{0,  8,  16, 24,  32,  40,  48, 56,
                                                      64, 80, 96, 112, 128, 144, 160};
    static constexpr std::array<std::uint32_t, 3> rates{44100, 48000, 32000};
    const auto version = (header >> 19U) & 3U; // 3: MPEG-1, 2: MPEG-2, 0: MPEG-2.5
    const auto layer = (header >> 17U) & 3U;   // 1: layer III
    const auto bitrate = (header >> 12U) & 15U;
    const auto rate = (header >> 10U) & 3U;
    if ((header >> 21U) != 0x7FFU || version == 1 || layer != 1 || bitrate == 0 || bitrate == 15 || rate == 3)
        return {};
    const bool mpeg1 = version == 3;
    const bool mono = ((header >> 6U) & 3U) == 3;
    Frame frame;
    frame.rate = rates[rate] >> (mpeg1 ? 0U : version == 2 ? 1U : 2U);
    frame.samples = mpeg1 ? 1152 : 576;
    const std::uint32_t kbits = mpeg1 ? v1[bitrate] : v2[bitrate];
    frame.bytes = frame.samples / 8 * kbits * 1000 / frame.rate + ((header >> 9U) & 1U);
    frame.channels = mono ? 1 : 2;
    frame.side_info = 4 + (mpeg1 ? (mono ? 17U : 32U) : (mono ? 9U : 17U));
    return frame;
}

Frame adts_frame(std::string_view bytes)
{
    static constexpr std::array<std::uint32_t, 13> rates{96000, 88200, 64000, 48000, 44100, 32000, 24000,
                                                         22050, 16000, 12000, 11025, 8000,  7350};
    const auto bits = read_be(bytes, 0, 7);
    const auto rate = (bits >> 34U) & 15U;
    const auto length = (bits >> 13U) & 0x1FFFU;
    if ((bits >> 44U) != 0xFFFU || ((bits >> 41U) & 3U) != 0 || rate >= rates.size() || length < 7)
        return {};
    return {static_cast<std::uint32_t>(length), static_cast<std::uint32_t>(1024 * ((bits & 3U) + 1)),
            rates[rate], static_cast<std::uint16_t>((bits >> 30U) & 7U), 0};
}

// Counts the samples of frames that agree with their neighbours.
class FrameCounter {
  public:
    // False: not to be believed, look at the next byte.
    bool add(const Frame& frame)
    {
        if (frame.bytes == 0 || (frames_ > 1 && frame.rate != first_.rate)) {
            if (frames_ == 1) // a lone frame was noise that looked like one
                frames_ = samples_ = 0;
            return false;
        }
        if (frames_ == 0)
            first_ = frame;
        ++frames_;
        samples_ += frame.samples;
        return true;
    }
    void remove(std::uint64_t samples) { trimmed_ += samples; }
    std::optional<double> seconds() const
    {
        if (frames_ == 0)
            return std::nullopt;
        return static_cast<double>(samples_ - std::min(samples_, trimmed_)) / first_.rate;
    }
    std::uint64_t frames() const { return frames_; }
    void describe(AudioInfo& info) const
    {
        if (frames_ == 0)
            return;
        info.sample_rate = first_.rate;
        info.channels = first_.channels;
    }

  private:
    Frame first_;
    std::uint64_t frames_ = 0;
    std::uint64_t samples_ = 0;
    std::uint64_t trimmed_ = 0;
};

class Mp3Meter final : public FormatMeter {
  public:
    void feed(std::string_view in) override
    {
        while (!in.empty())
            step(in);
    }
    std::optional<double> seconds() const override
    {
        return gather_.gave_up() ? std::nullopt : counter_.seconds();
    }
    void describe(AudioInfo& info) const override { counter_.describe(info); }
    std::uint64_t looked_at() const override { return gather_.looked_at(); }

  private:
    void step(std::string_view& in)
    {
        if (wanted_ > 4)
            return read_tag(in);
        if (!gather_.take(in, tagged_ ? 4 : 10))
            return;
        if (!tagged_) {
            tagged_ = true;
            if (gather_.held().starts_with("ID3"))
                return skip_id3();
        }
        const auto frame = mp3_frame(static_cast<std::uint32_t>(read_be(gather_.held(), 0, 4)));
        if (!counter_.add(frame))
            return gather_.resync();
        if (counter_.frames() == 1) {
            first_ = frame;
            wanted_ = std::min<std::size_t>(frame.bytes, frame.side_info + k_xing_bytes);
            if (wanted_ > 4)
                return;
        }
        skip_rest(frame);
    }

    // The first frame may be no sound but a table with the encoder's delay and padding.
    void read_tag(std::string_view& in)
    {
        if (!gather_.take(in, wanted_))
            return;
        wanted_ = 0;
        const auto tag = gather_.held().substr(first_.side_info);
        if (tag.starts_with("Xing") || tag.starts_with("Info")) {
            counter_.remove(first_.samples);
            const auto flags = read_be(tag, 4, 4);
            const std::size_t lame = 8 + ((flags & 1U) != 0 ? 4U : 0U) + ((flags & 2U) != 0 ? 4U : 0U) +
                                     ((flags & 4U) != 0 ? 100U : 0U) + ((flags & 8U) != 0 ? 4U : 0U);
            if (tag.size() >= lame + 24 &&
                (tag.substr(lame).starts_with("LAME") || tag.substr(lame).starts_with("Lav"))) {
                const auto trim = read_be(tag, lame + 21, 3);
                counter_.remove((trim >> 12U) + (trim & 0xFFFU));
            }
        }
        skip_rest(first_);
    }

    void skip_rest(const Frame& frame)
    {
        const auto held = gather_.held().size();
        gather_.drop(std::min<std::size_t>(frame.bytes, held));
        gather_.skip(frame.bytes > held ? frame.bytes - held : 0);
    }

    void skip_id3()
    {
        std::uint64_t size = 0;
        for (std::size_t i = 6; i < 10; ++i)
            size = (size << 7U) | (read_be(gather_.held(), i, 1) & 0x7FU);
        if ((read_be(gather_.held(), 5, 1) & 0x10U) != 0)
            size += 10;
        gather_.drop();
        gather_.skip(size);
    }

    static constexpr std::size_t k_xing_bytes = 8 + 4 + 4 + 100 + 4 + 24;
    Gatherer gather_;
    FrameCounter counter_;
    Frame first_;
    std::size_t wanted_ = 0; // of the first frame, while its tag is being read
    bool tagged_ = false;    // past the place of an ID3 tag
};

class AdtsMeter final : public FormatMeter {
  public:
    void feed(std::string_view in) override
    {
        while (!in.empty()) {
            if (!gather_.take(in, 7))
                return;
            const auto frame = adts_frame(gather_.held());
            if (counter_.add(frame)) {
                gather_.drop();
                gather_.skip(frame.bytes - 7);
            } else {
                gather_.resync();
            }
        }
    }
    std::optional<double> seconds() const override
    {
        return gather_.gave_up() ? std::nullopt : counter_.seconds();
    }
    void describe(AudioInfo& info) const override { counter_.describe(info); }
    std::uint64_t looked_at() const override { return gather_.looked_at(); }

  private:
    Gatherer gather_;
    FrameCounter counter_;
};

class AmrMeter final : public FormatMeter {
  public:
    void feed(std::string_view in) override
    {
        static constexpr std::array<std::uint8_t, 16> narrow{12, 13, 15, 17, 19, 20, 26, 31, 5};
        static constexpr std::array<std::uint8_t, 16> wide{17, 23, 32, 36, 40, 46, 50, 58, 60, 5};
        while (!in.empty()) {
            if (!started_) {
                if (!gather_.take(in, 6))
                    return;
                wide_ = gather_.held() == "#!AMR-";
                started_ = true;
                gather_.drop();
                gather_.skip(wide_ ? 3 : 0);
                continue;
            }
            if (!gather_.take(in, 1))
                return;
            const auto type = (read_be(gather_.held(), 0, 1) >> 3U) & 15U;
            gather_.drop();
            gather_.skip(wide_ ? wide[type] : narrow[type]);
            ++frames_;
        }
    }
    std::optional<double> seconds() const override
    {
        return started_ ? std::optional(static_cast<double>(frames_) * 0.02) : std::nullopt;
    }
    void describe(AudioInfo& info) const override
    {
        info.sample_rate = wide_ ? 16000 : 8000;
        info.channels = 1;
    }

  private:
    Gatherer gather_;
    bool started_ = false;
    bool wide_ = false;
    std::uint64_t frames_ = 0;
};

} // namespace

bool is_mp3_header(std::uint32_t header)
{
    return mp3_frame(header).bytes > 0;
}

std::unique_ptr<FormatMeter> make_mp3_meter()
{
    return std::make_unique<Mp3Meter>();
}

std::unique_ptr<FormatMeter> make_adts_meter()
{
    return std::make_unique<AdtsMeter>();
}

std::unique_ptr<FormatMeter> make_amr_meter()
{
    return std::make_unique<AmrMeter>();
}

} // namespace conduit::agent
