// SPDX-License-Identifier: Apache-2.0
// MP4 (mvhd) and WebM (Duration, else the last block's time).
#include "agent/safety/meter.hpp"

#include <bit>
#include <cmath>

namespace conduit::agent {
namespace {

constexpr std::uint64_t k_endless = ~0ULL;

std::optional<double> believable(double seconds)
{
    return std::isfinite(seconds) && seconds > 0 && seconds < 1e7 ? std::optional(seconds) : std::nullopt;
}

class Mp4Meter final : public FormatMeter {
  public:
    void feed(std::string_view in) override
    {
        while (!in.empty())
            step(in);
    }
    std::optional<double> seconds() const override { return seconds_; }
    void describe(AudioInfo& /*info*/) const override {}

  private:
    void step(std::string_view& in)
    {
        if (!gather_.take(in, wanted_))
            return;
        const auto held = gather_.held();
        if (in_mvhd_) {
            read_mvhd(held);
            in_mvhd_ = false;
            return next(rest_);
        }
        auto size = read_be(held, 0, 4);
        const auto type = held.substr(4, 4);
        std::size_t header = 8;
        if (size == 1) {
            if (held.size() < 16) {
                wanted_ = 16;
                return;
            }
            size = read_be(held, 8, 8);
            header = 16;
        }
        if (size == 0)
            size = k_endless; // to the end of the file
        else if (size < header)
            return next(k_endless); // broken: nothing more can be known
        if (type == "moov")
            return next(0); // its children follow
        if (type == "mvhd" && size - header >= k_mvhd) {
            in_mvhd_ = true;
            rest_ = size - header - k_mvhd;
            gather_.drop();
            wanted_ = k_mvhd;
            return;
        }
        next(size - header);
    }

    void read_mvhd(std::string_view held)
    {
        const bool wide = read_be(held, 0, 1) == 1;
        const auto scale = read_be(held, wide ? 20 : 12, 4);
        const auto length = wide ? read_be(held, 24, 8) : read_be(held, 16, 4);
        if (scale > 0 && length != (wide ? k_endless : 0xFFFFFFFFULL))
            seconds_ = believable(static_cast<double>(length) / static_cast<double>(scale));
    }

    void next(std::uint64_t skip)
    {
        gather_.drop();
        gather_.skip(skip);
        wanted_ = 8;
    }

    static constexpr std::size_t k_mvhd = 32;
    Gatherer gather_;
    std::size_t wanted_ = 8;
    bool in_mvhd_ = false;
    std::uint64_t rest_ = 0;
    std::optional<double> seconds_;
};

// Masters that hold what we look for are not skipped, so their children come up as if they were siblings:
// no stack is needed, and elements of unknown size (live recordings) need no special case.
class WebmMeter final : public FormatMeter {
  public:
    void feed(std::string_view in) override
    {
        while (!in.empty())
            step(in);
    }

    std::optional<double> seconds() const override
    {
        if (duration_ > 0)
            return believable(duration_ * scale_ns_ * 1e-9);
        if (last_block_ < 0) // live recordings carry no Duration
            return std::nullopt;
        return believable((last_block_ + step_) * scale_ns_ * 1e-9);
    }

    void describe(AudioInfo& info) const override
    {
        info.sample_rate = rate_;
        info.channels = channels_;
    }

  private:
    enum Id : std::uint64_t {
        k_segment = 0x18538067,
        k_info = 0x1549A966,
        k_tracks = 0x1654AE6B,
        k_track = 0xAE,
        k_audio = 0xE1,
        k_cluster = 0x1F43B675,
        k_group = 0xA0,
        k_scale = 0x2AD7B1,
        k_duration = 0x4489,
        k_time = 0xE7,
        k_simple_block = 0xA3,
        k_block = 0xA1,
        k_rate = 0xB5,
        k_channels = 0x9F
    };

