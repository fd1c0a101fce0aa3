// SPDX-License-Identifier: Apache-2.0
// Where everything of `conduitctl local` lies: one folder of the user's, 0700.
#pragma once

#include "core/fs.hpp"
#include "core/result.hpp"

#include <string_view>

namespace conduit::local {

struct Layout {
    fs::path dir;

    fs::path config() const { return dir / "config"; }
    fs::path run() const { return dir / "run"; }
    fs::path log() const { return dir / "log"; }
    fs::path state() const { return dir / "state"; }
    fs::path tokens() const { return dir / "tokens"; }

    fs::path agent_yaml() const { return config() / "agent.yaml"; }
    fs::path spec() const { return state() / "local.json"; } // what is wanted, and the ports
    fs::path done_keys() const { return state() / "keys.json"; }
    fs::path reversals() const { return state() / "reversals"; }
    fs::path socket() const { return run() / "supervisor.sock"; }
    fs::path lock() const { return run() / "supervisor.lock"; }
    fs::path up_lock() const { return run() / "up.lock"; }
    fs::path supervisor_pid() const { return run() / "supervisor.pid"; }
    fs::path supervisor_log() const { return log() / "supervisor.log"; }
    fs::path ready_file(std::string_view instance) const;
    fs::path pid_file(std::string_view instance) const;
    fs::path log_file(std::string_view instance) const;

    fs::path operator_token() const { return tokens() / "operator.token"; }
    fs::path viewer_token() const { return tokens() / "viewer.token"; }
    fs::path api_key() const { return tokens() / "api.key"; }
};

// Makes the folders. refused when the folder or one of them belongs to somebody else or others may write to
// it.
Result<> prepare_folders(const Layout& layout);

} // namespace conduit::local
