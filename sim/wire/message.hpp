// SPDX-License-Identifier: Apache-2.0
// Requests and answers as the wire functions see them, and the routes of each provider.
#pragma once

#include "core/clock.hpp"
#include "core/http.hpp"
#include "core/json.hpp"
#include "core/sigv4.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace conduit::sim {

enum class ProviderKind : std::uint8_t { openai, google, aws };
std::optional<ProviderKind> parse_provider_kind(std::string_view name);
std::string_view provider_kind_name(ProviderKind kind);

struct WireRequest {
    std::string method;
    std::string path;  // as on the wire
    std::string query; // without '?'
    HeaderList headers;
    std::string body;
    std::string_view header(std::string_view name) const; // "" when absent
};

struct WireResponse {
    int status = 200;
    HeaderList headers;
    std::string body;
    bool chunked = false; // sent piece by piece, without a length
    std::string caller;   // who asked, for the counters; "" when the credentials were wrong
};
WireResponse json_response(int status, const Json& body);

// probe: health checks. client: what clients are served with. other: unknown paths.
enum class RouteClass : std::uint8_t { probe, client, other };
struct Route {
    std::string_view name = "unknown";
    RouteClass kind = RouteClass::other;
    bool websocket = false;
};
Route find_route(ProviderKind provider, const WireRequest& request);

struct SimCredentials {
    std::map<std::string, std::vector<std::string>> keys; // by provider's name, else by its kind
    std::vector<SigV4Credentials> aws;
    const std::vector<std::string>& keys_of(std::string_view provider, ProviderKind kind) const;
};
SimCredentials test_credentials(); // the well-known ones of --help
Result<SimCredentials> parse_credentials(std::string_view text, std::string_view name);

struct WireContext {
    const SimCredentials* credentials = nullptr;
    std::string_view provider; // its name
    WallTime now;
    std::uint64_t serial = 0; // of this request; ids are derived from it
};
std::string make_id(std::string_view prefix, std::uint64_t serial); // "req_6c1f..." 32 hexadecimal digits
std::string make_uuid(std::uint64_t serial);

// The provider's answer to a request whose credentials it checks. 101: switch to the WebSocket of
// open_socket.
WireResponse answer(ProviderKind provider, const Route& route, const WireRequest& request,
                    const WireContext& context);

struct SocketClose {
    std::uint16_t code = 1000;
    std::string reason;
};
struct SocketOutput {
    std::vector<std::string> messages;
    std::optional<SocketClose> close; // after the messages
};
class WireSocket {
  public:
    virtual ~WireSocket() = default;
    virtual bool binary() const = 0; // kind of the messages sent
    virtual SocketOutput start() = 0;
    virtual SocketOutput receive(std::string_view message, bool is_binary) = 0;
};
std::unique_ptr<WireSocket> open_socket(ProviderKind provider, const WireRequest& request,
                                        const WireContext& context);

} // namespace conduit::sim
