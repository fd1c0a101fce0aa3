// SPDX-License-Identifier: Apache-2.0
#include "agent/server/framing.hpp"

#include <algorithm>

namespace conduit::agent {

BodyFraming BodyFraming::of_request(const HttpHead& head)
{
    BodyFraming framing;
    if (head.chunked) {
        framing.mode_ = Mode::chunked;
        framing.done_ = false;
    } else if (head.content_length && *head.content_length > 0) {
        framing.mode_ = Mode::length;
        framing.remaining_ = *head.content_length;
        framing.done_ = false;
    }
    return framing;
}

BodyFraming BodyFraming::of_answer(const HttpHead& head, bool head_request)
{
    if (head_request || head.status == 204 || head.status == 304)
        return {};
    if (head.chunked || head.content_length)
        return of_request(head);
    BodyFraming framing;
    framing.mode_ = Mode::until_close;
    framing.done_ = false;
    return framing;
}

std::optional<std::size_t> BodyFraming::take(HttpParser& parser, std::string_view bytes,
                                             std::vector<std::string_view>& pieces)
{
    switch (mode_) {
    case Mode::none:
        return 0;
    case Mode::length: {
        const std::size_t size = static_cast<std::size_t>(std::min<std::uint64_t>(remaining_, bytes.size()));
        if (size > 0)
            pieces.push_back(bytes.substr(0, size));
        skip(size);
        return size;
    }
    case Mode::chunked: {
        const auto used = parser.read_chunked(bytes, pieces);
        done_ = parser.body_done();
        return used;
    }
    case Mode::until_close:
        if (!bytes.empty())
            pieces.push_back(bytes);
        return bytes.size();
    }
    return std::nullopt;
}

void BodyFraming::skip(std::uint64_t bytes)
{
    remaining_ -= std::min(bytes, remaining_);
    done_ = remaining_ == 0;
}

bool BodyFraming::end_of_stream()
{
    if (mode_ == Mode::until_close)
        done_ = true;
    return done_;
}

} // namespace conduit::agent
