// SPDX-License-Identifier: Apache-2.0
// The one file that names vo-aacenc.
#include "sim/audio/tones.hpp"

#include <vector>

extern "C" {
#include <vo-aacenc/cmnMemory.h>
#include <vo-aacenc/voAAC.h>
}

namespace conduit::sim {
namespace {

constexpr std::size_t k_frame_samples = 1024;
constexpr std::size_t k_frames = 5; // coded of each tone; the last one is kept, the encoder has settled

class Encoder {
  public:
    explicit Encoder(std::uint32_t rate)
    {
        memory_.Alloc = cmnMemAlloc;
        memory_.Copy = cmnMemCopy;
        memory_.Free = cmnMemFree;
        memory_.Set = cmnMemSet;
        memory_.Check = cmnMemCheck;
        VO_CODEC_INIT_USERDATA user{};
        user.memflag = VO_IMF_USERMEMOPERATOR;
        user.memData = &memory_;
        voGetAACEncAPI(&api_);
        if (api_.Init(&handle_, VO_AUDIO_CodingAAC, &user) != VO_ERR_NONE)
            return;
        AACENC_PARAM wanted{static_cast<int>(rate), static_cast<int>(rate * 2), 1, 1};
        ready_ = api_.SetParam(handle_, VO_PID_AAC_ENCPARAM, &wanted) == VO_ERR_NONE;
    }
    ~Encoder()
    {
        if (handle_ != nullptr)
            api_.Uninit(handle_);
    }
    Encoder(const Encoder&) = delete;
    Encoder& operator=(const Encoder&) = delete;

    // One frame; empty when it cannot be coded.
    std::string code(std::vector<std::int16_t> samples)
    {
        if (!ready_)
            return {};
        VO_CODECBUFFER in{};
        in.Buffer = reinterpret_cast<VO_PBYTE>(samples.data());
        in.Length = static_cast<VO_U32>(samples.size() * sizeof samples.front());
        std::string frame(4096, '\0');
        VO_CODECBUFFER out{};
        out.Buffer = reinterpret_cast<VO_PBYTE>(frame.data());
        out.Length = static_cast<VO_U32>(frame.size());
        VO_AUDIO_OUTPUTINFO info{};
        if (api_.SetInputData(handle_, &in) != VO_ERR_NONE ||
            api_.GetOutputData(handle_, &out, &info) != VO_ERR_NONE)
            return {};
        frame.resize(out.Length);
        return frame;
    }

  private:
    VO_MEM_OPERATOR memory_{};
    VO_AUDIO_CODECAPI api_{};
    VO_HANDLE handle_ = nullptr;
    bool ready_ = false;
};

} // namespace

Tones code_aac_tones(std::uint32_t rate)
{
    Tones tones;
    Encoder encoder(rate);
    for (std::size_t tone = 0; tone < k_tones; ++tone) {
        const auto samples = tone_samples(tone, k_frame_samples);
        for (std::size_t i = 0; i < k_frames; ++i)
            tones.at(tone) = encoder.code(samples);
    }
    return tones;
}

} // namespace conduit::sim
