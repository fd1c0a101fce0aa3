// SPDX-License-Identifier: Apache-2.0
// Internal to this folder: the SQLite tables. The only file here that knows SQLite is record_store.cpp.
#pragma once

#include "agent/records/record_batch.hpp"
#include "core/fs.hpp"

namespace conduit::agent {

class RecordStore {
  public:
    static Result<std::unique_ptr<RecordStore>> open(const fs::path& path);
    ~RecordStore();
    // One transaction: requests, usage_daily and the batch's number. False: the batch was there already.
    Result<bool> write(const RecordBatch& batch, WallTime now);
    // Removes at most a thousand requests from before `before`; how many. usage_daily stays.
    Result<std::uint64_t> prune(WallTime before);
    static Result<std::vector<UsageRow>> usage(const fs::path& path, const UsageQuery& query);

  private:
    struct Impl;
    explicit RecordStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

} // namespace conduit::agent
