// SPDX-License-Identifier: Apache-2.0
#include "agent/server/upload.hpp"

#include <algorithm>
#include <cstring>

namespace conduit::agent {

void ClientInput::rewind()
{
    if (begin == end)
        begin = end = floor;
}

Upload::Upload(Loop& loop, Stream& client, HttpParser& parser, const HttpHead& head, ClientInput& input)
    : loop_(loop), client_(&client), parser_(&parser), input_(&input),
      framing_(BodyFraming::of_request(head)),
      length_(head.chunked ? std::nullopt : std::optional(head.content_length.value_or(0)))
{
}

Upload::Upload(Loop& loop, std::string_view body)
    : loop_(loop), length_(body.size()), max_body_(body.size()), received_(body.size()),
      kept_bytes_(body.size()), kept_{body}
{
}

Upload::~Upload()
{
    forget();
}

void Upload::forget()
{
    kept_.clear();
    buffers_.clear();
    if (budget_ != nullptr)
        budget_->fetch_sub(budgeted_);
    budgeted_ = 0;
    budget_ = nullptr;
}

UploadFault Upload::fault_of(const IoResult& result) const
{
    return result.status == IoStatus::timeout ? UploadFault::timeout : UploadFault::gone;
}

// More bytes into the input behind the head.
Task<UploadFault> Upload::fill()
{
    if (expects_continue_) {
        expects_continue_ = false;
        const IoResult sent = co_await client_->write("HTTP/1.1 100 Continue\r\n\r\n");
        if (!sent)
            co_return fault_of(sent);
    }
    input_->rewind();
    std::size_t room = Buffer::k_size - input_->end;
    if (framing_.mode() == BodyFraming::Mode::length)
        room = static_cast<std::size_t>(std::min<std::uint64_t>(room, framing_.remaining()));
    client_->set_deadline(std::chrono::steady_clock::now() + idle_);
    const IoResult got = co_await client_->read(input_->buffer.data() + input_->end, room);
    if (!got)
        co_return fault_of(got);
    input_->end += got.bytes;
    co_return UploadFault::none;
}

Task<UploadFault> Upload::read_pieces(std::vector<std::string_view>& pieces)
{
    while (!framing_.done()) {
        if (input_->begin == input_->end) {
            const UploadFault fault = co_await fill();
            if (fault != UploadFault::none)
                co_return fault;
        }
        const std::size_t before = pieces.size();
        const auto used = framing_.take(*parser_, input_->view(), pieces);
        if (!used)
            co_return UploadFault::malformed;
        if (*used == 0 && !framing_.done()) { // half a chunk header: more bytes are needed behind it
            if (input_->full()) {
                std::memmove(input_->buffer.data() + input_->floor, input_->buffer.data() + input_->begin,
                             input_->end - input_->begin);
                input_->end -= input_->begin - input_->floor;
                input_->begin = input_->floor;
                if (input_->full())
                    co_return UploadFault::malformed;
            }
            client_->set_deadline(std::chrono::steady_clock::now() + idle_);
            const IoResult got =
                co_await client_->read(input_->buffer.data() + input_->end, Buffer::k_size - input_->end);
            if (!got)
                co_return fault_of(got);
            input_->end += got.bytes;
            continue;
        }
        input_->begin += *used;
        for (std::size_t i = before; i < pieces.size(); ++i)
            received_ += pieces[i].size();
        if (received_ > max_body_)
            co_return UploadFault::too_large;
        if (pieces.size() > before)
            co_return UploadFault::none;
    }
    co_return UploadFault::none;
}

void Upload::keep_copy(std::string_view piece)
{
    kept_bytes_ += piece.size();
    while (!piece.empty()) {
        if (last_used_ == Buffer::k_size) {
            buffers_.push_back(loop_.buffer());
            last_used_ = 0;
        }
        const std::size_t size = std::min(piece.size(), Buffer::k_size - last_used_);
        char* place = buffers_.back().data() + last_used_;
        std::memcpy(place, piece.data(), size);
        if (last_used_ > 0 && !kept_.empty())
            kept_.back() = {kept_.back().data(), kept_.back().size() + size};
        else
            kept_.emplace_back(place, size);
        last_used_ += size;
        piece.remove_prefix(size);
    }
}

// A body of known length goes from the socket straight into the kept buffers.
Task<UploadFault> Upload::keep_more()
{
    if (framing_.mode() != BodyFraming::Mode::length || expects_continue_ || input_->begin != input_->end) {
        std::vector<std::string_view> pieces;
        const bool in_place = framing_.mode() == BodyFraming::Mode::length && kept_.empty();
        const UploadFault fault = co_await read_pieces(pieces);
        if (fault != UploadFault::none)
            co_return fault;
        for (std::string_view piece : pieces) {
            if (in_place && framing_.done()) { // the whole body stands behind the head: no copy
                kept_.push_back(piece);
                kept_bytes_ += piece.size();
            } else {
                keep_copy(piece);
            }
        }
        co_return UploadFault::none;
    }
    if (last_used_ == Buffer::k_size) {
        buffers_.push_back(loop_.buffer());
        last_used_ = 0;
    }
    const auto room = std::min<std::uint64_t>(Buffer::k_size - last_used_, framing_.remaining());
    char* place = buffers_.back().data() + last_used_;
    client_->set_deadline(std::chrono::steady_clock::now() + idle_);
    const IoResult got = co_await client_->read(place, static_cast<std::size_t>(room));
    if (!got)
        co_return fault_of(got);
    framing_.skip(got.bytes);
    received_ += got.bytes;
    kept_bytes_ += got.bytes;
    if (last_used_ > 0 && !kept_.empty())
        kept_.back() = {kept_.back().data(), kept_.back().size() + got.bytes};
    else
        kept_.emplace_back(place, got.bytes);
    last_used_ += got.bytes;
    co_return UploadFault::none;
}

Task<UploadFault> Upload::keep_all(std::uint64_t limit, std::atomic<std::uint64_t>& budget)
{
    if (length_ && *length_ > std::min(limit, max_body_))
        co_return UploadFault::too_large;
    budget_ = &budget;
    while (!framing_.done()) {
        const std::uint64_t before = kept_bytes_;
        const UploadFault fault = co_await keep_more();
        if (fault != UploadFault::none)
            co_return fault;
        budgeted_ += kept_bytes_ - before;
        budget.fetch_add(kept_bytes_ - before, std::memory_order_relaxed);
        if (kept_bytes_ > limit)
            co_return UploadFault::too_large;
    }
    co_return UploadFault::none;
}

Task<UploadFault> Upload::keep_first()
{
    if (framing_.done())
        co_return UploadFault::none;
    const UploadFault fault = co_await keep_more();
    co_return fault;
}

Task<UploadFault> Upload::next(std::vector<std::string_view>& pieces)
{
    pieces.clear();
    if (framing_.done())
        co_return UploadFault::none;
    streamed_ = true;
    const UploadFault fault = co_await read_pieces(pieces);
    co_return fault;
}

Task<bool> Upload::drain(std::uint64_t limit)
{
    if (expects_continue_ && !framing_.done())
        co_return false; // the client still waits for permission to send
    std::vector<std::string_view> pieces;
    std::uint64_t dropped = 0;
    while (!framing_.done()) {
        pieces.clear();
        const UploadFault fault = co_await read_pieces(pieces);
        for (std::string_view piece : pieces)
            dropped += piece.size();
        if (fault != UploadFault::none || dropped > limit)
            co_return false;
    }
    co_return true;
}

} // namespace conduit::agent
