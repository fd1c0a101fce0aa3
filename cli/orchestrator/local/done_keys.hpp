// SPDX-License-Identifier: Apache-2.0
// Changes that carried a key, so that a repeated request is answered as the first time, over restarts too.
#pragma once

#include "core/fs.hpp"
#include "core/json.hpp"

#include <string>
#include <string_view>

namespace conduit::local {

class DoneKeys {
  public:
    explicit DoneKeys(fs::path file);                  // a damaged file counts as empty
    const Json* find(std::string_view key) const;      // null: never seen
    Result<> put(const std::string& key, Json result); // an empty key is not kept

  private:
    fs::path file_;
    JsonBox entries_; // an array of {"key", "result"}, oldest first
};

} // namespace conduit::local
