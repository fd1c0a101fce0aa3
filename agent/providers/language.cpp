// SPDX-License-Identifier: Apache-2.0
#include "agent/providers/transcript.hpp"
#include "core/text.hpp"

#include <algorithm>
#include <array>

namespace conduit::agent {
namespace {

struct Language {
    std::string_view code, name, tag;
};

// The languages that Whisper and both cloud services know under their usual region.
constexpr std::array k_languages{
    Language{"af", "afrikaans", "af-ZA"},  Language{"ar", "arabic", "ar-SA"},
    Language{"bg", "bulgarian", "bg-BG"},  Language{"bn", "bengali", "bn-IN"},
    Language{"ca", "catalan", "ca-ES"},    Language{"cs", "czech", "cs-CZ"},
    Language{"da", "danish", "da-DK"},     Language{"de", "german", "de-DE"},
    Language{"el", "greek", "el-GR"},      Language{"en", "english", "en-US"},
    Language{"es", "spanish", "es-ES"},    Language{"et", "estonian", "et-EE"},
    Language{"fa", "persian", "fa-IR"},    Language{"fi", "finnish", "fi-FI"},
    Language{"fr", "french", "fr-FR"},     Language{"gu", "gujarati", "gu-IN"},
    Language{"he", "hebrew", "he-IL"},     Language{"hi", "hindi", "hi-IN"},
    Language{"hr", "croatian", "hr-HR"},   Language{"hu", "hungarian", "hu-HU"},
    Language{"id", "indonesian", "id-ID"}, Language{"is", "icelandic", "is-IS"},
    Language{"it", "italian", "it-IT"},    Language{"ja", "japanese", "ja-JP"},
    Language{"kn", "kannada", "kn-IN"},    Language{"ko", "korean", "ko-KR"},
    Language{"lt", "lithuanian", "lt-LT"}, Language{"lv", "latvian", "lv-LV"},
    Language{"ml", "malayalam", "ml-IN"},  Language{"mr", "marathi", "mr-IN"},
    Language{"ms", "malay", "ms-MY"},      Language{"nl", "dutch", "nl-NL"},
    Language{"no", "norwegian", "nb-NO"},  Language{"pa", "punjabi", "pa-IN"},
    Language{"pl", "polish", "pl-PL"},     Language{"pt", "portuguese", "pt-BR"},
    Language{"ro", "romanian", "ro-RO"},   Language{"ru", "russian", "ru-RU"},
    Language{"sk", "slovak", "sk-SK"},     Language{"sl", "slovenian", "sl-SI"},
    Language{"sr", "serbian", "sr-RS"},    Language{"sv", "swedish", "sv-SE"},
    Language{"sw", "swahili", "sw-KE"},    Language{"ta", "tamil", "ta-IN"},
    Language{"te", "telugu", "te-IN"},     Language{"th", "thai", "th-TH"},
    Language{"tl", "tagalog", "fil-PH"},   Language{"tr", "turkish", "tr-TR"},
    Language{"uk", "ukrainian", "uk-UA"},  Language{"ur", "urdu", "ur-PK"},
    Language{"vi", "vietnamese", "vi-VN"}, Language{"zh", "chinese", "zh-CN"},
};

} // namespace

std::string language_name(std::string_view code)
{
    auto low = to_lower(code);
    const auto primary = low.substr(0, low.find('-'));
    for (const auto& language : k_languages)
        if (language.code == primary || iequals(language.tag, low))
            return std::string(language.name);
    return low;
}

std::string language_tag(std::string_view code, std::string_view otherwise)
{
    if (code.empty())
        return std::string(otherwise);
    for (const auto& language : k_languages)
        if (iequals(language.code, code) || iequals(language.tag, code))
            return std::string(language.tag);
    return std::string(code);
}

} // namespace conduit::agent
