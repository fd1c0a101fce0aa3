// SPDX-License-Identifier: Apache-2.0
// Ogg with Opus or Vorbis: the last granule position of the stream says how long it is.
#include "agent/safety/meter.hpp"

namespace conduit::agent {
namespace {

class OggMeter final : public FormatMeter {
  public:
    void feed(std::string_view in) override
    {
        while (!in.empty())
            step(in);
    }

    std::optional<double> seconds() const override
    {
        if (rate_ == 0)
            return std::nullopt;
        return finished_ + current();
    }

    void describe(AudioInfo& info) const override
    {
        info.sample_rate = rate_;
        info.channels = channels_;
    }

  private:
    enum class State : std::uint8_t { page, segments, packet };

    void step(std::string_view& in)
    {
        const std::size_t wanted = state_ == State::page       ? 27
                                   : state_ == State::segments ? segments_
                                                               : k_packet;
        if (!gather_.take(in, std::min<std::size_t>(wanted, state_ == State::packet ? body_ : wanted)))
            return;
        if (state_ == State::page)
            return read_page();
        if (state_ == State::segments)
            return read_segments();
        read_packet();
        next_page(body_ - gather_.held().size());
    }

    void read_page()
    {
        const auto held = gather_.held();
        if (!held.starts_with("OggS"))
            return gather_.resync(); // lost: look for the next page
        first_ = (read_be(held, 5, 1) & 2U) != 0;
        const auto granule = read_le(held, 6, 8);
        const auto serial = static_cast<std::uint32_t>(read_le(held, 14, 4));
        if (!first_ && rate_ > 0 && serial == serial_ && granule < (1ULL << 62U))
            granule_ = std::max(granule_, granule);
        page_serial_ = serial;
        segments_ = read_be(held, 26, 1);
        gather_.drop();
        if (segments_ == 0)
            return next_page(0);
        state_ = State::segments;
    }

    void read_segments()
    {
        body_ = 0;
        for (const char lace : gather_.held())
            body_ += static_cast<unsigned char>(lace);
        gather_.drop();
        if (!first_ || body_ == 0)
            return next_page(body_);
        state_ = State::packet;
    }

    void read_packet()
    {
        const auto held = gather_.held();
        std::uint32_t rate = 0;
        std::uint64_t skip = 0;
        if (held.starts_with("OpusHead")) {
            rate = 48000; // always, whatever the input was
            channels_ = static_cast<std::uint16_t>(read_le(held, 9, 1));
            skip = read_le(held, 10, 2);
        } else if (held.starts_with("\x01vorbis")) {
            rate = static_cast<std::uint32_t>(read_le(held, 12, 4));
            channels_ = static_cast<std::uint16_t>(read_le(held, 11, 1));
        }
        if (rate == 0)
            return;             // another kind of stream beside ours
        finished_ += current(); // a chained file: this is the next link
        rate_ = rate;
        pre_skip_ = skip;
        granule_ = 0;
        serial_ = page_serial_;
    }

    void next_page(std::uint64_t skip)
    {
        gather_.drop();
        gather_.skip(skip);
        state_ = State::page;
    }

    double current() const
    {
        return rate_ == 0 ? 0 : static_cast<double>(granule_ - std::min(granule_, pre_skip_)) / rate_;
    }

    static constexpr std::size_t k_packet = 30;
    Gatherer gather_;
    State state_ = State::page;
    bool first_ = false;
    std::size_t segments_ = 0;
    std::size_t body_ = 0;
    std::uint32_t page_serial_ = 0, serial_ = 0;
    std::uint32_t rate_ = 0;
    std::uint16_t channels_ = 0;
    std::uint64_t pre_skip_ = 0;
    std::uint64_t granule_ = 0;
    double finished_ = 0;
};

} // namespace

std::unique_ptr<FormatMeter> make_ogg_meter()
{
    return std::make_unique<OggMeter>();
}

} // namespace conduit::agent
