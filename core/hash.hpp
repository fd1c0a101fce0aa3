// SPDX-License-Identifier: Apache-2.0
// SHA-256 and HMAC-SHA-256 (OpenSSL), random bytes.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace conduit {

using Sha256Digest = std::array<std::uint8_t, 32>;

Sha256Digest sha256(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
Sha256Digest hmac_sha256(std::string_view key, std::string_view bytes);
std::string hex(const Sha256Digest& digest);
std::string_view as_view(const Sha256Digest& digest); // the raw 32 bytes

class Sha256Stream { // for data that arrives in pieces
  public:
    Sha256Stream();
    ~Sha256Stream();
    Sha256Stream(Sha256Stream&&) noexcept;
    Sha256Stream& operator=(Sha256Stream&&) noexcept;
    void update(std::string_view bytes);
    Sha256Digest finish(); // once

  private:
    struct State;
    std::unique_ptr<State> state_;
};

void random_bytes(std::uint8_t* out, std::size_t size); // from the system's generator
std::string random_token(std::size_t bytes);            // hexadecimal

// A short name for a secret that may be shown and journalled: "sha256:3f9a1c04" (first 8 hex digits).
std::string fingerprint(std::string_view secret);

} // namespace conduit
