// SPDX-License-Identifier: Apache-2.0
#include "core/redis/reply.hpp"

#include "core/text.hpp"

#include <charconv>
#include <fmt/format.h>

namespace conduit::redis {
namespace {

constexpr std::size_t k_compact = 64U << 10U;

std::unexpected<Error> malformed(std::string what)
{
    return fail(ErrorKind::failed, "the answer is not of a Redis server: " + std::move(what),
                "Check the address: something else may listen there.");
}

Result<std::int64_t> number(std::string_view text)
{
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty())
        return malformed(fmt::format("'{}' is no number", printable(text.substr(0, 40))));
    return value;
}

} // namespace

std::string_view Reply::error_code() const
{
    return is_error() ? std::string_view(text).substr(0, text.find(' ')) : std::string_view();
}

// Without its end, which must be CR LF; nullopt: it has not come.
Result<std::optional<std::string_view>> ReplyReader::line()
{
    const auto end = buffer_.find('\n', std::max(at_, scanned_));
    if (end == std::string::npos) {
        scanned_ = buffer_.size();
        if (buffer_.size() - at_ > limits_.max_line)
            return malformed("a line has no end");
        return std::nullopt;
    }
    if (end - at_ > limits_.max_line)
        return malformed("a line is too long");
    if (end == at_ || buffer_[end - 1] != '\r')
        return malformed("a line does not end in CR LF");
    return std::string_view(buffer_).substr(at_, end - 1 - at_);
}

Result<ReplyReader::Step> ReplyReader::read_string(std::int64_t size, std::size_t body)
{
    Step step;
    if (size == -1) {
        at_ = body;
        step.whole = true;
        return step;
    }
    if (size < 0 || static_cast<std::uint64_t>(size) > limits_.max_string)
        return malformed(fmt::format("a string of {} bytes, at most {} are taken", size, limits_.max_string));
    const auto length = static_cast<std::size_t>(size);
    if (buffer_.size() - body < length + 2)
        return step;
    if (buffer_.compare(body + length, 2, "\r\n") != 0)
        return malformed("a string does not end in CR LF");
    step.whole = true;
    step.reply.type = Reply::Type::text;
    step.reply.text = buffer_.substr(body, length);
    bytes_ += length;
    at_ = body + length + 2;
    return step;
}

// One value; of an array its head.
Result<ReplyReader::Step> ReplyReader::step()
{
    TRY_ASSIGN(const auto head, line());
    if (!head)
        return Step{};
    if (head->empty())
        return malformed("an empty line");
    const char kind = head->front();
    const auto rest = head->substr(1);
    const auto body = at_ + head->size() + 2;
    Step step{.whole = true};
    switch (kind) {
    case '$': {
        TRY_ASSIGN(const auto size, number(rest));
        return read_string(size, body);
    }
    case '+':
    case '-':
        step.reply.type = kind == '+' ? Reply::Type::text : Reply::Type::error;
        step.reply.text = rest;
        bytes_ += rest.size();
        break;
    case ':': {
        step.reply.type = Reply::Type::integer;
        TRY_ASSIGN(step.reply.integer, number(rest));
        break;
    }
    case '*': {
        TRY_ASSIGN(const auto count, number(rest));
        if (count < -1 || count > static_cast<std::int64_t>(limits_.max_items))
            return malformed(fmt::format("an array of {} values", count));
        step.reply.type = count < 0 ? Reply::Type::nil : Reply::Type::array;
        step.children = count < 0 ? 0 : static_cast<std::size_t>(count);
        break;
    }
    default:
        return malformed(fmt::format("it begins with '{}'", printable(head->substr(0, 20))));
    }
    at_ = body;
    return step;
}

void ReplyReader::compact()
{
    if (at_ == buffer_.size()) {
        buffer_.clear();
    } else if (at_ > k_compact) {
        buffer_.erase(0, at_);
    } else {
        scanned_ = 0;
        return;
    }
    at_ = 0;
    scanned_ = 0;
    if (buffer_.empty() && buffer_.capacity() > (1U << 20U))
        buffer_.shrink_to_fit();
}

Result<std::optional<Reply>> ReplyReader::next()
{
    for (;;) {
        TRY_ASSIGN(auto step, this->step());
        if (!step.whole)
            return std::nullopt;
        scanned_ = 0;
        if (++items_ > limits_.max_items || bytes_ > limits_.max_bytes)
            return malformed("it is too large");
        if (step.children > 0) {
            if (open_.size() >= limits_.max_depth)
                return malformed("it is nested too deeply");
            open_.push_back({std::move(step.reply), step.children});
            continue;
        }
        while (!open_.empty()) {
            auto& parent = open_.back();
            parent.reply.items.push_back(std::move(step.reply));
            if (--parent.missing > 0)
                break;
            step.reply = std::move(parent.reply);
            open_.pop_back();
        }
        if (open_.empty()) {
            items_ = bytes_ = 0;
            compact();
            return std::optional(std::move(step.reply));
        }
    }
}

} // namespace conduit::redis
