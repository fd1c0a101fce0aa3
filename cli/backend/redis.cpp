// SPDX-License-Identifier: Apache-2.0
#include "cli/backend/redis.hpp"

#include <fmt/format.h>

namespace conduit {

Result<redis::Reply> RedisSession::call(std::initializer_list<std::string_view> words, Deadline deadline)
{
    TRY_ASSIGN(auto replies, pipeline(redis::command(words), 1, deadline));
    return std::move(replies.front());
}

Result<redis::Reply> RedisSession::ask(std::initializer_list<std::string_view> words, Deadline deadline)
{
    TRY_ASSIGN(auto reply, call(words, deadline));
    if (!reply.is_error())
        return reply;
    auto error = redis::reply_error(reply, fmt::format("{} on Redis {}", *words.begin(), name()));
    if (error.kind == ErrorKind::auth)
        error.hint = "Look at redis.user and redis.password of the context, and at ACL LIST on the server.";
    return std::move(error).with_detail("code", std::string(reply.error_code()));
}

} // namespace conduit
