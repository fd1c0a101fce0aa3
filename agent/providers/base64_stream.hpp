// SPDX-License-Identifier: Apache-2.0
// Base64 of data that arrives in pieces (standard alphabet).
#pragma once

#include "core/result.hpp"

#include <array>
#include <string>
#include <string_view>

namespace conduit::agent {

class Base64StreamEncoder {
  public:
    void feed(std::string_view bytes, std::string& out);
    void finish(std::string& out);

  private:
    std::array<char, 3> held_{};
    std::size_t held_size_ = 0;
};

class Base64StreamDecoder {
  public:
    Result<> feed(std::string_view text, std::string& out);
    Result<> finish(std::string& out); // padding may be missing, a lone character may not

  private:
    Result<> one(unsigned char c, std::string& out);
    std::uint32_t bits_ = 0;
    unsigned count_ = 0; // characters in bits_
    unsigned padding_ = 0;
};

} // namespace conduit::agent
