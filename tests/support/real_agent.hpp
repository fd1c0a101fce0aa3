// SPDX-License-Identifier: Apache-2.0
// A conduit-agent of its own process, on ports of its own, with three providers that nobody answers for.
#pragma once

#include "cli/backend/agent.hpp"
#include "core/fs.hpp"

#include <memory>
#include <string>

namespace conduit::test {

class RealAgent {
  public:
    RealAgent();
    ~RealAgent(); // kills it
    RealAgent(const RealAgent&) = delete;
    std::unique_ptr<Agents> agents(const Cancel* cancel = nullptr,
                                   const std::string& token = "operator-secret");
    const std::string& admin_url() const { return admin_url_; }
    fs::path config_file() const { return folder_.path() / "agent.yaml"; }

  private:
    TempDir folder_ = TempDir::make("conduit-real-agent").value();
    pid_t pid_ = 0;
    std::string admin_url_;
};

} // namespace conduit::test
