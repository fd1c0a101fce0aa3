// SPDX-License-Identifier: Apache-2.0
// What the adapters share. Internal to this folder.
#pragma once

#include "agent/providers/adapter.hpp"
#include "core/json.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace conduit::agent {

inline constexpr std::string_view k_user_agent = "conduit-agent/" CONDUIT_VERSION;

// endpoints[service], else endpoint, else regions[region], else `otherwise`; no trailing slash in its path.
Result<Url> base_url(const ProviderConfig& provider, std::string_view service, std::string_view otherwise);

std::string_view header(const ResponseHead& head, std::string_view name); // "" when absent
std::string model_for(const ProviderConfig& provider, Operation operation, std::string_view asked);

std::optional<Duration> parse_go_duration(std::string_view text);    // "6m0s", "1.2s", "20ms"
std::optional<Duration> parse_proto_duration(std::string_view text); // "1.770s"
std::optional<double> proto_seconds(std::string_view text);
// retry-after-ms, else retry-after as seconds or as a date (measured from the answer's own Date); 0: none.
Duration retry_after(const ResponseHead& head);

// Foreign text made fit to show: UTF-8, one line, at most 500 bytes, anything that looks like a key masked.
std::string safe_text(std::string_view text);
// The class that the status alone tells.
Outcome outcome_of_status(int status);
// Replaces the text of answers that may speak about credentials or accounts.
void conceal(Classified& classified);

// "" or why a transcription cannot go to a provider that takes audio only (not the client's form).
std::string refuse_operation(std::string_view provider, const ClientRequest& request);
Error no_realtime(std::string_view provider);

// `own`, and what the configuration adds to it.
std::vector<std::string> with_models(std::vector<std::string> own, const ProviderConfig& provider);
std::vector<std::string> with_voices(std::vector<std::string> own, const ProviderConfig& provider);

} // namespace conduit::agent
