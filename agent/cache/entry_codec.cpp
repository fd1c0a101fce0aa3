// SPDX-License-Identifier: Apache-2.0
#include "agent/cache/entry_codec.hpp"

#include "core/hash.hpp"

#include <bit>
#include <cmath>

namespace conduit::agent {
namespace {

constexpr std::string_view k_magic = "CDTC\x01";
constexpr std::size_t k_digest = 16;
constexpr std::size_t k_max_text = 1024; // of content type and provider

void put_number(std::string& out, std::uint64_t value, std::size_t bytes)
{
    for (std::size_t i = 0; i < bytes; ++i)
        out += static_cast<char>((value >> (8 * i)) & 0xffU);
}

class Bytes {
  public:
    explicit Bytes(std::string_view bytes) : left_(bytes) {}
    std::string_view take(std::uint64_t size)
    {
        if (size > left_.size()) {
            fine_ = false;
            size = 0;
        }
        const auto taken = left_.substr(0, size);
        left_.remove_prefix(size);
        return taken;
    }
    std::uint64_t number(std::size_t bytes)
    {
        std::uint64_t value = 0;
        std::size_t at = 0;
        for (const char c : take(bytes))
            value |= std::uint64_t{static_cast<unsigned char>(c)} << (8 * at++);
        return value;
    }
    bool fine() const { return fine_; }
    std::string_view rest() const { return left_; }

  private:
    std::string_view left_;
    bool fine_ = true;
};

std::string digest_of(std::string_view key, std::string_view content)
{
    Sha256Stream hash;
    hash.update(key);
    hash.update(std::string_view("\0", 1));
    hash.update(content);
    const auto digest = hash.finish();
    return std::string(as_view(digest).substr(0, k_digest));
}

} // namespace

std::string encode_entry(std::string_view key, const CachedAnswer& answer, std::uint64_t mark,
                         WallTime expires)
{
    std::string content;
    content.reserve(answer.body.size() + 128);
    put_number(content, mark, 8);
    put_number(content, static_cast<std::uint64_t>(expires.time_since_epoch().count()), 8);
    put_number(content, std::bit_cast<std::uint64_t>(answer.audio_seconds), 8);
    for (const std::string_view text :
         {std::string_view(answer.content_type), std::string_view(answer.provider)}) {
        const auto kept = text.substr(0, k_max_text);
        put_number(content, kept.size(), 2);
        content += kept;
    }
    content += answer.body;
    return std::string(k_magic) + digest_of(key, content) + content;
}

std::optional<std::uint64_t> entry_mark(std::string_view head)
{
    static_assert(k_magic.size() + k_digest + 8 == k_entry_head);
    if (!head.starts_with(k_magic) || head.size() < k_entry_head)
        return std::nullopt;
    return Bytes(head.substr(k_magic.size() + k_digest)).number(8);
}

std::optional<SharedEntry> decode_entry(std::string_view key, std::string_view value)
{
    if (!value.starts_with(k_magic) || value.size() < k_magic.size() + k_digest)
        return std::nullopt;
    const auto digest = value.substr(k_magic.size(), k_digest);
    const auto content = value.substr(k_magic.size() + k_digest);
    if (digest != digest_of(key, content))
        return std::nullopt;
    Bytes bytes(content);
    SharedEntry entry;
    entry.mark = bytes.number(8);
    entry.expires = WallTime(Duration(static_cast<std::int64_t>(bytes.number(8))));
    entry.answer.audio_seconds = std::bit_cast<double>(bytes.number(8));
    entry.answer.content_type = bytes.take(bytes.number(2));
    entry.answer.provider = bytes.take(bytes.number(2));
    entry.answer.body = bytes.rest();
    if (!bytes.fine() || !std::isfinite(entry.answer.audio_seconds) || entry.answer.body.empty())
        return std::nullopt;
    return entry;
}

} // namespace conduit::agent