    static std::size_t length_of(std::string_view held, std::size_t at)
    {
        const auto first = static_cast<std::uint8_t>(held[at]);
        return first == 0 ? 9 : static_cast<std::size_t>(std::countl_zero(first)) + 1;
    }

    void step(std::string_view& in)
    {
        if (!gather_.take(in, wanted_))
            return;
        const auto held = gather_.held();
        if (value_id_ != 0) {
            read_value(held);
            value_id_ = 0;
            return next(rest_);
        }
        const auto id_size = length_of(held, 0);
        if (id_size > 4) {
            gather_.resync(); // lost: look further
            wanted_ = 1;
            return;
        }
        if (held.size() < id_size + 1) {
            wanted_ = id_size + 1;
            return;
        }
        const auto size_size = length_of(held, id_size);
        if (size_size > 8)
            return next(0);
        if (held.size() < id_size + size_size) {
            wanted_ = id_size + size_size;
            return;
        }
        const auto mask = (1ULL << (7 * size_size)) - 1;
        const auto size = read_be(held, id_size, size_size) & mask;
        element(read_be(held, 0, id_size), size == mask ? k_endless : size);
    }

    void element(std::uint64_t id, std::uint64_t size)
    {
        switch (id) {
        case k_segment:
        case k_info:
        case k_tracks:
        case k_track:
        case k_audio:
        case k_cluster:
        case k_group:
            return next(0);
        case k_scale:
        case k_duration:
        case k_time:
        case k_rate:
        case k_channels:
            if (size == 0 || size > 8)
                return next(size);
            return value(id, static_cast<std::size_t>(size), 0);
        case k_simple_block:
        case k_block:
            if (size < 4 || size == k_endless)
                return next(size);
            return value(id, 4, size - 4);
        default:
            return next(size);
        }
    }

    void value(std::uint64_t id, std::size_t size, std::uint64_t rest)
    {
        value_id_ = id;
        rest_ = rest;
        gather_.drop();
        wanted_ = size;
    }

    void read_value(std::string_view held)
    {
        const auto number = read_be(held, 0, held.size());
        const double real =
            held.size() == 8   ? std::bit_cast<double>(number)
            : held.size() == 4 ? static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(number)))
                               : 0;
        switch (value_id_) {
        case k_scale:
            scale_ns_ = static_cast<double>(number);
            break;
        case k_duration:
            duration_ = std::isfinite(real) ? real : 0;
            break;
        case k_time:
            cluster_time_ = static_cast<double>(number);
            break;
        case k_rate:
            rate_ = real > 0 && real < 1e6 ? static_cast<std::uint32_t>(real) : 0;
            break;
        case k_channels:
            channels_ = static_cast<std::uint16_t>(std::min<std::uint64_t>(number, 255));
            break;
        default: // a block: track number (one byte for all but absurd files), relative time
            note_block(cluster_time_ + static_cast<std::int16_t>(read_be(held, 1, 2)));
        }
    }

    void note_block(double time)
    {
        if (time <= last_block_)
            return;
        if (last_block_ >= 0)
            step_ = time - last_block_;
        last_block_ = time;
    }

    void next(std::uint64_t skip)
    {
        gather_.drop();
        gather_.skip(skip);
        wanted_ = 1;
    }

    Gatherer gather_;
    std::size_t wanted_ = 1;
    std::uint64_t value_id_ = 0;
    std::uint64_t rest_ = 0;
    double scale_ns_ = 1e6;
    double duration_ = 0;
    double cluster_time_ = 0;
    double last_block_ = -1;
    double step_ = 0;
    std::uint32_t rate_ = 0;
    std::uint16_t channels_ = 0;
};

} // namespace

std::unique_ptr<FormatMeter> make_mp4_meter()
{
    return std::make_unique<Mp4Meter>();
}

std::unique_ptr<FormatMeter> make_webm_meter()
{
    return std::make_unique<WebmMeter>();
}

} // namespace conduit::agent
