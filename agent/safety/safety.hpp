// SPDX-License-Identifier: Apache-2.0
// Content rules for speech input (RE2, linear time) by age group, and validation of uploaded audio by its
// first bytes.
#pragma once

#include "core/fs.hpp"
#include "core/result.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::agent {

struct SafetyVerdict {
    bool allowed = true;
    std::string rule, violation_type, severity; // empty when allowed
    std::string action = "allowed";             // allowed, blocked, flagged
};

// safety.yaml: rules: [{name, type, severity: low|medium|high|critical, pattern: RE2, age_groups: [child,
// ...], action: block|flag}]. All faults with file:line; a pattern that RE2 refuses says why.
class SafetyRules {
  public:
    SafetyRules();
    ~SafetyRules();
    SafetyRules(SafetyRules&&) noexcept;
    SafetyRules& operator=(SafetyRules&&) noexcept;
    static std::expected<SafetyRules, std::vector<Error>> parse(std::string_view yaml,
                                                                const std::string& file);
    SafetyVerdict check(std::string_view text, std::string_view age_group) const; // thread-safe
    std::size_t size() const;
    struct RuleInfo {
        std::string name, type, severity, pattern, action;
        std::vector<std::string> age_groups;
    };
    std::vector<RuleInfo> rules() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

enum class AudioFormat : std::uint8_t {
    unknown,
    wav,
    mp3,
    flac,
    ogg_opus,
    ogg_vorbis,
    mp4,
    webm,
    aac_adts,
    amr
};
std::string_view audio_format_name(AudioFormat format);

struct AudioInfo {
    AudioFormat format = AudioFormat::unknown;
    std::uint32_t sample_rate = 0;
    std::uint16_t channels = 0;
    std::uint16_t bits = 0;
    std::optional<double>
        seconds;                 // when the head alone tells (WAV with a believable length, FLAC STREAMINFO)
    std::size_t data_offset = 0; // WAV: where the samples begin
};
AudioInfo
sniff_audio(std::string_view head); // the first bytes, 64 are enough for the format, 8 KiB for the rest

// Measures duration while the audio streams past (docs: provider_wire_formats, section 14).
class DurationMeter {
  public:
    DurationMeter();
    ~DurationMeter();
    DurationMeter(DurationMeter&&) noexcept;
    DurationMeter& operator=(DurationMeter&&) noexcept;
    void feed(std::string_view bytes);
    AudioInfo info() const;
    std::uint64_t looked_at() const;       // positions where a frame was looked for: what the measuring costs
    std::optional<double> seconds() const; // after the last piece; nothing when the container does not tell

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace conduit::agent
