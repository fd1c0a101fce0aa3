// SPDX-License-Identifier: Apache-2.0
#include "cli/backend/tunnel.hpp"

namespace conduit {

Result<std::unique_ptr<Tunnel>> Tunnel::open(OpenPort open)
{
    TRY_ASSIGN(auto folder, TempDir::make("conduit-tunnel"));
    auto socket = folder.path() / "s";
    TRY_ASSIGN(auto listener, listen_private(socket));
    std::unique_ptr<Tunnel> tunnel(new Tunnel(std::move(folder), std::move(socket))); // NOLINT: private
    auto& self = *tunnel;
    tunnel->relay_ =
        std::make_unique<PortRelay>(std::move(listener), std::move(open), [&self](const Error& error) {
            const std::lock_guard lock(self.mutex_);
            self.fault_ = error;
        });
    return tunnel;
}

std::optional<Error> Tunnel::fault() const
{
    const std::lock_guard lock(mutex_);
    return fault_;
}

} // namespace conduit
