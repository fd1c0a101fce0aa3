// SPDX-License-Identifier: Apache-2.0
// One attempt at one provider.
#pragma once

#include "agent/providers/adapter.hpp"
#include "agent/server/call.hpp"

namespace conduit::agent {

struct Attempt {
    Outcome outcome = Outcome::transient;
    int status = 0; // the provider's; 0: none came
    Duration retry_after{0};
    std::string code, message;
    bool exhausted = false;         // not the provider's fault: all our connections to it are in use
    std::optional<Refusal> refusal; // the request itself is at fault
};

// Sends the request and, when the provider accepts it, the answer to call.sink.
Task<Attempt> exchange(ClientCall& call, std::size_t provider_index);

// The views without their first `skip` bytes.
std::vector<std::string_view> join_views(const std::vector<std::string_view>& pieces, std::size_t skip);
// Feeds the encoder with what is kept of the upload.
void encode_kept(const ClientCall& call, BodyEncoder& encoder, std::string& out);
// The next piece of an upload that is not kept: read, looked at by the form reader, measured.
Task<UploadFault> read_upload(ClientCall& call, std::vector<std::string_view>& raw,
                              std::vector<std::string_view>& audio);

Task<Attempt> http_exchange(ClientCall& call, const ProviderConfig& provider, const Adapter& adapter,
                            UpstreamRequest& upstream);
Task<Attempt> websocket_exchange(ClientCall& call, const ProviderConfig& provider, const Adapter& adapter,
                                 UpstreamRequest& upstream);

// The head of a request as bytes.
std::string request_head(const UpstreamRequest& request, const ClientCall& call,
                         std::optional<std::uint64_t> length, bool chunked);

// Ends the provider's side when the client has gone, within a tick.
class ClientWatch final : public Timed {
  public:
    ClientWatch(ClientCall& call, Stream& upstream);

  private:
    void on_tick(SteadyTime now) override;
    ClientCall& call_;
    Stream& upstream_;
};

} // namespace conduit::agent
