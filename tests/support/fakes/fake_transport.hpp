// SPDX-License-Identifier: Apache-2.0
// An API server of scripted answers.
#pragma once

#include "core/kube/transport.hpp"

#include <deque>
#include <mutex>
#include <vector>

namespace conduit::test {

class FakeTransport final : public kube::Transport {
  public:
    using Reply = std::function<Result<kube::Answer>(const kube::Call&, const kube::OnPiece*)>;

    Result<kube::Answer> send(const kube::Call& call, Deadline) override { return next(call, nullptr); }
    Result<kube::Answer> stream(const kube::Call& call, const kube::OnPiece& piece, Deadline) override
    {
        return next(call, &piece);
    }
    std::string server() const override { return "https://api.test"; }

    void reply(Reply reply) { replies.push_back(std::move(reply)); }
    void reply(int status, std::string body, std::vector<std::pair<std::string, std::string>> headers = {})
    {
        reply([=](const kube::Call&, const kube::OnPiece*) -> Result<kube::Answer> {
            return kube::Answer{status, headers, body};
        });
    }
    void fail_with(ErrorKind kind)
    {
        reply([=](const kube::Call&, const kube::OnPiece*) -> Result<kube::Answer> {
            return Error{kind, "as told"};
        });
    }
    // A body that comes in pieces; it ends when the receiver wants no more.
    void pieces(std::vector<std::string> pieces)
    {
        reply([=](const kube::Call&, const kube::OnPiece* piece) -> Result<kube::Answer> {
            for (const auto& one : pieces)
                if (!(*piece)(one))
                    break;
            return kube::Answer{200, {}, {}};
        });
    }

    std::vector<kube::Call> calls;
    std::deque<Reply> replies;

  private:
    Result<kube::Answer> next(const kube::Call& call, const kube::OnPiece* piece)
    {
        Reply reply;
        {
            const std::lock_guard lock(mutex_);
            calls.push_back(call);
            if (replies.empty())
                return Error{ErrorKind::unreachable,
                             "no answer is left for " + call.method + " " + call.path};
            reply = std::move(replies.front());
            replies.pop_front();
        }
        return reply(call, piece);
    }
    std::mutex mutex_;
};

} // namespace conduit::test
