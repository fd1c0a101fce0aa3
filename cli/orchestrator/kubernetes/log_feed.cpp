// SPDX-License-Identifier: Apache-2.0
#include "cli/orchestrator/kubernetes/log_feed.hpp"

#include <utility>

namespace conduit::kubernetes {

bool LogFeed::push(std::string lines)
{
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || waiting_.empty() || bytes_ + lines.size() <= limit_; });
    if (stopped_)
        return false;
    bytes_ += lines.size();
    waiting_.push_back(std::move(lines));
    changed_.notify_all();
    return true;
}

void LogFeed::end(Result<> how)
{
    const std::lock_guard lock(mutex_);
    how_ = std::move(how);
    ended_ = true;
    changed_.notify_all();
}

bool LogFeed::refill()
{
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopped_ || ended_ || !waiting_.empty(); });
    if (stopped_ || waiting_.empty())
        return false;
    current_ = std::move(waiting_.front());
    waiting_.pop_front();
    bytes_ -= current_.size();
    at_ = 0;
    changed_.notify_all();
    return true;
}

bool LogFeed::next()
{
    if (at_ >= current_.size() && !refill())
        return false;
    const auto end = current_.find('\n', at_);
    const std::string_view whole = std::string_view(current_).substr(at_, end - at_);
    at_ = end == std::string::npos ? current_.size() : end + 1;
    line_ = stamped(whole);
    if (!line_.stamp.empty())
        stamp_ = line_.stamp;
    return true;
}

void LogFeed::stop()
{
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
}

} // namespace conduit::kubernetes
