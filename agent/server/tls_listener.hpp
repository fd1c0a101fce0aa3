// SPDX-License-Identifier: Apache-2.0
// Certificate and key of a listening port, read again when the files change.
#pragma once

#include "agent/config/config.hpp"
#include "agent/control/file_watch.hpp"
#include "agent/server/log.hpp"

#include <memory>
#include <mutex>

struct ssl_ctx_st;

namespace conduit::agent {

class TlsListener { // thread-safe
  public:
    static Result<std::unique_ptr<TlsListener>> open(TlsFiles files, Log& log);
    // For the next connection; looks at the files at most once a second.
    std::shared_ptr<ssl_ctx_st> context();
    // Now. Files that do not fit together leave what was there, and the log says so.
    Result<> reload();

  private:
    TlsListener(TlsFiles files, Log& log) : files_(std::move(files)), log_(log) {}
    Result<> read(); // with the lock held

    TlsFiles files_;
    Log& log_;
    std::mutex mutex_;
    FileWatch watch_;
    SteadyTime look_at_{};
    std::shared_ptr<ssl_ctx_st> context_;
};

} // namespace conduit::agent
