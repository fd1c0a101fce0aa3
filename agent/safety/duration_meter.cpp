// SPDX-License-Identifier: Apache-2.0
#include "agent/safety/meter.hpp"

namespace conduit::agent {
namespace {

constexpr std::size_t k_detect_bytes = 64;
// Even silence takes some bytes a second in every format: a header that claims more than this lies.
constexpr double k_max_seconds_per_byte = 1;

std::unique_ptr<FormatMeter> make_meter(AudioFormat format)
{
    switch (format) {
    case AudioFormat::wav:
        return make_wav_meter();
    case AudioFormat::flac:
        return make_flac_meter();
    case AudioFormat::mp3:
        return make_mp3_meter();
    case AudioFormat::aac_adts:
        return make_adts_meter();
    case AudioFormat::amr:
        return make_amr_meter();
    case AudioFormat::ogg_opus:
    case AudioFormat::ogg_vorbis:
        return make_ogg_meter();
    case AudioFormat::mp4:
        return make_mp4_meter();
    case AudioFormat::webm:
        return make_webm_meter();
    case AudioFormat::unknown:
        break;
    }
    return nullptr;
}

} // namespace

struct DurationMeter::Impl {
    std::string head; // until the format is known
    bool detected = false;
    std::uint64_t fed = 0;
    AudioFormat format = AudioFormat::unknown;
    std::unique_ptr<FormatMeter> meter;

    void detect()
    {
        detected = true;
        format = audio_format_of(head);
        meter = make_meter(format);
        if (meter)
            meter->feed(head);
        head.clear();
    }
};

DurationMeter::DurationMeter() : impl_(std::make_unique<Impl>()) {}
DurationMeter::~DurationMeter() = default;
DurationMeter::DurationMeter(DurationMeter&&) noexcept = default;
DurationMeter& DurationMeter::operator=(DurationMeter&&) noexcept = default;

void DurationMeter::feed(std::string_view bytes)
{
    impl_->fed += bytes.size();
    if (!impl_->detected) {
        const auto part = bytes.substr(0, k_detect_bytes - impl_->head.size());
        impl_->head.append(part);
        bytes.remove_prefix(part.size());
        if (impl_->head.size() < k_detect_bytes)
            return;
        impl_->detect();
    }
    if (impl_->meter && !bytes.empty())
        impl_->meter->feed(bytes);
}

AudioInfo DurationMeter::info() const
{
    AudioInfo info;
    if (!impl_->detected) { // a very short one, looked at without disturbing what may still come
        info.format = audio_format_of(impl_->head);
        if (const auto meter = make_meter(info.format)) {
            meter->feed(impl_->head);
            meter->describe(info);
        }
        return info;
    }
    info.format = impl_->format;
    if (impl_->meter)
        impl_->meter->describe(info);
    return info;
}

std::uint64_t DurationMeter::looked_at() const
{
    return impl_->meter ? impl_->meter->looked_at() : 0;
}

std::optional<double> DurationMeter::seconds() const
{
    std::optional<double> seconds;
    if (impl_->detected) {
        if (impl_->meter)
            seconds = impl_->meter->seconds();
    } else if (const auto meter = make_meter(audio_format_of(impl_->head))) {
        meter->feed(impl_->head);
        seconds = meter->seconds();
    }
    if (seconds && *seconds > static_cast<double>(impl_->fed) * k_max_seconds_per_byte)
        return std::nullopt;
    return seconds;
}

} // namespace conduit::agent
