// SPDX-License-Identifier: Apache-2.0
// Counts what a tar stream holds as it goes by: ustar with the extensions of GNU and pax.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace conduit::backup {

struct TarCount {
    std::uint64_t files = 0; // regular ones; a hard link is not one
    std::uint64_t bytes = 0; // in them
    bool ended = false;      // two blocks of zeros came: it is whole
    bool broken = false;     // a header's checksum does not fit
};

class TarCounter {
  public:
    void feed(std::string_view bytes);
    const TarCount& count() const { return count_; }

  private:
    void header(std::string_view block);
    TarCount count_;
    std::string block_;      // a header in progress
    std::string extension_;  // a pax header in progress
    std::uint64_t skip_ = 0; // content and padding still to come
    bool in_extension_ = false;
    std::uint64_t extension_left_ = 0;
    std::uint64_t pax_size_ = 0; // of the next file; 0: its header says it
    bool has_pax_size_ = false;
    int zeros_ = 0;
};

} // namespace conduit::backup
