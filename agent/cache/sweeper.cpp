// SPDX-License-Identifier: Apache-2.0
#include "agent/cache/sweeper.hpp"

#include <fmt/format.h>

namespace conduit::agent {
namespace {

constexpr Duration k_page_time{10'000};
constexpr std::string_view k_page = "500";

} // namespace

std::string_view sweep_state_name(Sweep::State state)
{
    switch (state) {
    case Sweep::State::none:
        return "none";
    case Sweep::State::running:
        return "running";
    case Sweep::State::done:
        return "done";
    case Sweep::State::elsewhere:
        return "elsewhere";
    case Sweep::State::not_reached:
        return "not-reached";
    }
    return "none";
}

bool is_cache_key(std::string_view key)
{
    return key.starts_with("audio:tts:") || key.starts_with("audio:stt:");
}

Result<std::vector<std::string>> scanned(const redis::Reply& page, std::string& cursor)
{
    if (!page.is_array() || page.items.size() != 2 || !page.items[0].is_text() || !page.items[1].is_array())
        return fail(ErrorKind::failed, "Redis did not answer to SCAN as it should");
    cursor = page.items[0].text;
    std::vector<std::string> keys;
    for (const auto& item : page.items[1].items)
        if (item.is_text())
            keys.push_back(item.text);
    return keys;
}

Sweep Sweeper::last() const
{
    const std::scoped_lock lock(mutex_);
    return last_;
}

void Sweeper::end(std::uint64_t epoch, Sweep::State state, const std::string& error)
{
    const std::scoped_lock lock(mutex_);
    if (last_.epoch != epoch)
        return; // a newer one has begun
    last_.state = state;
    last_.error = error;
}

void Sweeper::start(std::uint64_t epoch, std::uint64_t revision, const std::string& prefix)
{
    {
        const std::scoped_lock lock(mutex_);
        last_ = {Sweep::State::running, epoch, prefix, 0, {}};
    }
    auto self = shared_from_this();
    auto pattern = redis::match_literal(prefix) + "*";
    port_.submit(
        redis::command({"SET", fmt::format("conduit:sweep:{}", revision), "1", "NX", "EX", "300"}),
        [self, epoch, pattern](Result<redis::Reply> first) {
            if (!first)
                self->end(epoch, Sweep::State::not_reached, first.error().message);
            else if (first->is_nil())
                self->end(epoch, Sweep::State::elsewhere);
            else
                self->next_page(epoch, pattern, "0");
        },
        k_page_time);
}

void Sweeper::next_page(std::uint64_t epoch, const std::string& pattern, const std::string& cursor)
{
    auto self = shared_from_this();
    auto command = redis::command({"SCAN", cursor, "MATCH", pattern, "COUNT", k_page});
    port_.submit(
        std::move(command),
        [self, epoch, pattern](Result<redis::Reply> page) {
            self->take_page(epoch, pattern, std::move(page));
        },
        k_page_time);
}

void Sweeper::take_page(std::uint64_t epoch, const std::string& pattern, Result<redis::Reply> page)
{
    std::string cursor;
    auto keys = page ? scanned(*page, cursor) : Result<std::vector<std::string>>(page.error());
    if (!keys)
        return end(epoch, Sweep::State::not_reached, keys.error().message);
    std::erase_if(*keys, [](const std::string& key) { return !is_cache_key(key); });
    if (keys->empty())
        return cursor == "0" ? end(epoch, Sweep::State::done) : next_page(epoch, pattern, cursor);
    keys->insert(keys->begin(), "UNLINK");
    auto self = shared_from_this();
    port_.submit(
        redis::command(*keys),
        [self, epoch, pattern, cursor](Result<redis::Reply> removed) {
            if (!removed)
                return self->end(epoch, Sweep::State::not_reached, removed.error().message);
            {
                const std::scoped_lock lock(self->mutex_);
                if (self->last_.epoch == epoch)
                    self->last_.removed +=
                        removed->integer > 0 ? static_cast<std::uint64_t>(removed->integer) : 0;
            }
            if (cursor == "0")
                self->end(epoch, Sweep::State::done);
            else
                self->next_page(epoch, pattern, cursor);
        },
        k_page_time);
}

} // namespace conduit::agent
