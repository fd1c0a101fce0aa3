// SPDX-License-Identifier: Apache-2.0
// The body of a client's request: kept whole for another attempt when it is small, else passed on piece by
// piece through one buffer.
#pragma once

#include "agent/net/stream.hpp"
#include "agent/server/framing.hpp"

#include <atomic>
#include <vector>

namespace conduit::agent {

enum class UploadFault : std::uint8_t { none, too_large, timeout, gone, malformed };

struct ClientInput { // bytes read from the client and not used yet
    Buffer buffer;
    std::size_t begin = 0, end = 0;
    std::size_t floor = 0; // below: the head in use
    std::string_view view() const { return {buffer.data() + begin, end - begin}; }
    void rewind(); // room again behind the head when all is used
    bool full() const { return end == Buffer::k_size; }
};

class Upload {
  public:
    Upload(Loop& loop, Stream& client, HttpParser& parser, const HttpHead& head, ClientInput& input);
    // One of our own: `body` must stay.
    Upload(Loop& loop, std::string_view body);
    ~Upload();
    Upload(const Upload&) = delete;
    Upload& operator=(const Upload&) = delete;

    void limits(std::uint64_t max_body, Duration idle) { max_body_ = max_body, idle_ = idle; }
    std::optional<std::uint64_t> length() const { return length_; } // by Content-Length
    bool complete() const { return framing_.done(); }               // all was read from the client
    std::uint64_t received() const { return received_; }

    // Reads everything (up to limit bytes) and keeps it.
    Task<UploadFault> keep_all(std::uint64_t limit, std::atomic<std::uint64_t>& budget);
    // Reads and keeps at least one piece, so that the first fields of a form are known.
    Task<UploadFault> keep_first();
    const std::vector<std::string_view>& kept() const { return kept_; }
    std::uint64_t kept_bytes() const { return kept_bytes_; }
    bool replayable() const { return !streamed_; }

    // What comes after the kept pieces; views valid until the next call. Empty: the end.
    Task<UploadFault> next(std::vector<std::string_view>& pieces);
    // After the answer: true when the connection can serve another request.
    Task<bool> drain(std::uint64_t limit);
    void forget(); // the kept bytes are not needed any more
    void expect_continue() { expects_continue_ = true; }

  private:
    Task<UploadFault> read_pieces(std::vector<std::string_view>& pieces);
    Task<UploadFault> keep_more();
    void keep_copy(std::string_view piece);
    Task<UploadFault> fill();
    UploadFault fault_of(const IoResult& result) const;

    Loop& loop_;
    Stream* client_ = nullptr; // these three: null for a body of our own
    HttpParser* parser_ = nullptr;
    ClientInput* input_ = nullptr;
    BodyFraming framing_;
    std::optional<std::uint64_t> length_;
    std::uint64_t max_body_ = 0, received_ = 0, kept_bytes_ = 0, budgeted_ = 0;
    std::atomic<std::uint64_t>* budget_ = nullptr;
    Duration idle_{30'000};
    std::vector<Buffer> buffers_;
    std::size_t last_used_ = Buffer::k_size; // of the last buffer
    std::vector<std::string_view> kept_;
    bool streamed_ = false, expects_continue_ = false;
};

} // namespace conduit::agent
