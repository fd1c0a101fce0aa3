// SPDX-License-Identifier: Apache-2.0
// One HTTP attempt at one provider, in three files: the way there (exchange_send), the way back
// (exchange_relay), and what joins them (exchange_http).
#pragma once

#include "agent/server/exchange.hpp"
#include "agent/server/exchange_hold.hpp"

namespace conduit::agent {

enum class Sent : std::uint8_t { all, early_answer, failed, client_fault };

struct HttpExchange {
    ClientCall& call;
    const ProviderConfig& provider;
    const Adapter& adapter;
    UpstreamRequest& upstream;
    std::unique_ptr<BodyEncoder> encoder;
    std::string encoded; // a body of ours: the adapter's, or the whole upload encoded
    bool own_body = false;
    std::unique_ptr<Upstream> connection;
    Buffer buffer;
    std::size_t begin = 0, end = 0;
    Attempt attempt;
    bool reusable = false;
    SteadyTime deadline;
    ChatUsage usage;

    void prepare();
    Task<Sent> send();
    Task<Sent> stream_upload(bool chunked);
    Task<bool> send_piece(std::span<const std::string_view> pieces, bool chunked, bool last);
    Task<bool> acquire(bool fresh);
    Task<IoResult> fill();
    Task<IoResult> read_head();
    Task<void> read_error();
    Task<void> relay();
    Task<bool> forward(ResponseDecoder* decoder, AnswerHead& head, BodyFraming& framing);
    void note(std::span<const std::string_view> pieces);
    void broken(std::string message);
    Task<void> run();
};

std::string io_text(const IoResult& result);

} // namespace conduit::agent
