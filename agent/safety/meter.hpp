// SPDX-License-Identifier: Apache-2.0
// Internal to this folder: one incremental reader a container. Each holds a few hundred bytes at most,
// whatever is fed, and believes nothing of what it reads.
#pragma once

#include "agent/safety/safety.hpp"

#include <algorithm>
#include <cstdint>

namespace conduit::agent {

class FormatMeter {
  public:
    virtual ~FormatMeter() = default;
    virtual void feed(std::string_view bytes) = 0;
    virtual std::optional<double> seconds() const = 0;
    virtual void describe(AudioInfo& info) const = 0;
    virtual std::uint64_t looked_at() const { return 0; } // see DurationMeter
};

// Collects the next n bytes out of pieces, after skipping what was asked to be skipped.
class Gatherer {
  public:
    bool take(std::string_view& in, std::size_t n)
    {
        const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_, in.size()));
        in.remove_prefix(skipped);
        skip_ -= skipped;
        if (skip_ > 0)
            return false;
        const auto wanted = std::min(n - std::min(n, held_.size()), in.size());
        held_.append(in.substr(0, wanted));
        in.remove_prefix(wanted);
        return held_.size() >= n;
    }
    std::string_view held() const { return held_; }
    void drop(std::size_t n = std::string::npos)
    {
        found_ += std::min(n, held_.size());
        held_.erase(0, n);
    }
    void skip(std::uint64_t n)
    {
        found_ += n;
        skip_ = n;
    }
    // What is held begins nothing: look one byte further. Looking is dear, so that it ends once more bytes
    // led nowhere than led to something: a damaged file is looked through, noise is not.
    void resync()
    {
        held_.erase(0, 1);
        gave_up_ = ++lost_ > k_may_lose + found_;
        if (gave_up_)
            skip_ = ~0ULL;
    }
    bool gave_up() const { return gave_up_; }
    std::uint64_t looked_at() const { return lost_; }

  private:
    static constexpr std::uint64_t k_may_lose = 8192;
    std::string held_;
    std::uint64_t skip_ = 0;
    std::uint64_t lost_ = 0, found_ = 0; // bytes
    bool gave_up_ = false;
};

inline std::uint64_t read_le(std::string_view bytes, std::size_t at, std::size_t size)
{
    std::uint64_t value = 0;
    for (std::size_t i = size; i-- > 0;)
        value = (value << 8U) | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    return value;
}

inline std::uint64_t read_be(std::string_view bytes, std::size_t at, std::size_t size)
{
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i)
        value = (value << 8U) | (at + i < bytes.size() ? static_cast<unsigned char>(bytes[at + i]) : 0U);
    return value;
}

AudioFormat audio_format_of(std::string_view head); // by the first bytes

std::unique_ptr<FormatMeter> make_wav_meter();
std::unique_ptr<FormatMeter> make_flac_meter();
std::unique_ptr<FormatMeter> make_mp3_meter();
std::unique_ptr<FormatMeter> make_adts_meter();
std::unique_ptr<FormatMeter> make_amr_meter();
std::unique_ptr<FormatMeter> make_ogg_meter();
std::unique_ptr<FormatMeter> make_mp4_meter();
std::unique_ptr<FormatMeter> make_webm_meter();
bool is_mp3_header(std::uint32_t header);

} // namespace conduit::agent
