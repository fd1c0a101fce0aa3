// SPDX-License-Identifier: Apache-2.0
#include "agent/server/exchange_hold.hpp"

#include "core/json.hpp"
#include "core/text.hpp"

#include <charconv>
#include <nlohmann/json.hpp>

namespace conduit::agent {

namespace {

// A client waits for the whole of a small JSON answer anyway; audio is listened to while it comes.
constexpr std::uint64_t k_small = 65536;
// Of a provider that has just failed, an answer is held to its end, so that the next cut costs no client. One
// failure is forgotten after a dozen good answers.
constexpr std::uint32_t k_trusted = 970; // of 1000
constexpr std::size_t k_distrusted = 256U << 10U;
constexpr std::size_t k_tail = 65536;

bool is_live(std::string_view content_type)
{
    return content_type.starts_with("audio/") || content_type.starts_with("text/event-stream");
}

} // namespace

HoldBack::HoldBack(const ClientCall& call, const AnswerHead& head, bool pass_through)
{
    if (call.upload != nullptr && !call.upload->replayable())
        return;
    if (call.health != nullptr && call.health->score_milli.load(std::memory_order_relaxed) < k_trusted)
        limit_ = k_distrusted;
    else if (pass_through && head.length && *head.length <= k_small && !is_live(head.content_type))
        limit_ = k_small;
}

bool HoldBack::keep(std::vector<std::string_view>& pieces, bool last)
{
    if (limit_ == 0 || (last && held_.empty()))
        return false;
    for (std::string_view piece : pieces)
        held_.append(piece);
    if (!last && held_.size() < limit_)
        return true;
    limit_ = 0;
    pieces.assign(1, held_);
    return false;
}

void note_quota(ProviderHealth* health, const HttpHead& answer)
{
    constexpr std::string_view prefix = "x-ratelimit-";
    if (health == nullptr)
        return;
    std::int64_t limit = -1, remaining = -1;
    for (const HttpField& field : answer.fields) {
        if (field.name.size() <= prefix.size() || (field.name[0] | 0x20) != 'x' ||
            !iequals(field.name.substr(0, prefix.size()), prefix))
            continue;
        const std::string_view rest = field.name.substr(prefix.size());
        std::int64_t* into = iequals(rest, "limit-requests")       ? &limit
                             : iequals(rest, "remaining-requests") ? &remaining
                                                                   : nullptr;
        if (into != nullptr)
            std::from_chars(field.value.data(), field.value.data() + field.value.size(), *into);
    }
    if (limit < 0 || remaining < 0)
        return;
    health->quota_limit.store(limit, std::memory_order_relaxed);
    health->quota_remaining.store(remaining, std::memory_order_relaxed);
}

void ChatUsage::add(std::string_view piece)
{
    if (piece.size() > k_tail)
        piece.remove_prefix(piece.size() - k_tail);
    if (tail_.size() + piece.size() > 2 * k_tail)
        tail_.erase(0, tail_.size() - k_tail);
    tail_.append(piece);
}

std::uint32_t ChatUsage::tokens() const
{
    // Inside a text its quotes would be escaped, so this is the member itself; the last one is the final one.
    constexpr std::string_view mark = "\"usage\"";
    for (std::size_t at = tail_.rfind(mark); at != std::string::npos && at > 0;
         at = tail_.rfind(mark, at - 1)) {
        const std::size_t open = tail_.find_first_not_of(": \t\r\n", at + mark.size());
        if (open == std::string::npos || tail_[open] != '{')
            continue; // null, in the chunks of a stream before the last
        std::size_t depth = 0, end = open;
        do {
            depth += tail_[end] == '{' ? 1U : tail_[end] == '}' ? ~std::size_t{0} : 0U;
        } while (++end < tail_.size() && depth > 0);
        const auto usage = parse_json(std::string_view(tail_).substr(open, end - open));
        if (!usage)
            continue;
        const double parts =
            json_number_or(*usage, "prompt_tokens", 0) + json_number_or(*usage, "completion_tokens", 0);
        const double total = json_number_or(*usage, "total_tokens", parts);
        return total > 0 && total < 4e9 ? static_cast<std::uint32_t>(total) : 0;
    }
    return 0;
}

} // namespace conduit::agent
