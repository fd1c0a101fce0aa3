// SPDX-License-Identifier: Apache-2.0
#include "cli/redis/save.hpp"

#include "cli/redis/info.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace conduit::redis {
namespace {

Result<std::int64_t> last_save(RedisSession& server, Deadline deadline)
{
    TRY_ASSIGN(const auto reply, server.ask({"LASTSAVE"}, deadline));
    if (!reply.is_integer())
        return fail(ErrorKind::unknown, fmt::format("LASTSAVE of Redis {} is no time", server.name()));
    return reply.integer;
}

// LASTSAVE counts whole seconds: one that ends in the second of the last one could not be told from it. And a
// save or a rewrite that runs has begun before what we are asked to keep.
Result<> let_pass(RedisSession& server, std::int64_t second, const Cancel& cancel, Deadline deadline)
{
    return poll_until(
        [&]() -> Result<std::string> {
            TRY_ASSIGN(const auto reply, server.ask({"TIME"}, deadline));
            std::int64_t now = 0;
            if (reply.is_array() && !reply.items.empty())
                std::from_chars(reply.items[0].text.data(),
                                reply.items[0].text.data() + reply.items[0].text.size(), now);
            TRY_ASSIGN(const auto info, read_info(server, "persistence", deadline));
            if (info.text_or("rdb_bgsave_in_progress", "0") != "0" ||
                info.text_or("aof_rewrite_in_progress", "0") != "0")
                return std::string("another save or rewrite is running");
            return now > second ? std::string() : std::string("it was saved this very second");
        },
        {}, cancel, deadline);
}

Result<std::string> still_missing(RedisSession& server, Saved& saved, Deadline deadline)
{
    TRY_ASSIGN(const auto info, read_info(server, "persistence", deadline));
    TRY_ASSIGN(const auto running, info.number("rdb_bgsave_in_progress"));
    TRY_ASSIGN(const auto status, info.text("rdb_last_bgsave_status"));
    TRY_ASSIGN(saved.after, last_save(server, deadline));
    if (running == 0 && saved.after > saved.before && status == "ok")
        return std::string();
    if (running == 0 && status != "ok")
        return fail(ErrorKind::failed,
                    fmt::format("Redis {} could not save: its last save failed", server.name()),
                    "Its log says why: the disk is full, its folder cannot be written, or there is no memory "
                    "to fork.");
    return fmt::format("{} saves since {} s", saved.node, info.text_or("rdb_current_bgsave_time_sec", "?"));
}

} // namespace

Result<std::vector<Saved>> save(const Masters& masters, const std::function<void()>& sent,
                                const Waiting& waiting, const Cancel& cancel, Deadline deadline)
{
    std::vector<Saved> all;
    for (const auto& server : masters.servers) {
        TRY_ASSIGN(const auto before, last_save(*server, deadline));
        all.push_back({server->name(), before, before});
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        TRY(let_pass(*masters.servers[i], all[i].before, cancel, deadline));
        TRY(masters.servers[i]->ask({"BGSAVE", "SCHEDULE"}, deadline));
    }
    if (sent)
        sent();
    for (std::size_t i = 0; i < all.size(); ++i) {
        auto done = poll_until([&] { return still_missing(*masters.servers[i], all[i], deadline); }, waiting,
                               cancel, deadline);
        if (!done && done.error().kind == ErrorKind::unverified)
            return fail(ErrorKind::unknown,
                        fmt::format("the save was begun and not seen to end: {}", done.error().message));
        TRY(std::move(done));
    }
    return all;
}

Result<> check_saved(const Masters& masters, const std::vector<Saved>& saved, Deadline deadline)
{
    for (const auto& one : saved) {
        const auto server =
            std::ranges::find_if(masters.servers, [&](const auto& s) { return s->name() == one.node; });
        if (server == masters.servers.end())
            return fail(ErrorKind::unverified, fmt::format("{} is no master any more", one.node));
        TRY_ASSIGN(const auto now, last_save(**server, deadline));
        if (now < one.after || one.after <= one.before)
            return fail(ErrorKind::unverified, fmt::format("{} does not say that it was saved", one.node));
    }
    return {};
}

} // namespace conduit::redis
