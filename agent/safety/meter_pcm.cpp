// SPDX-License-Identifier: Apache-2.0
// WAV and FLAC.
#include "agent/safety/meter.hpp"

namespace conduit::agent {
namespace {

constexpr std::uint32_t k_max_rate = 1'536'000;

class WavMeter final : public FormatMeter {
  public:
    void feed(std::string_view in) override
    {
        while (!in.empty())
            step(in);
    }

    // What came counts, not what the header says: streaming writers leave 0 or a huge number there.
    std::optional<double> seconds() const override
    {
        if (bytes_per_second_ == 0 || offset_of_data_ == 0)
            return std::nullopt;
        const auto bytes = declared_ == 0 ? received_ : std::min(received_, declared_);
        return static_cast<double>(bytes) / bytes_per_second_;
    }

    void describe(AudioInfo& info) const override
    {
        info.sample_rate = rate_;
        info.channels = channels_;
        info.bits = bits_;
        info.data_offset = static_cast<std::size_t>(offset_of_data_);
        constexpr std::uint64_t placeholder = 0x7FFFF000;
        if (bytes_per_second_ > 0 && declared_ > 0 && declared_ < placeholder)
            info.seconds = static_cast<double>(declared_) / bytes_per_second_;
    }

  private:
    enum class State : std::uint8_t { riff, chunk, format, size64, data };

    void step(std::string_view& in)
    {
        if (state_ == State::data) {
            received_ += in.size();
            in = {};
            return;
        }
        const std::size_t wanted = state_ == State::riff ? 12 : state_ == State::chunk ? 8 : body_;
        if (!gather_.take(in, wanted))
            return;
        switch (state_) {
        case State::riff:
            position_ = 12;
            next_chunk(0);
            break;
        case State::chunk:
            begin_chunk();
            break;
        case State::format:
            read_format();
            next_chunk(rest_);
            break;
        case State::size64:
            declared64_ = read_le(gather_.held(), 8, 8);
            next_chunk(rest_);
            break;
        case State::data:
            break;
        }
    }

    void begin_chunk()
    {
        const auto id = gather_.held().substr(0, 4);
        const auto size = read_le(gather_.held(), 4, 4);
        position_ += 8;
        if (id == "data") {
            state_ = State::data;
            declared_ = size == 0xFFFFFFFFU && declared64_ > 0 ? declared64_ : size;
            offset_of_data_ = position_;
            gather_.drop();
            return;
        }
        const auto padded = size + (size & 1U);
        position_ += padded;
        const bool wanted = (id == "fmt " && size >= 16) || (id == "ds64" && size >= 16);
        if (!wanted)
            return next_chunk(padded);
        state_ = id == "fmt " ? State::format : State::size64;
        body_ = 16;
        rest_ = padded - body_;
        gather_.drop();
    }

    void next_chunk(std::uint64_t skip)
    {
        gather_.drop();
        gather_.skip(skip);
        state_ = State::chunk;
    }

    void read_format()
    {
        const auto held = gather_.held();
        const auto tag = read_le(held, 0, 2);
        channels_ = static_cast<std::uint16_t>(read_le(held, 2, 2));
        rate_ = static_cast<std::uint32_t>(read_le(held, 4, 4));
        const auto average = static_cast<double>(read_le(held, 8, 4));
        const auto block = static_cast<double>(read_le(held, 12, 2));
        bits_ = static_cast<std::uint16_t>(read_le(held, 14, 2));
        const bool linear = tag == 1 || tag == 3 || tag == 6 || tag == 7 || tag == 0xFFFE;
        bytes_per_second_ = rate_ > k_max_rate ? 0 : linear && block > 0 ? block * rate_ : average;
    }

    Gatherer gather_;
    State state_ = State::riff;
    std::size_t body_ = 0;
    std::uint64_t rest_ = 0;
    std::uint64_t position_ = 0;
    std::uint64_t offset_of_data_ = 0;
    std::uint64_t declared_ = 0;
    std::uint64_t declared64_ = 0;
    std::uint64_t received_ = 0;
    double bytes_per_second_ = 0;
    std::uint32_t rate_ = 0;
    std::uint16_t channels_ = 0;
    std::uint16_t bits_ = 0;
};

class FlacMeter final : public FormatMeter {
  public:
    void feed(std::string_view in) override
    {
        constexpr std::size_t head = 4 + 4 + 34;
        if (known_ || !gather_.take(in, head))
            return;
        known_ = true;
        const auto held = gather_.held();
        if ((read_be(held, 4, 1) & 0x7FU) != 0)
            return; // the first block must be STREAMINFO
        const auto packed = read_be(held, 8 + 10, 8);
        rate_ = static_cast<std::uint32_t>(packed >> 44U);
        channels_ = static_cast<std::uint16_t>(((packed >> 41U) & 7U) + 1);
        bits_ = static_cast<std::uint16_t>(((packed >> 36U) & 31U) + 1);
        samples_ = packed & 0xFFFFFFFFFULL;
    }

    std::optional<double> seconds() const override
    {
        if (rate_ == 0 || samples_ == 0)
            return std::nullopt;
        return static_cast<double>(samples_) / rate_;
    }

    void describe(AudioInfo& info) const override
    {
        info.sample_rate = rate_;
        info.channels = channels_;
        info.bits = bits_;
        info.seconds = seconds();
    }

  private:
    Gatherer gather_;
    bool known_ = false;
    std::uint32_t rate_ = 0;
    std::uint16_t channels_ = 0;
    std::uint16_t bits_ = 0;
    std::uint64_t samples_ = 0;
};

} // namespace

std::unique_ptr<FormatMeter> make_wav_meter()
{
    return std::make_unique<WavMeter>();
}

std::unique_ptr<FormatMeter> make_flac_meter()
{
    return std::make_unique<FlacMeter>();
}

} // namespace conduit::agent
