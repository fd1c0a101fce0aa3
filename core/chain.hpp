// SPDX-License-Identifier: Apache-2.0
// Bytes that pass through programs, counted and hashed on each of the ways between them: what
// `producer | zstd | age > to` would do, with every stage's end looked at.
#pragma once

#include "core/child.hpp"
#include "core/hash.hpp"

#include <cstdint>
#include <functional>
#include <span>

namespace conduit {

class ByteSink {
  public:
    virtual ~ByteSink() = default;
    virtual Result<> write(std::string_view bytes) = 0;
};

struct Passed { // what came by
    std::uint64_t bytes = 0;
    std::string sha256;
    bool operator==(const Passed&) const = default;
};

class CountingSink final : public ByteSink { // counts, hashes, and passes on where there is somebody
  public:
    explicit CountingSink(ByteSink* next = nullptr) : next_(next) {}
    Result<> write(std::string_view bytes) override;
    Passed passed(); // once, at the end

  private:
    ByteSink* next_;
    std::uint64_t bytes_ = 0;
    Sha256Stream hash_;
};

// Called once, on the calling thread.
using Produce = std::function<Result<>(ByteSink& to)>;

// passed[0] is what the producer gave, passed[i] what left program i; the last of it went to `to`. The first
// cause is the error: a program that ended badly before what failed because of it. interrupted when asked to
// stop. Memory does not grow with the data.
Result<std::vector<Passed>> run_chain(const Produce& produce, std::span<const ChildSpec> programs,
                                      ByteSink& to, const Cancel* stop);

// The output of a program to `to`.
Produce output_of(ChildSpec program, const Cancel* stop);

} // namespace conduit
