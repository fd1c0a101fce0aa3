// SPDX-License-Identifier: Apache-2.0
// Everything that the controller reads from files: the configuration and what it points to.
#pragma once

#include "agent/control/file_watch.hpp"
#include "agent/control/snapshot.hpp"
#include "agent/safety/safety.hpp"

#include <memory>
#include <vector>

namespace conduit::agent {

class Inputs {
  public:
    // All or nothing: the first fault is the error.
    static Result<Inputs> load(Config base);
    // Looks at the files; what is good is taken, what is not leaves its predecessor in use. True: something
    // changed.
    bool refresh(bool force);

    const Config& base() const { return base_; }
    const std::vector<ApiKey>& keys() const { return keys_; }
    const std::vector<AdminToken>& tokens() const { return tokens_; }
    const std::shared_ptr<const SafetyRules>& rules() const { return rules_; }
    std::string error() const; // of newer files that were not taken
    std::vector<std::string> warnings() const;

  private:
    bool refresh_config();
    template <class T, class Read> bool refresh_part(const char* name, T& part, const Read& read);
    void watch();

    Config base_;
    Config started_with_; // for settings that only a restart can change
    std::vector<ApiKey> keys_;
    std::vector<AdminToken> tokens_;
    std::shared_ptr<const SafetyRules> rules_;
    std::map<std::string, std::string> errors_;
    FileWatch files_;
};

} // namespace conduit::agent
