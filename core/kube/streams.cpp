// SPDX-License-Identifier: Apache-2.0
#include "core/kube/streams.hpp"

#include "core/kube/api.hpp"
#include "core/kube/channels.hpp"
#include "core/kube/sessions.hpp"

#include <fmt/format.h>

namespace conduit::kube {
namespace {

constexpr Duration k_handshake{30'000};

Error refusal_error(const Answer& refusal, const Upgrade& upgrade, const std::string& server)
{
    auto error = error_of(refusal, {.path = upgrade.path, .body = {}}, server);
    if (refusal.status < 400) // a proxy that knows no WebSockets, a redirect
        error.message =
            fmt::format("{} answered HTTP {} to the request for a stream", server, refusal.status);
    if (error.kind == ErrorKind::auth && refusal.status == 403)
        error.hint =
            "Ask for a Role that allows the verbs get and create on it; see what you may: kubectl auth "
            "can-i --list";
    return error;
}

class SocketStreams final : public Streams {
  public:
    SocketStreams(const Access& access, std::unique_ptr<Credentials> credentials)
        : access_(access), credentials_(std::move(credentials))
    {
    }

    Result<RemoteEnd> exec(const ExecCall& call, const RemoteIo& io, const Cancel& cancel,
                           Deadline deadline) override
    {
        const Upgrade upgrade{exec_path(call, io.in >= 0, static_cast<bool>(io.err)),
                              {std::string(k_protocol_v5), std::string(k_protocol_v4)}};
        TRY_ASSIGN(const auto socket, open(upgrade, cancel, deadline));
        return run_exec(*socket, io, call.tty, cancel, deadline);
    }

    Result<std::unique_ptr<PortStream>> open_port(const PortCall& call, UniqueFd local, const Cancel& cancel,
                                                  Deadline deadline) override
    {
        const Upgrade upgrade{port_path(call), {std::string(k_protocol_v4)}};
        auto socket = open(upgrade, cancel, deadline);
        if (!socket) {
            auto error = std::move(socket).error();
            if (error.kind == ErrorKind::unknown) // nothing was done at the other end
                error.kind = ErrorKind::unreachable;
            return error;
        }
        return run_port(*std::move(socket), call.port, std::move(local), cancel);
    }

  private:
    Result<std::unique_ptr<WebSocket>> open(const Upgrade& upgrade, const Cancel& cancel, Deadline deadline)
    {
        const auto limit = deadline.sooner(k_handshake);
        TRY_ASSIGN(const auto identity, credentials_->get(false, limit));
        auto tried = open_web_socket(access_, identity, upgrade, cancel, limit);
        if (!tried && tried.error().kind == ErrorKind::unreachable && cancel.requested())
            return fail(ErrorKind::interrupted,
                        fmt::format("interrupted while connecting to {}", access_.cluster.server));
        TRY_ASSIGN(auto opened, std::move(tried));
        if (!opened.socket && opened.refusal.status == 401) {
            TRY_ASSIGN(const auto fresh, credentials_->get(true, limit));
            TRY_ASSIGN(opened, open_web_socket(access_, fresh, upgrade, cancel, limit));
        }
        if (!opened.socket)
            return refusal_error(opened.refusal, upgrade, access_.cluster.server);
        for (const auto& offered : upgrade.protocols)
            if (opened.socket->protocol() == offered)
                return std::move(opened.socket);
        return fail(ErrorKind::failed,
                    fmt::format("the API server {} speaks none of {}", access_.cluster.server,
                                fmt::join(upgrade.protocols, ", ")),
                    "Streams need WebSockets with channels, which Kubernetes has since 1.4.");
    }

    const Access access_;
    const std::unique_ptr<Credentials> credentials_;
};

} // namespace

std::unique_ptr<Streams> make_streams(const Access& access, std::unique_ptr<Credentials> credentials)
{
    return std::make_unique<SocketStreams>(access, std::move(credentials));
}

} // namespace conduit::kube
