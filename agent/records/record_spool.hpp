// SPDX-License-Identifier: Apache-2.0
// Internal to this folder: batches on disk while the store cannot take them. JSON lines: a head
// {"writer","number","count"} and the records of a batch.
#pragma once

#include "agent/records/record_batch.hpp"
#include "core/fs.hpp"

namespace conduit::agent {

class RecordSpool {
  public:
    // Takes the first of PATH, PATH.1, ... that no living process holds: replicas that share a store have
    // spools of their own, and what a dead one left is taken over.
    static Result<RecordSpool> open(const fs::path& path, std::uint64_t limit);
    bool empty() const { return size_ == 0; }
    std::uint64_t size() const { return size_; }
    Result<bool> append(const RecordBatch& batch); // durable when it returns; false: no room
    // The oldest batch not yet taken; nothing at the end. `damaged` counts lines that could not be read.
    Result<std::optional<RecordBatch>> next(std::uint64_t& damaged);
    void taken(); // the batch of next() is in the store
    Result<> clear_when_done();

  private:
    RecordSpool(fs::path path, FileLock lock, UniqueFd fd, std::uint64_t size, std::uint64_t limit);
    Result<bool> fill();
    std::optional<std::string> line();
    fs::path path_;
    FileLock lock_;
    UniqueFd fd_;
    std::uint64_t size_ = 0;
    std::uint64_t limit_ = 0;
    std::uint64_t done_ = 0;    // bytes of batches that are in the store
    std::uint64_t read_at_ = 0; // file offset behind buffer_
    std::string buffer_;
};

} // namespace conduit::agent
